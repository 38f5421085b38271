"""What people get who install with pip: every command works, away from the repository."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from one_process import run_in_one_process

ROOT = Path(__file__).parents[2]
SETTINGS = ("data.train_size=100", "data.test_size=100", "train.epochs=1", "sweep.seeds=1")
TINY = [word for setting in SETTINGS for word in ("-s", setting)]


@pytest.fixture(scope="module")
def as_installed(tmp_path_factory):
    """Returns a folder with the package as the wheel lays it out."""
    folder = tmp_path_factory.mktemp("installed")
    shutil.copytree(ROOT / "bnexp", folder / "bnexp")
    shutil.copytree(ROOT / "configs", folder / "bnexp/configs")
    return folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Returns a folder with what is in the wheel, built from a copy of the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("bnexp", "configs"):
        shutil.copytree(ROOT / name, source / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--wheel-dir", str(folder), str(source)], check=True)
    (built,) = folder.glob("*.whl")
    zipfile.ZipFile(built).extractall(folder / "installed")
    return folder / "installed"


COMMANDS = [
    ["init", "bn-vs-none"],
    ["plan", "bn-vs-none.yaml"],
    ["train", "quickstart", *TINY],
    ["compare", "quickstart"],
    ["schema"],
]


def check_commands(installed, folder):
    done = run_in_one_process(COMMANDS, folder, PYTHONPATH=str(installed))

    unfolded = "".join(done.said.split())
    assert f"{installed}/bnexp/configs/quickstart.yaml" in unfolded
    schema = json.loads(done.printed[-1])
    assert schema == json.loads((folder / "bnexp.schema.json").read_text("utf-8"))


def test_it_works_from_the_package_alone(as_installed, tmp_path):
    check_commands(as_installed, tmp_path)


@pytest.mark.slow
@pytest.mark.network
def test_it_works_from_the_wheel(wheel, tmp_path):
    check_commands(wheel, tmp_path)


@pytest.mark.slow
@pytest.mark.network
def test_the_wheel_holds_every_file_of_the_package_and_the_configs(wheel):
    def list_files(folder):
        found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        return {path for path in found if path.suffix != ".pyc"}

    expected = {Path("configs") / path for path in list_files(ROOT / "configs")}
    assert list_files(wheel / "bnexp") == expected | list_files(ROOT / "bnexp")
