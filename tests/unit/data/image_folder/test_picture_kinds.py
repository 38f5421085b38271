"""Pictures that are not plainly 8-bit RGB of one size, and what becomes of them."""

import numpy as np
import pytest
import torch
from image_folders import make_image_folder, save
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo
from torch.nn import functional

from bnexp.config.experiment import ExperimentConfig
from bnexp.data.image_folder.config import ImageFolderConfig
from bnexp.data.image_folder.decoding import decode_pictures
from bnexp.errors import DataError
from bnexp.models.mlp.config import MlpConfig
from bnexp.training.setup import build_parts

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
GREYS = RNG.integers(0, 256, (6, 8), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    return make_image_folder(tmp_path / "pics")


def load(folder, say=lambda line: None, **fields):
    return ImageFolderConfig(root=str(folder), **fields).load(say)


def add(folder, image, suffix="png", **options):
    """Adds a picture behind the other cats of the training set."""
    image.save(folder / f"train/cat/zz.{suffix}", **options)


def added(folder, **fields):
    """Returns the pixels of the added picture."""
    return load(folder, **fields).train.images[3]


def orient(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_viewers_turn_them(folder, orientation, suffix):
    """The file holds the picture turned; the tag turns it back."""
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # of Pillow's Transpose
    upright = Image.new("RGB", (8, 6), (0, 0, 255))
    upright.paste((255, 0, 0), (0, 0, 4, 3))
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    add(
        folder,
        stored,
        suffix,
        exif=orient(orientation),
        **({"quality": 100} if suffix == "jpg" else {}),
    )
    pixels = added(folder).astype(int)
    assert np.abs(pixels[1, 1] - (255, 0, 0)).max() < 60
    for row, column in ((1, 6), (4, 1), (4, 6)):
        assert np.abs(pixels[row, column] - (0, 0, 255)).max() < 60


def test_the_size_that_is_reported_is_the_one_that_viewers_show(folder):
    add(folder, Image.new("RGB", (8, 6)), exif=orient(6))
    with pytest.raises(DataError, match=r"zz\.png 6×8 pixels, not 8×6"):
        load(folder)


EQUIVALENT = {
    "palette": Image.fromarray(PIXELS // 64 * 64).quantize(64),
    "opaque palette": Image.fromarray(PIXELS // 64 * 64).quantize(64),
    "opaque alpha": Image.fromarray(np.dstack([PIXELS, np.full((6, 8), 255, np.uint8)])),
    "opaque grey alpha": Image.merge("LA", [Image.fromarray(GREYS), Image.new("L", (8, 6), 255)]),
    "black and white": Image.fromarray(GREYS).convert("1"),
}


@pytest.mark.parametrize("kind", EQUIVALENT)
def test_kinds_with_one_obvious_meaning_are_converted(folder, kind):
    image = EQUIVALENT[kind]
    options = {"transparency": bytes([255] * 64)} if kind == "opaque palette" else {}
    add(folder, image, **options)
    np.testing.assert_array_equal(added(folder), np.asarray(image.convert("RGB")))


def test_a_transparent_colour_that_no_pixel_has_is_no_transparency(folder):
    save(folder / "train/cat/zz.png", transparency=(1, 2, 3))
    assert added(folder)[0, 0].tolist() == [10, 20, 30]


def make_profile(is_swapped=True):
    """Returns the colour profile of sRGB, or one in which red and blue change places."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if not is_swapped:
        return profile
    named = profile.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    return named.replace(b"rXYZ", b"tmp.").replace(b"bXYZ", b"rXYZ").replace(b"tmp.", b"bXYZ")


@pytest.mark.parametrize(
    ("is_swapped", "expected"), [(True, (10, 20, 250)), (False, (250, 20, 10))]
)
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_colour_profile_is_applied_as_viewers_do(folder, suffix, is_swapped, expected):
    image = Image.new("RGB", (8, 6), (250, 20, 10))
    options = {"quality": 100} if suffix == "jpg" else {}
    add(folder, image, suffix, icc_profile=make_profile(is_swapped), **options)
    assert np.abs(added(folder)[0, 0].astype(int) - expected).max() < 8


def test_a_colour_profile_that_cannot_be_read_is_refused(folder):
    add(folder, Image.fromarray(PIXELS), icc_profile=b"no profile")
    with pytest.raises(DataError, match=r"zz\.png has a colour profile that cannot be used"):
        load(folder)


def test_only_a_picture_of_another_kind_is_to_be_saved_again(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(DataError, match=r"is not a JPEG or PNG image; save them again as 8-bit"):
        decode_pictures([tmp_path / "text.png"], (6, 8, 3))
    with pytest.raises(DataError, match=r"gone\.png cannot be read: No such file or directory$"):
        decode_pictures([tmp_path / "gone.png"], (6, 8, 3))


@pytest.mark.parametrize(("gamma", "is_refused"), [(100_000, True), (45_455, False)])
def test_a_gamma_that_makes_a_picture_darker_or_brighter_is_refused(folder, gamma, is_refused):
    chunks = PngInfo()
    chunks.add(b"gAMA", gamma.to_bytes(4, "big"))
    add(folder, Image.fromarray(PIXELS), pnginfo=chunks)
    if is_refused:
        with pytest.raises(DataError, match=r"zz\.png has the gamma 1, not 0\.45 of sRGB"):
            load(folder)
    else:
        np.testing.assert_array_equal(added(folder), PIXELS)


def test_image_size_is_width_and_height_and_resizes_pictures_of_any_size(folder):
    add(folder, Image.new("RGB", (40, 90), (9, 8, 7)))
    dataset = load(folder, image_size=(5, 4))
    assert dataset.image_shape == (4, 5, 3)
    assert dataset.train.images[3, 2, 2].tolist() == [9, 8, 7]


def test_pictures_resized_otherwise_are_another_dataset_and_both_are_kept(folder, data_folder):
    small, large = load(folder, image_size=(4, 4)), load(folder, image_size=(9, 9))
    assert (small.image_shape, large.image_shape) == ((4, 4, 3), (9, 9, 3))
    assert len(list((data_folder / "image_folder").iterdir())) == 2


def make_grey(folder, mode="L"):
    """Takes the colours out of all pictures, and stores them in that mode."""
    for path in folder.rglob("*.png"):
        Image.open(path).convert("L").convert(mode).save(path)


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
@pytest.mark.parametrize(("channels", "expected"), [(1, 1), (3, 3), ("auto", 1)])
def test_grey_pictures_have_one_channel_if_wanted(folder, channels, expected, mode):
    make_grey(folder, mode)
    dataset = load(folder, channels=channels)
    assert dataset.image_shape == (6, 8, expected)
    assert dataset.test.images.shape[3] == expected


@pytest.mark.parametrize(("channels", "expected"), [(1, 1), ("auto", 3)])
def test_one_colour_picture_makes_auto_three_channels_and_is_made_grey_for_one(
    folder, channels, expected
):
    make_grey(folder)
    add(folder, Image.fromarray(PIXELS))
    said = []
    dataset = load(folder, said.append, channels=channels)
    assert dataset.image_shape[2] == expected
    if expected == 1:
        greys = np.asarray(Image.fromarray(PIXELS).convert("L"))
        np.testing.assert_array_equal(dataset.train.images[3, :, :, 0], greys)
        assert said[-1].startswith("1 of 9 images have colours; made grey as 0.299 R")


def test_an_mlp_of_784_inputs_trains_on_pictures_of_28_by_28_pixels_and_one_channel(folder):
    fields = {"image_size": (28, 28), "channels": 1}
    dataset = load(folder, **fields)
    config = ExperimentConfig(
        name="mnist",
        data=ImageFolderConfig(root=str(folder), batch_size=6, **fields),
        model=MlpConfig(),
    )
    parts = build_parts(config, dataset, torch.device("cpu"))
    ((inputs, targets),) = parts.batches.epoch(0)
    logits = parts.learner.model(inputs)
    functional.cross_entropy(logits, targets).backward()
    assert inputs.shape == (6, 1, 28, 28)
    assert logits.shape == (6, 2)
    network = MlpConfig().build((28, 28, 1), 10)
    assert sum(value.numel() for value in network.parameters()) == 270_346
