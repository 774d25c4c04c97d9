"""Bilevel problems with a known hypergradient, to test estimators."""

from autoreg_jax.hypergrad.problems._examples import (
    Example,
    hyper_cleaning,
    quadratic,
    ridge,
)

__all__ = ["Example", "hyper_cleaning", "quadratic", "ridge"]
