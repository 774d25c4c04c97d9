"""Rigid and affine alignment of two images, and whether it can be trusted."""

from autoreg_jax.alignment._align import Alignment as Alignment
from autoreg_jax.alignment._align import Prealignment as Prealignment
from autoreg_jax.alignment._align import align as align
from autoreg_jax.alignment._align import prealign as prealign

__all__ = ["Alignment", "Prealignment", "align", "prealign"]
