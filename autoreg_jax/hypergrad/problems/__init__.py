"""Bilevel problems with a known hypergradient, to test estimators."""

from autoreg_jax.hypergrad.problems._example import Example
from autoreg_jax.hypergrad.problems._hyper_cleaning import hyper_cleaning
from autoreg_jax.hypergrad.problems._quadratic import quadratic
from autoreg_jax.hypergrad.problems._ridge import ridge

__all__ = ["Example", "hyper_cleaning", "quadratic", "ridge"]
