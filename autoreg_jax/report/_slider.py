"""A slider through the slices of a registration, where ipywidgets is installed."""

from importlib import import_module
from typing import Any

from autoreg_jax.errors import AutoRegError
from autoreg_jax.geometry import fullest_slice, slice_axis
from autoreg_jax.inference import Registered, slice_html


def slice_slider(found: Registered) -> Any:
    """Look through the slices of a registered pair in a notebook.

    Each slice is drawn when the slider comes to it, by `inference.slice_html`.

    Args:
        found: A registered pair, in 3-D for more than one slice.

    Returns:
        A widget, for the last line of a cell or `IPython.display.display`.

    Raises:
        AutoRegError: If ipywidgets is not installed.
    """
    try:
        ipywidgets: Any = import_module("ipywidgets")
    except ImportError as error:
        raise AutoRegError(
            "a slider needs ipywidgets, which is not installed: pip install "
            "ipywidgets. inference.slice_html(found, index) shows a slice without it."
        ) from error
    fixed = found.fixed
    axis = slice_axis(fixed.grid)
    start = fullest_slice(fixed.array, fixed.grid)
    picture = ipywidgets.HTML(slice_html(found, start))
    last = 0 if axis is None else fixed.shape[axis] - 1
    slider = ipywidgets.IntSlider(
        value=start, min=0, max=last, description="slice", continuous_update=False
    )

    def draw(change: dict[str, Any]) -> None:
        picture.value = slice_html(found, change["new"])

    slider.observe(draw, names="value")
    return ipywidgets.VBox([slider, picture])
