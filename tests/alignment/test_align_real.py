"""Alignment of real brains moved by a known map."""

import numpy as np
import pytest

from autoreg_jax.data import read_image


@pytest.mark.slow
def test_five_of_five_are_recovered(root, shared, monkeypatch):
    monkeypatch.syspath_prepend(str(root))
    from tests.benchmarks import affine

    fixed = read_image(shared / "data" / "oasis2mm" / "1000_t1.nii.gz")
    cases = affine.recover(fixed, fixed, 5, is_same=True)
    errors = [case.error for case in cases]
    assert max(errors) < 1
    assert np.median(errors) < 0.3
    assert all(case.is_trusted for case in cases)
