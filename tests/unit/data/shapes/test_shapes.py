"""The `shapes` dataset: what its pictures promise."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.path import Path as Polygon
from pydantic import ValidationError

from bnexp.data.shapes.config import ShapesConfig
from bnexp.data.shapes.drawing import (
    CLASS_NAMES,
    FIGURES,
    SIDE,
    TEXTURES,
    Pose,
    coverage,
    first_colour_share,
)

FINGERPRINT = "51b608201a6bb1ca5c355123c61d7f4770cc1c74e11ce031c06fbb4833c7db03"


@pytest.fixture(scope="module")
def shapes():
    return ShapesConfig().load(lambda line: None)


def make_pose(size, x=16.0, y=16.0, angle=0.0):
    """One pose, or as many as the longest argument has values."""
    values = np.broadcast_arrays(x, y, size, np.cos(angle), np.sin(angle))
    return Pose(*(np.asarray(value, np.float32).reshape(-1, 1, 1) for value in values))


def random_poses(count, low, high, margin=14.0):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(margin, SIDE - margin, (2, count))
    return make_pose(rng.uniform(low, high, count), x, y, rng.uniform(0, 2 * np.pi, count))


# The config


def test_loading_the_config_does_not_import_numpy():
    code = "import sys, bnexp.data.shapes.config; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_root_is_refused_with_the_reason():
    with pytest.raises(ValidationError, match="read from no folder"):
        ShapesConfig(root="/data")


def test_loading_says_what_there_is():
    lines = []
    ShapesConfig().load(lines.append)
    assert lines == ["data: shapes, 10,000 training and 2,000 test images"]


# The dataset


def test_facts_are_those_of_the_loaded_dataset(shapes):
    facts = ShapesConfig().facts()
    assert facts.image_shape == shapes.image_shape
    assert facts.num_classes == len(shapes.class_names)
    assert (facts.train_count, facts.test_count) == (len(shapes.train), len(shapes.test))


@pytest.mark.parametrize(("split", "count"), [("train", 1000), ("test", 200)])
def test_every_class_has_the_same_number_of_images(shapes, split, count):
    assert np.bincount(getattr(shapes, split).labels).tolist() == [count] * 10


@pytest.mark.parametrize("split", ["train", "test"])
def test_classes_are_mixed_throughout_the_order(shapes, split):
    labels = getattr(shapes, split).labels
    assert set(labels[:200]) == set(labels[-200:]) == set(range(10))


@pytest.mark.parametrize("split", ["train", "test"])
def test_images_are_bytes_that_nobody_can_change(shapes, split):
    part = getattr(shapes, split)
    assert (part.images.dtype, part.labels.dtype) == (np.uint8, np.int64)
    assert not part.images.flags.writeable
    assert not part.labels.flags.writeable


def test_a_process_draws_only_once(shapes):
    assert ShapesConfig(val_size=0).load(lambda line: None) is shapes


def test_the_bytes_are_the_published_ones(shapes):
    assert shapes.fingerprint == FINGERPRINT


def test_another_process_draws_the_same_bytes():
    code = (
        "from bnexp.data.shapes.config import ShapesConfig\n"
        "print(ShapesConfig().load(id).fingerprint)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == FINGERPRINT


def test_no_picture_occurs_twice_in_training_and_test_together(shapes):
    pictures = {image.tobytes() for part in (shapes.train, shapes.test) for image in part.images}
    assert len(pictures) == 12_000


def test_pixels_span_the_range_from_dark_to_bright(shapes):
    assert (shapes.test.images.min(), shapes.test.images.max()) == (0, 255)
    assert 0.1 < (shapes.test.images / 255).std() < 0.3


def colour_features(part):
    """Mean and standard deviation of each channel, `(N, 6)`."""
    pixels = part.images.reshape(len(part), -1, 3).astype(np.float32)
    return np.concatenate([pixels.mean(axis=1), pixels.std(axis=1)], axis=1)


def test_the_nearest_mean_colour_finds_classes_no_better_than_chance(shapes):
    train, test = colour_features(shapes.train)[:, :3], colour_features(shapes.test)[:, :3]
    means = np.stack([train[shapes.train.labels == label].mean(axis=0) for label in range(10)])
    guesses = np.linalg.norm(test[:, None] - means, axis=2).argmin(axis=1)
    # Four standard deviations of 2,000 guesses at 1 in 10.
    assert np.mean(guesses == shapes.test.labels) < 0.1 + 4 * np.sqrt(0.09 / 2000)


def test_a_linear_classifier_on_colour_mean_and_spread_is_no_better_than_chance(shapes):
    def design(part):
        return np.column_stack([colour_features(part), np.ones(len(part))])

    weights, *_ = np.linalg.lstsq(design(shapes.train), np.eye(10)[shapes.train.labels], rcond=None)
    guesses = (design(shapes.test) @ weights).argmax(axis=1)
    assert np.mean(guesses == shapes.test.labels) < 0.1 + 4 * np.sqrt(0.09 / 2000)


# The figures and their textures


def test_class_names_are_all_pairs_of_texture_and_figure(shapes):
    assert shapes.class_names == CLASS_NAMES
    assert set(CLASS_NAMES) == {f"{texture} {figure}" for texture in TEXTURES for figure in FIGURES}


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_covers_the_square_of_its_size(figure):
    # Triangles reach 0.88 sizes from the centre: 14 pixels hold a size of 15.
    pose = random_poses(200, 10, 15)
    areas = coverage(figure, pose).sum(axis=(1, 2))
    np.testing.assert_allclose(areas, pose.size.ravel() ** 2, rtol=0.02)


def regular_polygon(corners, radius):
    angles = 2 * np.pi * (np.arange(corners) + 0.5) / corners + np.pi / 2
    return radius * np.column_stack([np.cos(angles), np.sin(angles)])


def inside(polygon, points):
    return Polygon(np.vstack([polygon, polygon[:1]])).contains_points(points)


def inside_unit_figure(figure, points):
    """Whether points lie in the figure of area 1, from its corners in closed form."""
    if figure == "disc":
        return inside(regular_polygon(180, np.pi**-0.5), points)
    if figure == "ring":
        radius = (0.75 * np.pi) ** -0.5
        hole = inside(regular_polygon(180, radius / 2), points)
        return inside(regular_polygon(180, radius), points) & ~hole
    if figure == "square":
        return inside(regular_polygon(4, 0.5**0.5), points)
    if figure == "triangle":  # area of an equilateral triangle: (3 sqrt(3) / 4) radius^2
        return inside(regular_polygon(3, (0.75 * 3**0.5) ** -0.5), points)
    arm = 5**-0.5  # five squares of this side, side by side and above each other
    long, short = 1.5 * arm, 0.5 * arm
    upright = np.array([[-short, -long], [short, -long], [short, long], [-short, long]])
    return inside(upright, points) | inside(upright[:, ::-1], points)


@pytest.mark.parametrize("figure", FIGURES)
def test_coverage_is_the_share_of_fine_points_inside_the_figure(figure):
    size, x, y, angle = 14.0, 15.3, 16.8, 0.4
    fine = 8
    centres = (np.arange(SIDE * fine) + 0.5) / fine
    across, down = np.meshgrid(centres - x, centres - y)
    u = (across * np.cos(angle) + down * np.sin(angle)) / size
    v = (down * np.cos(angle) - across * np.sin(angle)) / size
    points = inside_unit_figure(figure, np.column_stack([u.ravel(), v.ravel()]))
    expected = points.reshape(SIDE, fine, SIDE, fine).mean(axis=(1, 3))

    drawn = coverage(figure, make_pose(size, x, y, angle))[0]

    # A straight edge that crosses a pixel aslant, or a corner in it, is smoothed, not moved.
    assert np.abs(drawn - expected).max() < 0.25
    assert np.abs(drawn - expected).mean() < 0.003


@pytest.mark.parametrize("figure", FIGURES)
def test_a_mirrored_figure_is_the_same_figure_turned_the_other_way(figure):
    pose = make_pose(16, x=13, y=17, angle=0.7)
    mirrored = make_pose(16, x=SIDE - 13, y=17, angle=-0.7)
    np.testing.assert_array_equal(coverage(figure, pose)[:, :, ::-1], coverage(figure, mirrored))


@pytest.mark.parametrize("texture", TEXTURES)
def test_both_colours_of_a_texture_have_equal_shares(texture):
    shares = first_colour_share(texture, random_poses(500, 6, 9))
    assert shares.mean() == pytest.approx(0.5, abs=0.005)


def test_stripes_repeat_across_and_are_constant_along():
    share = first_colour_share("striped", make_pose(8, x=0, y=0))[0]
    np.testing.assert_allclose(share[:, 8:], share[:, :-8], atol=1e-6)
    np.testing.assert_allclose(share[:, 4:], 1 - share[:, :-4], atol=1e-6)
    assert (share == share[0]).all()


def test_checks_change_colour_at_half_a_period_in_both_directions():
    share = first_colour_share("checked", make_pose(8, x=0, y=0))[0]
    np.testing.assert_allclose(share[:, 4:], 1 - share[:, :-4], atol=1e-6)
    np.testing.assert_allclose(share[4:], 1 - share[:-4], atol=1e-6)
