"""Rigid and affine alignment of two images, and whether it is to be trusted."""

from autoreg_jax.alignment._align import Alignment as Alignment
from autoreg_jax.alignment._align import align as align
from autoreg_jax.alignment._prealign import Prealigned as Prealigned
from autoreg_jax.alignment._prealign import prealign as prealign

__all__ = ["Alignment", "Prealigned", "align", "prealign"]
