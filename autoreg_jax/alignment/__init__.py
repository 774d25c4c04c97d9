"""Rigid and affine alignment of two images, and whether it can be trusted."""

from autoreg_jax.alignment._align import Alignment, Prealignment, align, prealign

__all__ = ["Alignment", "Prealignment", "align", "prealign"]
