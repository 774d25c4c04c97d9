"""Colours, axes and encoding shared by every figure of the report."""

import base64
import io
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#1f2933"
MUTED = "#5f6b7a"
RULE = "#d5dae1"

# Okabe and Ito's palette: told apart under the common colour blindnesses; the three
# also differ in lightness, so they survive a grey print.
BEFORE = "#9aa5b1"
NETWORK = "#0072b2"
REFINED = "#d55e00"

# A light and a dark-able pair for outlines on grey images; the second is dashed too.
FIXED_OUTLINE = "#ffc20a"
MOVED_OUTLINE = "#35b6ff"
GRID = "#6ee7c8"

# Three photographs of this size and everything else stay below 5 MB of page.
_MAX_PNG_BYTES = 1_050_000
_DPI = (120, 100, 80, 60)


def new_figure(
    width: float, height: float, *, layout: Literal["constrained"] | None
) -> Figure:
    """Make a white figure, sizes in inches, outside pyplot."""
    return Figure(figsize=(width, height), layout=layout, facecolor="white")


def tidy(axes: Axes) -> None:
    """Give axes the plain look of the report: two spines, light rules, small text."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(MUTED)
    axes.tick_params(labelsize=8.5, colors=INK, length=3)
    axes.grid(color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)


def box(axes: Axes, values: Any, position: float, width: float, colour: Any) -> None:
    """Draw a lying box plot whose whiskers reach the extremes."""
    axes.boxplot(
        [values],
        positions=[position],
        widths=width,
        orientation="horizontal",
        whis=(0, 100),
        showfliers=False,
        manage_ticks=False,
        patch_artist=True,
        boxprops={"facecolor": colour, "alpha": 0.5, "edgecolor": colour},
        whiskerprops={"color": colour},
        capprops={"color": colour},
        medianprops={"color": INK, "linewidth": 1.4},
    )


def shorten(text: str, length: int = 34) -> str:
    """Cut a name that would not fit into a figure.

    Examples:
        >>> shorten("left lateral ventricle", 12)
        'left latera…'
    """
    return text if len(text) <= length else text[: length - 1] + "…"


def to_data_uri(figure: Figure, kind: Literal["png", "svg"]) -> str:
    """Encode a figure for the `src` of an image.

    Args:
        figure: Any figure.
        kind: `svg` for lines and text, `png` for photographs, coarser if too heavy.

    Returns:
        `data:image/…;base64,…`, the same for the same figure.
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
