"""Registration in world space: grids may differ, the world does not."""

import dataclasses
import time
from functools import partial

import jax
import numpy as np
import pytest
from scipy import ndimage

from autoreg_jax import inference
from autoreg_jax.data import write_volume
from autoreg_jax.errors import ConfigError, GeometryError, NonFiniteError
from autoreg_jax.geometry import Volume
from autoreg_jax.inference import _register
from autoreg_jax.inference._estimate import Estimate
from autoreg_jax.losses import feature_similarity

OWN = feature_similarity(lambda image: image)
# What is found where the images are; tests/inference/test_prealign.py moves them.
register = partial(inference.register, affine="none")


def world(volume):
    index = np.stack(np.indices(volume.shape), -1)
    return index @ volume.affine[:3, : volume.ndim].T + volume.affine[:3, 3]


def sampled(volume, points):
    """Trilinear interpolation with a step half a voxel outside, written once more."""
    index = (points - volume.affine[:3, 3]) @ np.linalg.inv(volume.affine[:3, :3]).T
    last = np.array(volume.shape) - 1
    array, within = volume.array.astype(np.float64), np.clip(index, 0, last)
    values = ndimage.map_coordinates(array, np.moveaxis(within, -1, 0), order=1)
    return np.where(np.all(np.abs(index - within) <= 0.5, -1), values, 0)


@pytest.fixture(scope="module")
def foreign():
    """A moving image of another shape, spacing, orientation and place."""
    rng = np.random.default_rng(5)
    array = ndimage.gaussian_filter(rng.random((11, 30, 19)), 1).astype(np.float32)
    affine = np.zeros((4, 4))
    affine[1, 0], affine[0, 1], affine[2, 2], affine[3, 3] = 2.6, -1.1, -1.5, 1
    affine[:3, 3] = 18, 3, 30
    return Volume(array, affine)


def test_no_motion_is_plain_resampling(pair, foreign, still_model):
    result = register(pair[0], foreign, model=still_model, similarity="mind")
    assert "similarity is not used" in " ".join(result.warnings)
    np.testing.assert_array_equal(result.displacement_mm, 0)
    np.testing.assert_array_equal(result.moved.affine, pair[0].affine)
    expected = sampled(foreign, world(pair[0]))
    assert np.count_nonzero(expected) > 500
    np.testing.assert_allclose(result.moved.array, expected, atol=1e-6)
    assert result.similarity == result.similarity_before
    assert result.folding_fraction == 0


def test_a_shift_in_the_header_is_seen(pair, still_model):
    fixed = pair[0]
    affine = fixed.affine.copy()
    affine[0, 3] += 10  # five voxels
    moving = Volume(fixed.array, affine)
    result = register(fixed, moving, model=still_model)
    expected = np.zeros_like(fixed.array)
    expected[5:] = fixed.array[:-5]
    np.testing.assert_allclose(result.moved.array, expected, atol=1e-4)
    assert result.alignment is None


def test_moving_is_interpolated_once_where_the_displacement_points(
    pair, foreign, model
):
    result = register(pair[0], foreign, model=model)
    assert np.abs(result.displacement_mm).max() > 0.5
    expected = sampled(foreign, world(pair[0]) + result.displacement_mm)
    np.testing.assert_allclose(result.moved.array, expected, atol=1e-5)
    assert result.similarity != result.similarity_before


def test_axes_of_the_files_do_not_matter(pair, model, turned):
    straight = register(*pair, model=model)
    both = register(*map(turned, pair), model=model)
    vectors = Volume(np.linalg.norm(straight.displacement_mm, axis=-1), pair[0].affine)
    np.testing.assert_allclose(
        np.linalg.norm(both.displacement_mm, axis=-1), turned(vectors).array, atol=1e-4
    )
    for axis in range(3):
        part = Volume(straight.displacement_mm[..., axis], pair[0].affine)
        found = both.displacement_mm[..., axis]
        np.testing.assert_allclose(found, turned(part).array, atol=1e-4)
    moved = turned(straight.moved).array
    np.testing.assert_allclose(both.moved.array, moved, atol=1e-3)
    assert both.folding_fraction == pytest.approx(straight.folding_fraction, abs=1e-6)


def test_a_finer_fixed_grid_gets_the_same_field(pair, model):
    fixed = pair[0]
    fine = np.kron(fixed.array, np.ones((2, 2, 2), np.float32))
    affine = fixed.affine @ np.diag([0.5, 0.5, 0.5, 1])
    affine[:3, 3] -= 0.5
    result = register(Volume(fine, affine), pair[1], model=model)
    assert result.displacement_mm.shape == (32, 28, 24, 3)
    assert result.moved.shape == (32, 28, 24)
    np.testing.assert_array_equal(result.moved.affine, affine)


def test_intensities_of_any_unit(pair, model):
    scaled = Volume(1000 * pair[1].array - 400, pair[1].affine)
    first = register(*pair, model=model)
    second = register(pair[0], scaled, model=model)
    np.testing.assert_allclose(first.displacement_mm, second.displacement_mm, atol=1e-3)


def test_points_follow_the_displacement(pair, model):
    result = register(*pair, model=model)
    points = world(pair[0]).reshape(-1, 3)[::50]
    expected = points + result.displacement_mm.reshape(-1, 3)[::50]
    np.testing.assert_allclose(result.points_to_moving(points), expected, atol=1e-5)
    with pytest.raises(ValueError, match="3 components"):
        result.points_to_moving(points[:, :2])


def test_other_images_and_labels_follow(pair, model):
    result = register(*pair, model=model)
    again = result.apply(pair[1])
    np.testing.assert_array_equal(again.array, result.moved.array)
    labels = Volume((pair[1].array > 50).astype(np.int32) * 17, pair[1].affine)
    moved = result.apply(labels, "label")
    assert moved.array.dtype == np.int32
    share = result.apply(Volume((labels.array > 0).astype(np.float32), labels.affine))
    np.testing.assert_array_equal(moved.array == 17, share.array > 0.5)
    nearest = result.apply(labels, "nearest").array
    assert set(np.unique(nearest)) == {0, 17}
    with pytest.raises(ValueError, match="interpolation"):
        result.apply(labels, "cubic")
    with pytest.raises(GeometryError, match="axes"):
        result.apply(Volume(labels.array[0], labels.affine), "label")


def test_overlap_before_and_after(pair, still_model):
    fixed = Volume((pair[0].array > 50).astype(np.int32) * 4, pair[0].affine)
    shifted = pair[0].affine.copy()
    shifted[0, 3] += 2
    result = register(*pair, model=still_model)
    same = inference.label_overlap(result, fixed, fixed)
    assert same.labels == (4,)
    assert same.means() == (1.0, 1.0)
    mask = fixed.array > 0
    both = np.count_nonzero(mask[1:] & mask[:-1])
    total = np.count_nonzero(mask) + np.count_nonzero(mask[:-1])
    other = inference.label_overlap(result, fixed, Volume(fixed.array, shifted))
    assert other.before[0] == pytest.approx(2 * both / total)
    with pytest.raises(GeometryError, match="not on the grid"):
        inference.label_overlap(result, Volume(fixed.array, shifted), fixed)


def test_refinement_alone_finds_a_translation():
    grid = np.stack(np.indices((24, 20)), -1)
    fixed, moving = (
        Volume(
            np.exp(-np.sum((grid - centre) ** 2, -1) / 18).astype(np.float32),
            np.diag([3.0, 3.0, 1, 1]),
        )
        for centre in ((12, 10), (13, 9))
    )
    result = register(fixed, moving, refine=60, learning_rate=0.1)
    assert result.model is None
    assert result.refined_steps == 60
    assert result.similarity > result.similarity_before
    found = result.displacement_mm[9:16, 7:14].mean((0, 1))
    np.testing.assert_allclose(found, [3, -3, 0], atol=0.9)
    assert result.summary()["compared_by"] == "ncc"


@pytest.mark.parametrize(
    ("asked", "inverted", "with_model", "expected"),
    [
        (None, False, False, "ncc"),
        (None, True, False, "mind"),
        ("auto", True, True, "mind"),
        (None, True, True, "ncc"),
        ("ncc", True, False, "ncc"),
        (OWN, True, False, "own"),
    ],
)
def test_the_similarity_is_that_of_the_contrasts(
    pair, still_model, monkeypatch, asked, inverted, with_model, expected
):
    """Unless it is asked for, or a model has one."""
    seen = {}

    def estimate(fixed, moving, model, *, similarity, **rest):
        seen["similarity"] = similarity
        return Estimate(np.zeros((*fixed.shape[:-1], 3), np.float32))

    monkeypatch.setattr(_register, "estimate", estimate)
    # Grey values that are hardly correlated between neighbours would be averaged out.
    array = ndimage.gaussian_filter(pair[0].array, 2)
    array = (array - array.min()) / np.ptp(array)
    fixed = dataclasses.replace(pair[0], array=0.2 + 0.8 * array)
    moving = dataclasses.replace(fixed, array=1.2 - fixed.array if inverted else array)
    found = register(
        fixed,
        moving,
        model=still_model if with_model else None,
        similarity=asked,
        refine=5,
    )
    assert found.compared_by.name == expected
    assert found.summary()["compared_by"] == expected
    assert seen["similarity"] == (OWN if asked is OWN else expected)
    is_found = asked == "auto" or (asked is None and not with_model)
    words = "differ in contrast" if inverted else "one contrast"
    assert (words in found.compared_by.reason) is is_found


@pytest.mark.slow
def test_without_a_model_the_default_is_deformable(planes):
    found = inference.register(*planes, affine="none")
    assert found.refined_steps > 0
    assert found.similarity > found.similarity_before
    alone = inference.register(*planes, affine="rigid")
    assert alone.refined_steps == 0
    assert alone.is_aligned


def test_zero_steps_without_a_model_give_the_alignment_alone(planes):
    found = inference.register(*planes, refine=0)
    asked = inference.register(*planes, affine="affine")
    assert found.is_aligned
    np.testing.assert_array_equal(found.displacement_mm, asked.displacement_mm)


@pytest.mark.slow
def test_refinement_improves_what_a_network_says(pair, model):
    """One that has learned nothing: two fifths of its field are folded."""
    plain = register(*pair, model=model)
    better = register(*pair, model=model, refine=40)
    assert better.similarity > plain.similarity
    assert plain.folding_fraction > 0.4
    assert better.folding_fraction < plain.folding_fraction - 0.1


def test_refinement_starts_from_the_network_and_obeys_its_weights(plane_model, planes):
    predicted = inference.register(*planes, model=plane_model).displacement_mm
    about = plane_model.description
    before = jax.tree.map(np.array, plane_model.params)
    slopes = []
    for smooth in (0.0, 1000.0):
        weights = {**about.lam, "smooth": smooth}
        described = dataclasses.replace(about, lam=weights)
        model = inference.RegistrationModel(described, plane_model.params)
        found = inference.register(*planes, model=model, refine=8).displacement_mm
        assert 0 < np.abs(found - predicted).max() < 8 * 2 * 0.1 * 4
        slopes.append(np.square(np.diff(found, axis=0)).mean())
    assert slopes[1] < slopes[0]
    jax.tree.map(np.testing.assert_array_equal, before, plane_model.params)


@pytest.mark.slow
def test_masks_of_any_grid_hide_voxels(planes):
    fixed, moving = planes
    spoiled = Volume(moving.array.copy(), moving.affine)
    spoiled.array[4:9, 5:10] = 3 * moving.array.max()
    seen = np.ones((9, 8), np.int32)
    seen[1:6, 1:6] = 0
    coarse = np.diag([4.0, 4.0, 5.0, 1])
    coarse[:2, 3] = 1
    mask = Volume(seen, coarse)
    common = {"refine": 15, "similarity": "ncc"}
    options = {"fixed_mask": mask, "moving_mask": mask}
    found = inference.register(fixed, spoiled, **common, **options)
    plain = inference.register(fixed, spoiled, **common)
    assert np.abs(found.displacement_mm - plain.displacement_mm).max() > 0.1
    inside = np.s_[5:9, 5:9]
    assert (
        np.abs(found.displacement_mm[inside]).mean()
        < np.abs(plain.displacement_mm[inside]).mean()
    )


def test_planes(plane_model, tmp_path):
    rng = np.random.default_rng(1)
    paths = []
    for name in ("fixed", "moving"):
        array = ndimage.gaussian_filter(rng.random((18, 16)), 1.5).astype(np.float32)
        volume = Volume(array, np.diag([-2.0, 2.0, 5.0, 1]))
        paths.append(write_volume(tmp_path / f"{name}.nii.gz", volume))
    result = register(*paths, model=plane_model)
    assert result.displacement_mm.shape == (18, 16, 3)
    assert np.abs(result.displacement_mm[..., :2]).max() > 0.1
    np.testing.assert_array_equal(result.displacement_mm[..., 2], 0)
    assert result.moved.shape == (18, 16)


def test_impossible_pairs_are_refused(pair, model, plane_model):
    fixed, moving = pair
    plane = Volume(fixed.array[0], fixed.affine)
    far = Volume(moving.array, np.diag([2.0, 2, 2, 1]) + np.eye(4, k=3) * 500)
    with pytest.raises(ConfigError, match="nothing to do"):
        register(fixed, moving, affine="none", refine=0)
    with pytest.raises(ConfigError, match="a network does not know masks"):
        register(fixed, moving, model=model, fixed_mask=fixed)
    with pytest.raises(ConfigError, match="affine"):
        register(fixed, moving, model=model, affine="elastic")
    with pytest.raises(ConfigError, match="refine"):
        register(fixed, moving, model=model, refine=-1)
    with pytest.raises(GeometryError, match="two slices or two volumes"):
        register(fixed, plane, model=model)
    with pytest.raises(GeometryError, match="trained on images of 2"):
        register(fixed, moving, model=plane_model)
    with pytest.raises(GeometryError, match=r"do not overlap .* 5\d\d mm apart"):
        register(fixed, far, model=model)


def test_weights_that_are_not_finite_are_reported(pair, model):
    params = {**model.params, "velocity_half": {"kernel": np.nan, "bias": np.nan}}
    shapes = model.params["velocity_half"]
    params["velocity_half"] = {k: np.full(v.shape, np.nan) for k, v in shapes.items()}
    broken = inference.RegistrationModel(model.description, params)
    with pytest.raises(NonFiniteError, match="not finite"):
        register(*pair, model=broken)


def test_the_second_pair_of_a_shape_is_quick(pair, model):
    register(*pair, model=model)
    begin = time.perf_counter()
    result = register(*reversed(pair), model=model)
    assert result.seconds <= time.perf_counter() - begin < 2
