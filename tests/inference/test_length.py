"""A displacement cannot be longer than from one image's end to the other's."""

import numpy as np
import pytest

from autoreg_jax.errors import NonFiniteError
from autoreg_jax.geometry import Volume
from autoreg_jax.inference._quality import check_length

FIXED = Volume(np.zeros((3, 4), np.float32), np.diag([10.0, 10.0, 1.0, 1.0]))
MOVING = Volume(np.zeros((6, 8), np.float32), np.diag([10.0, 10.0, 1.0, 1.0]))


def field(length):
    vectors = np.zeros((3, 4, 3), np.float32)
    vectors[1, 2] = [0.6 * length, 0, -0.8 * length]
    return vectors


def test_the_diagonals_of_both_are_the_limit():
    check_length(field(149.0), FIXED, MOVING)  # 50 mm and 100 mm
    with pytest.raises(
        NonFiniteError, match=r"up to 151 mm long, the images are 150 mm"
    ):
        check_length(field(151.0), FIXED, MOVING)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_said_so(value):
    with pytest.raises(NonFiniteError, match="the displacement is not finite"):
        check_length(field(value), FIXED, MOVING)
