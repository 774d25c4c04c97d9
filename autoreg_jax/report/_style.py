"""Colours, axes and encoding of the figures."""

import io
from typing import Any, Literal
from urllib.parse import quote

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#1f2933"
MUTED = "#5f6b7a"
RULE = "#d5dae1"
# White in the files; the colour of the page in its figures.
PAPER = "#fefefe"

# Palette of Okabe and Ito, distinct for colour-blind readers; the three also differ
# in lightness, for grey prints.
BEFORE = "#9aa5b1"
NETWORK = "#0072b2"
REFINED = "#d55e00"

# Outlines on grey images; the second one is also dashed.
FIXED_OUTLINE = "#ffc20a"
MOVED_OUTLINE = "#35b6ff"
GRID = "#6ee7c8"

# The colours of lines and text, on a light and on a dark page (see report.css).
_THEME = {
    "ink": (INK, "#e6e9ed"),
    "muted": (MUTED, "#a9b4c0"),
    "rule": (RULE, "#3d4753"),
    "paper": (PAPER, "#14181d"),
    "network": (NETWORK, "#5cb3e6"),
}

# Three images of this size and all else make a page of less than 3 MB.
_MAX_BYTES = 690_000
_DPI = (120, 100, 80, 60)
_NOTHING: Any = dict.fromkeys(("Creator", "Date", "Format", "Type"))
# What stays as it is in the `src` of an image.
_SAFE = " !$()*+,-./;=?@_~"


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


def to_data_uri(figure: Figure) -> str:
    """Encode a figure for the `src` of an image, always in the same way.

    It is an SVG without a background whose text and lines are dark on a light page and
    light on a dark one; what is rasterised in it is coarser if it is too large.
    """
    text = ""
    for dpi in _DPI:
        buffer = io.StringIO()
        # A fixed salt and no date: the same run gives the same page.
        with matplotlib.rc_context({"svg.hashsalt": "autoreg"}):
            figure.savefig(
                buffer, format="svg", dpi=dpi, metadata=_NOTHING, transparent=True
            )
        text = _themed(buffer.getvalue())
        if len(text) < _MAX_BYTES:
            break
    return f"data:image/svg+xml,{quote(text, safe=_SAFE)}"


def _themed(svg: str) -> str:
    """An SVG from its root on, with colours that follow the page."""
    svg = svg[svg.index("<svg") :]
    for name, (light, _) in _THEME.items():
        svg = svg.replace(light, f"var(--{name})")
    light, dark = (
        ";".join(f"--{name}:{pair[place]}" for name, pair in _THEME.items())
        for place in (0, 1)
    )
    style = (
        f"<style>:root{{{light};fill:{INK}}}"
        f"@media screen and (prefers-color-scheme:dark)"
        f"{{:root{{{dark};fill:{_THEME['ink'][1]}}}}}</style>"
    )
    root, end, rest = svg.partition(">")
    return root + end + style + " ".join(rest.split())
