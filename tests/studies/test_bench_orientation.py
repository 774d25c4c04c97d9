"""A model sees the images of a bench on the axes and the grid of its training."""

import numpy as np
import pytest

from autoreg_jax.studies.bench._own import resampled, turned


@pytest.mark.parametrize("ndim", [2, 3])
def test_displacements_follow_their_axes(ndim):
    rng = np.random.default_rng(0)
    fixed, moving = rng.random((2, 1, *(4, 5, 6)[:ndim], 1), np.float32)
    shapes, sizes = [], []

    def predict(moving, fixed, spacing):
        shapes.append(fixed.shape)
        sizes.append(spacing)
        scales = (1, 10, 100)[:ndim]
        return np.concatenate([scale * np.asarray(moving) for scale in scales], -1)

    given, own = ("LIA", "RAS") if ndim == 3 else ("AL", "RA")
    names = {"R": 1, "L": -1, "A": 10, "P": -10, "S": 100, "I": -100}
    found = turned(predict, given + "S"[: 3 - ndim], own + "S"[: 3 - ndim])(
        moving, fixed, [1.0, 2.0, 3.0][:ndim]
    )
    factors = [names[letter] for letter in given]
    np.testing.assert_allclose(found, moving * np.asarray(factors), rtol=1e-6)
    assert shapes == [(1, 4, 6, 5, 1) if ndim == 3 else (1, 5, 4, 1)]
    assert sizes == [[1.0, 3.0, 2.0] if ndim == 3 else [2.0, 1.0]]
    assert turned(predict, own, own) is predict


def test_a_model_sees_voxels_of_its_size():
    """A shift by 3 mm is the same from voxels of any size."""
    shapes = []

    def predict(moving, fixed, spacing):
        shapes.append(fixed.shape)
        del moving
        return np.broadcast_to(3.0 / np.asarray(spacing), (*fixed.shape[:-1], 2))

    at = resampled(predict, (1.5, 3.0))
    image = np.random.default_rng(0).random((1, 12, 8, 1), np.float32)
    for spacing, shape in (((1.0, 2.0), (1, 8, 6, 1)), ((1.5, 3.0), image.shape)):
        found = at(image, image, spacing)
        expected = 3.0 / np.array(spacing)
        assert found.shape == (1, 12, 8, 2)
        np.testing.assert_allclose(found - expected, 0.0, atol=1e-6)
        assert shapes[-1] == shape
