"""Makes image folders of a few pictures."""

from PIL import Image

TRAINED_FOR_A_MOMENT = """
name: pictures
data: {name: image_folder, root: pics, batch_size: 4}
model: {name: cnn, layers: [{conv: 4}], norm: batch}
optim: {learning_rate: 0.1, schedule: {warmup_epochs: 0}}
train: {epochs: 1, device: cpu, threads: 1}
sweep: {seeds: 2}
"""
"""A config of two short runs on `pics`."""


def save(path, colour=(10, 20, 30), size=(8, 6), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)


def make_image_folder(root):
    """Makes two classes, three training images and one test image of each; the PNGs are exact."""
    for place, name in enumerate(("cat", "dog")):
        for number in range(3):
            save(root / "train" / name / f"{number}.png", (number, place, 7))
        save(root / "test" / name / "0.png", (99, place, 7))
    return root
