"""Registration of a pair that does not lie where its headers say."""

import json

import numpy as np
import pytest

from autoreg_jax import inference
from autoreg_jax.alignment import prealign
from autoreg_jax.errors import GeometryError
from autoreg_jax.geometry import Volume

# An alignment runs for longer than it compiles.
pytestmark = pytest.mark.optimised


def world(volume):
    index = np.stack(np.indices(volume.shape), -1)
    return index @ volume.affine[:3, : volume.ndim].T + volume.affine[:3, 3]


@pytest.fixture(scope="module")
def carried(pair):
    """The fixed image, turned by a fifth and shifted by 40 mm in its header."""
    matrix = np.eye(4)
    matrix[:2, :2] = np.array([[4, -3], [3, 4]]) / 5
    matrix[:3, 3] = 40, -20, 10
    return Volume(pair[0].array, matrix @ pair[0].affine), matrix


@pytest.mark.parametrize("affine", ["auto", "rigid"])
def test_the_displacement_holds_the_alignment(pair, carried, still_model, affine):
    fixed, (moving, matrix) = pair[0], carried
    result = inference.register(fixed, moving, model=still_model, affine=affine)
    assert result.is_aligned
    assert result.alignment.is_trusted, result.alignment.reason
    assert result.warnings == ()
    points = world(fixed)
    wanted = points @ matrix[:3, :3].T + matrix[:3, 3] - points
    np.testing.assert_allclose(result.displacement_mm, wanted, atol=1.0)
    difference = np.linalg.norm(result.displacement_mm - wanted, axis=-1)
    assert difference.mean() < 0.4
    assert result.displacement_mm.dtype == np.float32
    assert result.similarity > 0.9 > result.similarity_before
    # One interpolation, of the image as it was given.
    again = result.apply(moving)
    np.testing.assert_array_equal(again.array, result.moved.array)
    assert result.folding_fraction == 0


def test_the_network_adds_its_displacement_before_the_alignment(pair, carried, model):
    """y = A (x + u(x)) with the u of the image that the alignment has placed."""
    fixed, (moving, _) = pair[0], carried
    result = inference.register(fixed, moving, model=model, affine="affine")
    matrix = result.alignment.matrix
    placed = Volume(moving.array, np.linalg.inv(matrix) @ moving.affine)
    inner = inference.register(fixed, placed, model=model, affine="none")
    points = world(fixed) + inner.displacement_mm
    wanted = points @ matrix[:3, :3].T + matrix[:3, 3] - world(fixed)
    np.testing.assert_allclose(result.displacement_mm, wanted, atol=1e-3)
    np.testing.assert_allclose(result.moved.array, inner.moved.array, atol=1e-2)


def test_a_mask_of_the_moving_image_goes_along(pair, carried):
    fixed, (moving, _) = pair[0], carried
    mask = Volume((moving.array > 0).astype(np.float32), moving.affine)
    found = prealign(fixed, moving, "rigid", (None, mask))
    assert found.is_used
    placed = found.place(mask)
    assert np.abs(placed.affine - mask.affine).max() > 1
    matrix = found.alignment.matrix
    there = world(placed) @ matrix[:3, :3].T + matrix[:3, 3]
    np.testing.assert_allclose(there, world(mask), atol=1e-6)
    still = prealign(fixed, fixed, "none")
    assert still.place(mask) is mask


def test_auto_leaves_aligned_images_alone(pair, still_model):
    result = inference.register(pair[0], pair[0], model=still_model)
    assert not result.is_aligned
    assert result.warnings == ()
    np.testing.assert_array_equal(result.displacement_mm, 0)


def test_doubt_is_said(pair, still_model):
    """Two images of noise: auto trusts the headers, affine does what it was told."""
    careful = inference.register(*pair, model=still_model)
    assert not careful.is_aligned
    assert not careful.alignment.is_trusted
    assert "headers" in careful.warnings[0]
    np.testing.assert_array_equal(careful.displacement_mm, 0)
    obedient = inference.register(*pair, model=still_model, affine="affine")
    assert obedient.is_aligned
    assert "not trusted" in obedient.warnings[0]
    summary = json.loads(json.dumps(obedient.summary()))
    assert summary["warnings"] == list(obedient.warnings)
    assert np.shape(summary["alignment"]["matrix"]) == (4, 4)
    assert not summary["alignment"]["is_trusted"]


def test_images_far_apart_are_brought_together(pair, still_model):
    fixed = pair[0]
    far = Volume(fixed.array, fixed.affine + np.eye(4, k=3) * 500)
    result = inference.register(fixed, far, model=still_model)
    assert result.is_aligned
    np.testing.assert_allclose(result.displacement_mm[..., 0], 500, atol=0.5)
    with pytest.raises(GeometryError, match="do not overlap"):
        inference.register(fixed, far, model=still_model, affine="none")


def test_an_alignment_alone_needs_no_model(pair, carried):
    fixed, (moving, _) = pair[0], carried
    result = inference.register(fixed, moving, affine="affine")
    assert result.is_aligned
    assert result.model is None
    matrix = result.alignment.matrix
    wanted = world(fixed) @ matrix[:3, :3].T + matrix[:3, 3] - world(fixed)
    np.testing.assert_allclose(result.displacement_mm, wanted, atol=1e-4)
