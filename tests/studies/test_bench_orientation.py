"""A model sees the images of a bench in the orientation of its training."""

import numpy as np
import pytest

from autoreg_jax.studies.bench._own import turned


@pytest.mark.parametrize("ndim", [2, 3])
def test_displacements_follow_their_axes(ndim):
    rng = np.random.default_rng(0)
    fixed, moving = rng.random((2, 1, *(4, 5, 6)[:ndim], 1), np.float32)
    shapes = []

    def predict(moving, fixed, spacing):
        shapes.append(fixed.shape)
        scales = (1, 10, 100)[:ndim]
        return np.concatenate([scale * np.asarray(moving) for scale in scales], -1)

    given, own = ("LIA", "RAS") if ndim == 3 else ("AL", "RA")
    names = {"R": 1, "L": -1, "A": 10, "P": -10, "S": 100, "I": -100}
    found = turned(predict, given + "S"[: 3 - ndim], own + "S"[: 3 - ndim])(
        moving, fixed, None
    )
    factors = [names[letter] for letter in given]
    np.testing.assert_allclose(found, moving * np.asarray(factors), rtol=1e-6)
    assert shapes == [(1, 4, 6, 5, 1) if ndim == 3 else (1, 5, 4, 1)]
    assert turned(predict, own, own) is predict
