"""Loading a folder of JPEG and PNG files."""

import contextlib
import io
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from image_folders import make_image_folder, save
from PIL import Image
from pydantic import ValidationError

from bnexp.data.array_cache import forget_loaded
from bnexp.data.image_folder.config import ImageFolderConfig
from bnexp.data.image_folder.layout import scan_image_folder
from bnexp.errors import DataError


@pytest.fixture
def folder(tmp_path):
    """Two classes, three training images and one test image of each; the PNGs are exact."""
    return make_image_folder(tmp_path / "pics")


def load(root, say=lambda line: None, **fields):
    return ImageFolderConfig(root=str(root), **fields).load(say)


def load_afresh(root, say=lambda line: None):
    """Loads as another process would."""
    forget_loaded()
    return load(root, say)


def error_of(root):
    with pytest.raises(DataError) as caught:
        load(root)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("settings", [{}, {"root": None}, {"root": " "}])
def test_a_config_without_root_is_refused(settings):
    with pytest.raises(ValidationError, match=r"must name the folder that holds train/<class>/"):
        ImageFolderConfig(**settings)


def test_images_come_class_by_class_sorted_by_name(folder):
    dataset = load(folder)
    assert dataset.class_names == ("cat", "dog")
    assert dataset.train.images.shape == (6, 6, 8, 3)
    assert dataset.train.images[:, 0, 0].tolist() == [
        [number, place, 7] for place in (0, 1) for number in (0, 1, 2)
    ]
    assert dataset.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert dataset.test.images[:, 5, 7].tolist() == [[99, 0, 7], [99, 1, 7]]
    assert dataset.test.labels.tolist() == [0, 1]


def test_a_relative_root_starts_at_the_current_directory(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert len(load("pics").train) == 6


def test_jpeg_files_are_decoded_as_pillow_does(folder):
    save(folder / "train/cat/photo.JPG", (200, 100, 50), format="JPEG")
    dataset = load(folder)
    with Image.open(folder / "train/cat/photo.JPG") as image:
        np.testing.assert_array_equal(dataset.train.images[3], np.asarray(image))


def test_the_content_decides_between_jpeg_and_png_not_the_name(folder):
    save(folder / "train/cat/9.jpeg", (1, 2, 3), format="PNG")
    assert load(folder).train.images[3, 0, 0].tolist() == [1, 2, 3]


def test_hidden_files_and_folders_are_passed_over(folder):
    (folder / "train/cat/.DS_Store").touch()
    (folder / "train/.cache").mkdir()
    assert len(load(folder).train) == 6


def test_grey_images_are_widened_and_counted(folder):
    save(folder / "train/cat/grey.png", 77, mode="L")
    save(folder / "test/dog/grey.jpg", 78, mode="L")
    said = []
    dataset = load(folder, said.append)
    assert dataset.train.images[3, 2, 2].tolist() == [77, 77, 77]
    assert said[-1] == "2 of 10 images are grey; as RGB, their three channels are equal"


def test_a_second_process_reads_the_decoded_images_without_decoding(folder, monkeypatch):
    first = load(folder)
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("decoded again"))
    second = load_afresh(folder, pytest.fail)
    assert second.fingerprint == first.fingerprint
    np.testing.assert_array_equal(second.train.images, first.train.images)


def test_loads_in_one_process_share_one_read_only_dataset(folder):
    first = load(folder)
    assert load(folder) is first
    assert not first.train.images.flags.writeable


def test_a_changed_folder_is_decoded_again_and_replaces_what_was_kept(folder, data_folder):
    before = load(folder)
    save(folder / "train/cat/3.png")
    after = load(folder)
    assert len(after.train) == len(before.train) + 1
    assert len(list((data_folder / "image_folder").iterdir())) == 1


def test_a_file_overwritten_in_place_is_noticed(folder):
    before = load(folder)
    save(folder / "train/cat/0.png", (255, 255, 255))
    os.utime(folder / "train/cat/0.png", ns=(1, 1))
    assert load(folder).fingerprint != before.fingerprint


def test_damaged_decoded_images_are_told_and_decoded_again(folder, data_folder):
    before = load(folder)
    (kept,) = (data_folder / "image_folder").iterdir()
    kept.write_bytes(kept.read_bytes()[:-40])
    said = []
    assert load_afresh(folder, said.append).fingerprint == before.fingerprint
    assert said[0].startswith(f"{kept} cannot be used")


def test_equal_images_elsewhere_have_the_same_fingerprint(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert load(tmp_path / "elsewhere").fingerprint == load(folder).fingerprint


def test_one_pixel_makes_another_fingerprint(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "elsewhere")
    save(tmp_path / "elsewhere/test/dog/0.png", (99, 1, 8))
    assert load(tmp_path / "elsewhere").fingerprint != load(folder).fingerprint


def test_links_to_images_and_classes_are_followed(folder):
    (folder / "train/cat/link.png").symlink_to(folder / "train/dog/0.png")
    (folder / "train/eel").symlink_to(folder / "train/dog")
    (folder / "test/eel").symlink_to(folder / "test/dog")
    dataset = load(folder)
    assert dataset.class_names == ("cat", "dog", "eel")
    assert len(dataset.train) == 10


def test_of_many_unusable_files_five_are_named_and_all_counted(folder):
    for number in range(9):
        (folder / f"train/dog/bad{number}.png").write_text("no image")
    message = error_of(folder)
    assert "9 of 17 files" in message
    assert message.count("is not a JPEG or PNG image") == 5
    assert "bad4.png is not a JPEG or PNG image and 4 more; " in message


def test_the_usual_size_is_the_most_frequent_one_not_the_first(folder):
    save(folder / "train/cat/0.png", size=(10, 10))
    message = error_of(folder)
    assert "1 of 8 files" in message
    assert "train/cat/0.png 10×10 pixels, not 8×6" in message


def test_it_is_the_most_frequent_of_all_files_not_of_the_few_that_are_looked_at_first(folder):
    for number in range(52):
        save(folder / f"train/dog/{number}-more.png")
    paths = scan_image_folder(folder).paths
    for path in paths[::3]:
        save(Path(path), size=(10, 10))

    message = error_of(folder)
    assert "20 of 60 files" in message
    assert "10×10 pixels, not 8×6" in message


def test_a_folder_without_any_image_is_told_apart_from_an_empty_one(folder):
    paths = scan_image_folder(folder).paths
    for path in paths:
        Path(path).write_text("no image")

    message = error_of(folder)
    assert f"{len(paths)} of {len(paths)} files" in message
    assert "is not a JPEG or PNG image" in message


def test_a_file_that_cannot_be_read_is_named(folder, monkeypatch):
    opened = Path.open

    def refuse(path, *arguments, **options):
        if path.name == "2.png":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    message = error_of(folder)
    assert "train/cat/2.png cannot be read: Permission denied, train/dog/2.png" in message


def test_a_missing_root_is_named(tmp_path):
    message = error_of(tmp_path / "none")
    assert message.startswith(f"{tmp_path / 'none'} does not exist: ")
    assert "train/<class>/ and test/<class>/" in message


def test_a_root_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert error_of(tmp_path / "file").startswith(f"{tmp_path / 'file'} is not a folder")


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_missing_split_is_named(folder, split):
    shutil.rmtree(folder / split)
    assert error_of(folder).startswith(f"{folder / split} does not exist")


def test_a_split_without_classes_is_named(folder):
    shutil.rmtree(folder / "test/cat")
    shutil.rmtree(folder / "test/dog")
    assert error_of(folder).startswith(f"{folder / 'test'} holds no class")


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_split_of_one_class_is_refused(folder, split):
    shutil.rmtree(folder / split / "cat")
    message = error_of(folder)
    assert message == f"{folder / split} holds only the class dog: a classifier needs at least two"


def test_an_empty_class_is_named(folder):
    for path in (folder / "test/dog").iterdir():
        path.unlink()
    assert error_of(folder).startswith(f"{folder / 'test/dog'} is empty")


def test_classes_that_only_one_split_has_are_named(folder):
    (folder / "test/dog").rename(folder / "test/bird")
    message = error_of(folder)
    assert "must have the same classes, but only train/ has dog; only test/ has bird" in message


def test_foreign_files_in_a_class_are_named(folder):
    for number in range(7):
        (folder / f"train/cat/notes{number}.txt").touch()
    (folder / "train/dog/more.png").mkdir()
    message = error_of(folder)
    assert "not named like images (.jpg, .jpeg, .png)" in message
    assert f"{folder}/train/cat/notes4.txt and 3 more" in message


def test_files_beside_the_classes_are_named(folder):
    (folder / "train/labels.csv").touch()
    message = error_of(folder)
    assert message.startswith(f"{folder / 'train'} must hold one folder per class")
    assert message.endswith(": labels.csv")


@pytest.mark.parametrize("place", ["train/cat/loop.png", "train/loop"])
def test_a_link_that_leads_in_a_circle_is_named(folder, place):
    (folder / place).symlink_to(folder / place)
    message = error_of(folder)
    assert message.startswith(f"cannot read {folder / place} (Too many levels of symbolic links)")


def test_a_root_that_links_to_itself_is_named(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert error_of(tmp_path / "loop").startswith(f"cannot read {tmp_path / 'loop'} (")


def test_a_link_that_leads_nowhere_is_named(folder):
    (folder / "train/cat/gone.png").symlink_to(folder / "none.png")
    message = error_of(folder)
    assert message.startswith(f"cannot read {folder / 'train/cat/gone.png'} (No such file")


def test_a_pipe_is_refused_instead_of_waited_for(folder):
    os.mkfifo(folder / "train/cat/pipe.png")
    assert error_of(folder).startswith(f"{folder / 'train/cat/pipe.png'} is not a file")


def test_no_bar_is_drawn_where_stderr_is_no_terminal(folder, capsys):
    load(folder)
    assert capsys.readouterr() == ("", "")


def test_a_bar_is_drawn_on_a_terminal(folder, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", Terminal())
    load(folder)
    assert "decoding images" in sys.stderr.getvalue()


def test_more_images_than_memory_holds_are_refused(folder, monkeypatch):
    def refuse(shape, dtype):
        raise MemoryError

    monkeypatch.setattr("bnexp.data.image_folder.decoding.np.empty", refuse)
    assert "8 images of 8×6 pixels take 0.0 GB of memory" in error_of(folder)


@pytest.mark.parametrize(("size", "is_right"), [(0, False), (1, True), (4096, True), (4097, False)])
def test_pictures_are_resized_to_between_1_and_4096_pixels(size, is_right):
    with contextlib.nullcontext() if is_right else pytest.raises(ValidationError):
        ImageFolderConfig(root="x", image_size=(size, size))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_shape_that_a_config_gives_is_that_of_the_images(folder, channels):
    config = ImageFolderConfig(root=str(folder), image_size=(6, 4), channels=channels)
    assert (
        config.find_image_shape() == load(folder, image_size=(6, 4), channels=channels).image_shape
    )


def test_a_shape_that_the_files_decide_is_unknown():
    assert ImageFolderConfig(root="x").find_image_shape() is None
    assert (
        ImageFolderConfig(root="x", image_size=(6, 4), channels="auto").find_image_shape() is None
    )
