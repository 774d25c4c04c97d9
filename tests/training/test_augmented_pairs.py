"""Augmented pairs: what the network sees, what the loss compares, and the keys."""

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from stand_in import make_cohort
from unoptimised import quick

from autoreg_jax import config
from autoreg_jax.bilevel import PairBatch
from autoreg_jax.errors import ConfigError
from autoreg_jax.programs import _augment
from autoreg_jax.workflows.training import on_grid

ALWAYS = {"probability": 1.0}
MAPS = dict.fromkeys(("monotone", "gamma", "bias", "noise"), ALWAYS)


augmented = quick(_augment.augmented, static_argnames="settings")


def settings(**changes) -> config.AugmentConfig:
    merged = config.merge(config.RunConfig(), {"train": {"augment": changes}})
    return merged.train.augment


def run(pair, chosen, seed=0) -> Any:
    batch = pair._replace(key=jax.random.key(seed))
    return jax.device_get(augmented(batch, chosen))


@pytest.fixture(scope="module")
def pair():
    """Two pairs, the images of each alike, with what stands for labels."""
    images = make_cohort(2, 5).images
    return PairBatch(images, images, images, images)


def test_off_by_default_and_out_of_range_is_refused():
    assert not settings().is_used
    assert not settings(gamma={"strength": 2.0}).is_used
    assert settings(flip=["x"]).is_used
    assert settings(noise=ALWAYS).noise == config.Chance(probability=1, strength=0.05)
    with pytest.raises(ConfigError, match=r"augment\.remap\.strength: must be <= 1"):
        settings(remap={"strength": 1.5})
    with pytest.raises(ConfigError, match=r"bias\.probability: must be >= 0 and <= 1"):
        settings(bias={"probability": 2.0})


def test_directions_of_the_body_are_axes_of_the_grid():
    cohort = make_cohort(2, 1)  # RAS, voxels of 2 mm
    turned = dataclasses.replace(cohort, affine=cohort.affine[:, [1, 0, 2, 3]])
    chosen = settings(flip=["left_right", "x"], affine=ALWAYS)
    assert on_grid(chosen, cohort) == dataclasses.replace(
        chosen, flip=("x",), spacing=(2.0, 2.0)
    )
    assert on_grid(chosen, turned).flip == ("y", "x")
    assert on_grid(settings(), cohort) == settings()
    with pytest.raises(ConfigError, match=r"inferior_superior is no direction .* R, A"):
        on_grid(settings(flip=["inferior_superior"]), cohort)
    with pytest.raises(ConfigError, match=r"spacing: has 3 numbers, .* of 2 axes"):
        on_grid(settings(spacing=[1.0, 1.0, 1.0]), cohort)


def test_positions_change_what_is_compared_and_intensities_what_is_seen(pair):
    chosen = settings(affine=ALWAYS, flip=["x", "y"], **MAPS)
    seen, compared = run(pair, chosen)
    # Labels go where their image goes.
    for images, labels in (
        (compared.moving, compared.moving_labels),
        (compared.fixed, compared.fixed_labels),
    ):
        np.testing.assert_array_equal(images, labels)
        assert np.abs(images - pair.moving).max() > 0.05
    assert np.abs(compared.moving - compared.fixed).max() > 0.05
    assert np.abs(compared.moving[0] - compared.moving[1]).max() > 0.05
    assert np.abs(seen.moving - compared.moving).max() > 0.05
    for images in (seen.moving, seen.fixed):
        assert images.min() >= 0
        assert images.max() <= 1
    again, other = run(pair, chosen), run(pair, chosen, seed=1)
    np.testing.assert_array_equal(again[0].moving, seen.moving)
    assert np.abs(other[0].moving - seen.moving).max() > 0.05


def test_landmarks_go_where_their_images_go():
    """Images of their own coordinates say which point of them lies at a landmark."""
    grid = np.stack(np.indices((40, 36)), -1)[None].astype(np.float32)
    points = np.array([[[14, 19], [22.5, 17], [25, 16], [np.nan, 0]]], np.float32)
    batch = PairBatch(grid, grid, moving_landmarks=points, fixed_landmarks=points + 1)
    chosen = settings(affine=ALWAYS, deform=ALWAYS, flip=["y"])
    flipped = 0
    for seed in range(6):
        _, compared = run(batch, chosen, seed)
        sides = (
            (compared.moving, compared.moving_landmarks, points),
            (compared.fixed, compared.fixed_landmarks, points + 1),
        )
        for images, moved, wanted in sides:
            assert np.abs(moved - wanted)[0, :3].max() > 0.5
            assert np.isnan(moved[0, 3]).any()
            for place, was in zip(moved[0, :3], wanted[0, :3], strict=True):
                image = np.moveaxis(images[0], -1, 0)
                there = [map_coordinates(one, place[:, None], order=1) for one in image]
                np.testing.assert_allclose(np.ravel(there), was, atol=0.05)
        flipped += int(compared.moving[0, 20, 4, 1] > compared.moving[0, 20, 31, 1])
    assert 0 < flipped < 6


def test_the_loss_may_compare_what_is_seen(pair):
    seen, compared = run(pair, settings(loss_on="augmented", gamma=ALWAYS))
    np.testing.assert_array_equal(seen.fixed, compared.fixed)
    assert np.abs(compared.fixed - pair.fixed).max() > 0.05


def test_a_shared_map_is_the_same_for_both(pair):
    same, _ = run(pair, settings(shared=1.0, remap=ALWAYS, gamma=ALWAYS))
    np.testing.assert_allclose(same.moving, same.fixed, atol=1e-6)
    own, _ = run(pair, settings(remap=ALWAYS, gamma=ALWAYS))
    assert np.abs(own.moving - own.fixed).max() > 0.05


def test_painted_images_show_their_labels_alone(pair):
    """One intensity for each structure on black, the same for both if it is shared."""
    labels = np.zeros((2, 16, 16, 2), np.float32)
    labels[:, 2:6, ..., 0] = labels[:, 9:13, ..., 1] = 1
    labelled = pair._replace(moving_labels=labels, fixed_labels=labels)
    seen, compared = run(labelled, settings(shared=1.0, paint=ALWAYS))
    np.testing.assert_array_equal(compared.moving, pair.moving)
    np.testing.assert_allclose(seen.moving, seen.fixed)
    for image in seen.moving:
        values = image[2, 0, 0], image[9, 0, 0]
        expected = labels[0] @ np.array(values)
        np.testing.assert_allclose(image[..., 0], expected, atol=1e-6)
        assert abs(values[0] - values[1]) > 0.01
    own, _ = run(labelled, settings(paint=ALWAYS))
    assert np.abs(own.moving - own.fixed).max() > 0.05


def test_shapes_are_the_same_image_twice_before_they_are_deformed(pair):
    labels = np.zeros((2, 16, 16, 3), np.float32)
    labelled = pair._replace(moving_labels=labels, fixed_labels=labels)
    _, same = run(labelled, settings(shapes=1.0))
    np.testing.assert_array_equal(same.moving, same.fixed)
    np.testing.assert_array_equal(same.moving_labels, same.fixed_labels)
    assert set(np.unique(same.moving_labels.sum(-1))) <= {0, 1}
    assert same.moving_labels.any((1, 2)).sum() > 4
    _, moved = run(labelled, settings(shapes=1.0, deform=ALWAYS))
    assert np.abs(moved.moving - moved.fixed).max() > 0.05
    border = np.ones((16, 16), bool)
    border[2:-2, 2:-2] = False
    change = np.abs(moved.moving - same.moving)[..., 0]
    assert change[:, border].mean() < change[:, ~border].mean()


def test_a_mirror_is_shared_and_its_axis_exists(pair):
    _, compared = run(pair, settings(flip=["y"]))
    np.testing.assert_array_equal(compared.moving, compared.fixed)
    for image, given in zip(compared.moving, pair.moving, strict=True):
        assert any(np.array_equal(image, x) for x in (given, given[:, ::-1]))
    with pytest.raises(ConfigError, match=r"flip: must name axes of images of 2 axes"):
        run(pair, settings(flip=["z"]))
