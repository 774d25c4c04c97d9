"""Slices of images in pictures: which ones, how they look, what a pair shows."""

from autoreg_jax.report.slices._panel import registration_panel
from autoreg_jax.report.slices._pictures import SlicePictures, slice_pictures
from autoreg_jax.report.slices._planes import (
    choose_planes,
    edges,
    frame_slice,
    show_image,
)

__all__ = [
    "SlicePictures",
    "choose_planes",
    "edges",
    "frame_slice",
    "registration_panel",
    "show_image",
    "slice_pictures",
]
