"""Row 17 of the fault matrix: damaged and foreign pictures in an image folder."""

import zlib

import pytest
from image_folders import make_image_folder, save
from PIL import Image

from bnexp.data.image_folder.config import ImageFolderConfig
from bnexp.errors import DataError

CONFIG = """\
name: pictures
data: {name: image_folder, root: pics, val_size: 0, batch_size: 2}
model: {name: cnn, layers: [{conv: 4}]}
optim: {name: sgd, schedule: {name: constant}}
train: {epochs: 1, device: cpu, threads: 1}
"""


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    """Where decoded pictures are kept."""
    monkeypatch.setenv("BNEXP_DATA", str(tmp_path / "data-home"))
    return tmp_path / "data-home"


def cut(path):
    path.write_bytes(path.read_bytes()[:-30])


def break_crc(path):
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 6] ^= 0xFF
    path.write_bytes(content)


def claim_a_huge_size(path, side=60_000):
    content = bytearray(path.read_bytes())
    content[16:24] = side.to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)


def save_16_bit(path):
    """A PNG with 16 bits per channel, which Pillow reads but cannot write."""
    rows = b"".join(b"\0" + bytes(6 * 8) for _ in range(6))
    header = (8).to_bytes(4, "big") + (6).to_bytes(4, "big") + bytes([16, 2, 0, 0, 0])
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    content = b"\x89PNG\r\n\x1a\n"
    for kind, body in chunks:
        content += len(body).to_bytes(4, "big") + kind + body
        content += zlib.crc32(kind + body).to_bytes(4, "big")
    path.write_bytes(content)


def save_animation(path):
    frames = [Image.new("RGB", (8, 6), (shade, 0, 0)) for shade in (1, 2)]
    frames[0].save(path, format="PNG", save_all=True, append_images=frames[1:])


DAMAGES = {
    "cut PNG": ("png", cut, "is damaged: "),
    "cut JPEG": ("jpg", cut, "is damaged: "),
    "broken PNG": ("png", break_crc, "is damaged: "),
    "empty": ("png", lambda path: path.write_bytes(b""), "is not a JPEG or PNG image"),
    "text": ("jpg", lambda path: path.write_text("hello"), "is not a JPEG or PNG image"),
    "GIF": ("png", lambda path: save(path, format="GIF"), "is not a JPEG or PNG image"),
    "size": ("png", lambda path: save(path, size=(6, 8)), "6×8 pixels, not 8×6"),
    "CMYK": ("jpg", lambda path: save(path, 0, mode="CMYK"), "has CMYK, not 8-bit RGB or grey"),
    "animation": ("png", save_animation, "is an animation of 2 pictures"),
    "palette": (
        "png",
        lambda path: save(path, 0, mode="P", transparency=0),
        "has transparent pixels, not",
    ),
    "alpha": ("png", lambda path: save(path, 0, mode="RGBA"), "has transparent pixels, not"),
    "grey alpha": ("png", lambda path: save(path, 0, mode="LA"), "has transparent pixels, not"),
    "transparent": (
        "png",
        lambda path: save(path, transparency=(10, 20, 30)),
        "has transparent pixels, not",
    ),
    "16-bit grey": ("png", lambda path: save(path, 0, mode="I;16"), "has 16 bits per channel, not"),
    "16-bit RGB": ("png", save_16_bit, "has 16 bits per channel, not"),
    "bomb": ("png", claim_a_huge_size, "has far too many pixels"),
    "half a bomb": ("png", lambda path: claim_a_huge_size(path, 11_000), "has far too many pixels"),
    "large": ("png", lambda path: claim_a_huge_size(path, 9000), "9000×9000 pixels, not 8×6"),
}


@pytest.mark.parametrize("case", DAMAGES)
@pytest.mark.parametrize("name", ["0", "zz"], ids=["first", "last"])
def test_row_17_an_image_that_cannot_be_used_is_named_with_the_reason(
    tmp_path, data_folder, case, name
):
    folder = make_image_folder(tmp_path / "pics")
    suffix, spoil, reason = DAMAGES[case]
    (folder / "train/cat/0.png").unlink()
    path = folder / f"train/cat/{name}.{suffix}"
    save(path)
    spoil(path)
    with pytest.raises(DataError) as caught:
        ImageFolderConfig(root=str(folder)).load(lambda _: None)
    message = str(caught.value)
    assert "\n" not in message
    assert f"1 of 8 files in the image folder {folder} cannot be used: " in message
    assert f"train/cat/{name}.{suffix} {reason}" in message
    assert "remove them or save them again" in message
    assert not (data_folder / "image_folder").exists()


@pytest.mark.parametrize("case", ["cut PNG", "cut JPEG", "size", "CMYK", "text", "GIF", "empty"])
def test_row_17_the_command_names_the_picture_and_begins_no_run(case, forks, tmp_path, data_folder):
    suffix, spoil, reason = DAMAGES[case]
    path = make_image_folder(tmp_path / "pics") / f"test/dog/1.{suffix}"
    save(path)
    (tmp_path / "c.yaml").write_text(CONFIG)
    sound = path.read_bytes()
    spoil(path)
    before = sorted(tmp_path.rglob("*"))

    refused = forks.run("train", "c.yaml", cwd=tmp_path)
    left = sorted(tmp_path.rglob("*"))
    path.write_bytes(sound)
    trained = forks.run("train", "c.yaml", cwd=tmp_path)

    assert refused.code == 1
    assert "1 of 9 files in the image folder" in refused.said
    assert f"/pics cannot be used: test/dog/1.{suffix} {reason}" in refused.said
    assert "Traceback" not in refused.said
    assert left == before
    assert trained.code == 0, trained.said
