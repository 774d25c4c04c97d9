"""The checks of `autoreg doctor`."""

import jax
import numpy as np

from autoreg_jax import workflows
from autoreg_jax.workflows import _doctor


def test_selfcheck_passes_here():
    checks = workflows.selfcheck()
    assert {check.name for check in checks} == set(_doctor._CHECKS)
    assert all(check.ok for check in checks), checks
    assert sum(check.seconds for check in checks) < 10


def test_selfcheck_reports_wrong_numbers_and_broken_checks(monkeypatch):
    ok, detail = _doctor._compare(
        jax.numpy.float32(1071645696), np.asarray(1073741824.0)
    )
    assert not ok
    assert "wrong numbers" in detail
    monkeypatch.setattr(_doctor, "_CHECKS", {"broken": lambda: 1 / 0})
    (check,) = workflows.selfcheck()
    assert not check.ok
    assert "ZeroDivisionError" in check.detail
