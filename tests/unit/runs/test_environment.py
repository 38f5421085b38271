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
    assert environment._describe_code(repository) == {"commit": clean["commit"], "dirty": True}


def test_the_repositorys_index_is_not_written(repository):
    index = repository / ".git" / "index"
    os.utime(repository / "__init__.py", (0, 0))  # git would note the new time in its index
    before = index.read_bytes()

    environment._describe_code(repository)

    assert index.read_bytes() == before
