"""What is recorded of the code must leave the repository that holds it alone."""

import os
import subprocess

import pytest

from bnexp.runs import environment


@pytest.fixture
def repository(tmp_path):
    def git(*arguments):
        author = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        subprocess.run(["git", *author, *arguments], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "__init__.py").write_text("")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    return tmp_path


def test_the_commit_and_its_changes_are_told(repository):
    clean = environment._describe_code(repository)
    (repository / "__init__.py").write_text("changed = True\n")

    assert len(clean["commit"]) == 40
    assert clean["dirty"] is False
    dirty = environment._describe_code(repository)
    assert clean["changes"] is None
    assert (dirty["commit"], dirty["dirty"]) == (clean["commit"], True)


def test_two_trees_with_other_changes_have_other_digests_and_the_same_one_has_one(repository):
    digests = []
    for content in ("a = 1\n", "a = 2\n", "a = 1\n"):
        (repository / "__init__.py").write_text(content)
        digests.append(environment._describe_code(repository)["changes"])

    assert digests[0] == digests[2] != digests[1]
    assert len(digests[0]) == 64


def test_a_removed_file_and_an_odd_one_are_changes_too(repository):
    (repository / "__init__.py").write_bytes(b"\xff\xfe")
    odd = environment._describe_code(repository)["changes"]
    (repository / "__init__.py").unlink()

    assert len({odd, environment._describe_code(repository)["changes"]} - {None}) == 2


@pytest.mark.parametrize("name", ["new.py", "ä new.py"])
def test_a_new_file_counts_by_its_name_and_content(name, repository):
    digests = set()
    for file, content in ((name, "a = 1\n"), (name, "a = 2\n"), ("other.py", "a = 2\n")):
        (repository / file).write_text(content)
        digests.add(environment._describe_code(repository)["changes"])
        (repository / file).unlink()

    assert len(digests) == 3


def test_what_changes_beside_the_package_does_not_count(repository):
    package = repository / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for command in (["add", "."], ["commit", "-m", "second"]):
        author = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        subprocess.run(["git", *author, *command], cwd=repository, check=True, capture_output=True)
    (package / "__init__.py").write_text("a = 1\n")
    before = environment._describe_code(package)["changes"]
    (repository / "notes.txt").write_text("beside")
    (repository / "__init__.py").write_text("beside = True\n")

    assert environment._describe_code(package)["changes"] == before


def test_the_repositorys_index_is_not_written(repository):
    index = repository / ".git" / "index"
    os.utime(repository / "__init__.py", (0, 0))  # git would note the new time in its index
    before = index.read_bytes()

    environment._describe_code(repository)

    assert index.read_bytes() == before
