"""The checks of `autoreg doctor`."""

import jax
import numpy as np
import optax

from autoreg_jax import workflows
from autoreg_jax.workflows import _doctor


def test_selfcheck_passes_here():
    checks = workflows.selfcheck()
    assert {check.name for check in checks} == set(_doctor._CHECKS)
    assert all(check.ok for check in checks), checks
    (adafactor,) = [check.detail for check in checks if check.name == "adafactor"]
    assert "agrees with a difference" in adafactor
    assert sum(check.seconds for check in checks) < 10


def test_what_a_user_has_set_in_jax_is_no_fault():
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        checks = workflows.selfcheck()
    assert all(check.ok for check in checks), checks


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


def test_a_wrong_pullback_of_adafactor_is_reported(monkeypatch):
    whole = optax.adafactor

    @jax.custom_vjp
    def same(x):
        return x

    same.defvjp(lambda x: (x, None), lambda _, v: (1.13 * v,))

    def faulty(rate):
        inner = whole(rate)
        return inner._replace(
            update=lambda g, *rest: inner.update(same(g), *rest),
        )

    monkeypatch.setattr(optax, "adafactor", faulty)
    _, detail = _doctor._adafactor_pullback()
    assert "13% off" in detail
