"""Compressed files hold what was given, by whatever strategy."""

import gzip

import numpy as np
import pytest

from autoreg_jax.files import compressed


@pytest.mark.parametrize("is_float", [True, False])
def test_numbers_come_back_and_zeros_take_no_room(is_float):
    numbers = np.zeros(100_000, np.float32)
    numbers[:100] = np.random.default_rng(0).normal(size=100)
    packed = compressed(numbers.tobytes(), is_float=is_float)
    assert gzip.decompress(packed) == numbers.tobytes()
    assert len(packed) < 5000
    # Neither a name nor the time: flags and the four bytes behind them.
    assert packed[3:8] == bytes(5)
