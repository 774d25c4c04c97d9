"""What a registration writes: names, files, the inverse, a deformed grid, a page."""

from autoreg_jax.inference.writing._grid_image import grid_image
from autoreg_jax.inference.writing._inverse import InverseError, inverse_error
from autoreg_jax.inference.writing._outputs import (
    Extra,
    is_too_long,
    longest_name,
    output_paths,
    written_words,
)
from autoreg_jax.inference.writing._summary import summary_of
from autoreg_jax.inference.writing._write import (
    Page,
    check_page,
    full_summary,
    write_map,
    write_results,
)

__all__ = [
    "Extra",
    "InverseError",
    "Page",
    "check_page",
    "full_summary",
    "grid_image",
    "inverse_error",
    "is_too_long",
    "longest_name",
    "output_paths",
    "summary_of",
    "write_map",
    "write_results",
    "written_words",
]
