"""The verdict on a registered pair: closed forms, what must not matter, the words."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from autoreg_jax import inference
from autoreg_jax.alignment import Alignment, Prealignment
from autoreg_jax.inference import Evidence, Trust
from autoreg_jax.inference.trust import THRESHOLDS, collect

SHAPE, SPACING = (40, 36, 32), (2.0, 1.0, 3.0)
GOOD = Evidence(0.0, 0.2, 0.1, 0.01, 0.0, 0.05, 0.0, 0.0)


def texture(seed, shape=SHAPE):
    """Grey values from 0.2 to 1, so that all of the image shows something."""
    noise = np.random.default_rng(seed).random(shape)
    image = ndimage.gaussian_filter(noise, 1.5)
    return (0.2 + 0.8 * (image - image.min()) / np.ptp(image)).astype(np.float32)


def measured(fixed, moved, displacement=None, **more):
    still = np.zeros((*fixed.shape, fixed.ndim))
    vectors = still if displacement is None else displacement
    given = {"spacing": SPACING[: fixed.ndim], "folding": 0.0} | more
    return collect(fixed, moved, moved, vectors, **given)


def test_equal_images_and_unrelated_ones():
    same = measured(texture(1), texture(1))
    assert same.uncovered == same.distortion == same.displacement == 0
    assert same.disagreement < 0.001
    assert same.distance < 0.05
    assert same.independence < 0.1
    other = measured(texture(1), texture(2))
    # Unrelated places agree as unrelated places do: that is how the scale is made.
    assert other.disagreement == pytest.approx(0.75, abs=0.05)
    assert other.distance == pytest.approx(1, abs=0.05)
    assert other.independence > 0.9


def test_contrast_does_not_matter():
    image, moved = texture(1), texture(1) + 0.02 * texture(2)
    plain = measured(image, np.clip(moved, 0, 1))
    inverted = measured(image, np.clip(1.2 - moved, 0, 1))
    assert inverted.distance == pytest.approx(plain.distance, abs=0.02)
    assert inverted.independence == pytest.approx(plain.independence, abs=0.02)
    # Brightest becomes darkest, and dark again: no line, but a function.
    folded = measured(image, 0.2 + np.abs(image - 0.6))
    assert folded.distance < 0.6
    assert folded.independence < 0.1


def test_places_and_lengths():
    image = texture(1)
    half = image.copy()
    half[:10] = 0
    assert measured(image, half).uncovered == pytest.approx(0.25)
    assert measured(half, image).uncovered == 0
    shift = np.full((*SHAPE, 3), (1.0, -2.0, 0.5))
    volume = np.prod(SHAPE) * np.prod(SPACING)
    expected = np.linalg.norm((2.0, 2.0, 1.5)) / np.cbrt(volume)
    found = measured(image, image, shift)
    assert found.displacement == pytest.approx(expected, rel=1e-5)
    assert found.distortion == 0


def test_a_dark_organ_inside_a_mask_shows_something():
    """A lung between bright walls, breathed in a little deeper in one image."""
    inside = np.zeros(SHAPE, np.float32)
    inside[8:-8, 8:-8, 8:-8] = 1
    lung = texture(1)
    fixed, moved = (np.where(inside, x * lung, lung) for x in (0.15, 0.1))
    found = measured(fixed, moved, inside=inside)
    assert found.uncovered == 0
    assert found.disagreement < 0.001
    half = np.where(np.indices(SHAPE)[0] < SHAPE[0] // 2, moved, 0)
    assert measured(fixed, half, inside=inside).uncovered == pytest.approx(0.5)


@pytest.mark.parametrize(("factor", "is_extreme"), [(1.4, 0), (1.5, 1), (0.65, 1)])
@pytest.mark.parametrize("finer", [1, 3])
def test_a_volume_that_changes_threefold(factor, is_extreme, finer):
    """1.44³ = 3; whatever the grid, of which only blocks are looked at."""
    shape = 44, 20, 16
    plain = texture(3, shape)
    image = np.kron(plain, np.ones((finer,) * 3, np.float32))
    places = np.moveaxis(np.indices(image.shape), 0, -1).astype(np.float32)
    found = measured(image, image, (factor - 1) * places)
    assert found.distortion == is_extreme
    assert found.distance == pytest.approx(measured(plain, plain).distance, abs=1e-4)


def test_only_what_is_compared_counts():
    image, inside = texture(1), np.zeros(SHAPE, np.float32)
    inside[:, :18] = 1
    spoilt = image.copy()
    spoilt[:, 24:] = texture(2)[:, 24:]
    assert measured(image, spoilt).disagreement > 0.1
    assert measured(image, spoilt, inside=inside).disagreement < 0.01
    empty = measured(np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32))
    assert Trust(empty).value < 0.5


@pytest.mark.parametrize("axis", range(3))
def test_a_mirror_image(axis):
    """A voxel aside: it is mirrored about the middle of what it shows."""
    image = np.zeros((36, 36, 36), np.float32)
    image[6:28, 6:28, 6:28] = texture(4, (22, 22, 22))
    image = ndimage.gaussian_filter(image, 2)
    mirrored = np.roll(np.flip(image, axis), -1, axis)
    found = measured(image, mirrored)
    assert found.axis == axis
    assert found.mirrored > 0.03
    assert measured(image, image).mirrored == 0
    names = "front-back", "up-down", "left-right"
    words = Trust(found, 0.0, names).flags
    assert any(f"mirrored {names[axis]} (by" in flag for flag in words)


def test_planes():
    same, other = (measured(texture(1)[0], texture(seed)[0]) for seed in (1, 2))
    assert same.distance < 0.1
    assert other.distance > 0.8


@pytest.mark.parametrize("name", THRESHOLDS)
def test_a_measure_at_its_threshold_is_half_a_trust(name):
    assert Trust(GOOD).flags == ()
    for factor, expected in ((1.0, 0.5), (2.0, 0.2), (0.99, None), (np.nan, 0.0)):
        value = factor * THRESHOLDS[name]
        if name == "turn":
            found = Trust(GOOD, turn=value)
        else:
            found = Trust(replace(GOOD, **{name: value}))
        if expected is None:
            assert 0.5 < found.value < 0.51
            assert found.flags == ()
            continue
        assert found.value == pytest.approx(expected)
        assert len(found.flags) == 1
        assert "usual: below" in found.flags[0]


def test_the_worst_comes_first():
    found = Trust(replace(GOOD, disagreement=0.43, uncovered=0.9), turn=5.0)
    assert "90 % of what the fixed image shows" in found.flags[0]
    assert "still disagree in 43 % of" in found.flags[1]
    assert found.summary()["trust"] == found.value


def test_the_turn_of_an_alignment():
    angle = np.radians(100)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix = turn @ np.diag([1.2, 0.9, 1.0, 1.0])
    alignment = Alignment(matrix, 0.9, 0.1, True, "", "mi", 1.0)
    assert Prealignment(alignment, is_used=True).turn == pytest.approx(100)
    assert Prealignment(alignment, is_used=False).turn == 0


def test_a_registration_is_judged(pair, still_model):
    options = {"model": still_model, "affine": "none"}
    same = inference.register(pair[0], pair[0], **options)
    strangers = inference.register(*pair, **options)
    assert same.trust
    assert strangers.trust
    assert same.trust.directions == ("left-right", "front-back", "up-down")
    assert same.trust.value > 0.5
    assert strangers.trust.value < 0.3
    assert strangers.summary()["trust_flags"] == strangers.trust.flags
    assert strangers.trust.evidence.folding == strangers.folding_fraction
