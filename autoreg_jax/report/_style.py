"""Colours, axes and encoding of the figures."""

import base64
import io
from typing import Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#1f2933"
MUTED = "#5f6b7a"
RULE = "#d5dae1"

# Palette of Okabe and Ito, distinct for colour-blind readers; the three also differ
# in lightness, for grey prints.
BEFORE = "#9aa5b1"
NETWORK = "#0072b2"
REFINED = "#d55e00"

# Outlines on grey images; the second one is also dashed.
FIXED_OUTLINE = "#ffc20a"
MOVED_OUTLINE = "#35b6ff"
GRID = "#6ee7c8"

# Three images of this size and all else make a page of less than 3 MB.
_MAX_PNG_BYTES = 520_000
_DPI = (120, 100, 80, 60)


def new_figure(
    width: float, height: float, *, layout: Literal["constrained"] | None
) -> Figure:
    """Make a white figure, sizes in inches, outside pyplot."""
    return Figure(figsize=(width, height), layout=layout, facecolor="white")


def tidy(axes: Axes) -> None:
    """Style axes as in the report: two spines, light grid, small text."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(MUTED)
    axes.tick_params(labelsize=8.5, colors=INK, length=3)
    axes.grid(color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)


def shorten(text: str, length: int = 34) -> str:
    """Shorten a name that does not fit into a figure.

    Examples:
        >>> shorten("left lateral ventricle", 12)
        'left latera…'
    """
    return text if len(text) <= length else text[: length - 1] + "…"


def to_data_uri(figure: Figure, kind: Literal["png", "svg"]) -> str:
    """Encode a figure for the `src` of an image, always in the same way.

    `svg` is for lines and text, `png` for images, coarser if they are too large.
    """
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    data = b""
    for dpi in _DPI:
        buffer = io.BytesIO()
        # A fixed salt and no date: the same run gives the same page.
        with matplotlib.rc_context({"svg.hashsalt": "autoreg"}):
            figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata)
        data = buffer.getvalue()
        if kind == "svg" or len(data) < _MAX_PNG_BYTES:
            break
    media = "svg+xml" if kind == "svg" else "png"
    return f"data:image/{media};base64,{base64.b64encode(data).decode()}"
