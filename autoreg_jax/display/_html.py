"""Small pieces of HTML for notebooks.

There is no colour in them: text and lines take those of the page, so that they can be
read on a light and on a dark one. Everything that is given as text is escaped.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np
from jaxtyping import UInt8

from autoreg_jax.display._png import encode_png

_BLOCK = "max-width:60em;overflow-x:auto"
_CELL = "text-align:left;padding:2px 12px 2px 0;vertical-align:top"
# Pixels of the page: the smallest pictures are enlarged.
_LEAST = 120
_PICTURES = "display:flex;flex-wrap:wrap;gap:8px;margin:6px 0"


def block(title: str, *parts: str) -> str:
    """One object: its title, then tables and pictures.

    Args:
        title: Text; may be empty.
        parts: HTML.

    Returns:
        HTML.
    """
    head = f"<b>{escape(title)}</b>" if title else ""
    return f'<div style="{_BLOCK}">{head}{"".join(parts)}</div>'


def paragraph(text: str) -> str:
    """A sentence or more.

    Examples:
        >>> paragraph("a < b")
        '<p style="margin:6px 0">a &lt; b</p>'
    """
    return f'<p style="margin:6px 0">{escape(text)}</p>'


def table(rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> str:
    """A table whose first column says what the others are.

    Args:
        rows: Cells, text.
        header: Titles of the columns; none by default.

    Returns:
        HTML.
    """
    head = "".join(f'<th scope="col" style="{_CELL}">{escape(c)}</th>' for c in header)
    head = f"<thead><tr>{head}</tr></thead>" if header else ""
    return f'<table style="margin:6px 0">{head}<tbody>{_body(rows)}</tbody></table>'


def _body(rows: Iterable[Sequence[str]]) -> str:
    lines = []
    for first, *others in rows:
        cells = "".join(f'<td style="{_CELL}">{escape(cell)}</td>' for cell in others)
        name = f'<th scope="row" style="{_CELL}">{escape(first)}</th>'
        lines.append(f"<tr>{name}{cells}</tr>")
    return "".join(lines)


def pictures(images: Mapping[str, UInt8[np.ndarray, "rows columns *colour"]]) -> str:
    """Pictures side by side, each with its name below.

    Args:
        images: By name; as `encode_png` takes them.

    Returns:
        HTML that holds the pictures itself.
    """
    parts = []
    for name, image in images.items():
        data = base64.b64encode(encode_png(image)).decode()
        source = f'src="data:image/png;base64,{data}" alt="{escape(name)}"'
        size = f'width="{max(image.shape[1], _LEAST)}" style="max-width:100%"'
        caption = f"<figcaption>{escape(name)}</figcaption>"
        figure = f"<img {source} {size}>{caption}"
        parts.append(f'<figure style="margin:0">{figure}</figure>')
    return f'<div style="{_PICTURES}">{"".join(parts)}</div>'
