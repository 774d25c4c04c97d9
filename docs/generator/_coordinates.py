"""The picture of the coordinate conventions, drawn as SVG."""

import math
from collections.abc import Iterator

_WIDTH, _HEIGHT = 720, 360
_BLUE, _ORANGE, _GREY = "#0072b2", "#c04f00", "#555555"
# The fixed grid stands straight, the moving one is turned in the same world.
_FIXED, _MOVING, _ANGLE, _VOXEL = (70.0, 300.0), (440.0, 300.0), -14.0, 34.0


def coordinate_picture() -> str:
    """Two grids in one world, a displacement between them, and both kinds of axes."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="15">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        'markerHeight="7" orient="auto">'
        '<path d="M0 0 10 5 0 10z" fill="context-stroke"/>'
        "</marker></defs>",
        *_grid(_FIXED, 0.0, _BLUE),
        *_grid(_MOVING, _ANGLE, _ORANGE),
    ]
    start, end = _place(_FIXED, 0.0, 3, 4), _place(_MOVING, _ANGLE, 2.4, 3.3)
    lines += _arrow(start, end, "black")
    lines += _dot(start, _BLUE)
    lines += _dot(end, _ORANGE)
    lines += [
        _text((start[0] - 12, start[1] - 12), "x", "end", _BLUE),
        _text((end[0] + 12, end[1] + 5), "φ(x) = x + u(x)", "start", _ORANGE),
        _text((325, start[1] - 22), "u(x), mm along R, A, S", "middle", "black"),
        _text((_FIXED[0] + 85, 338), "grid of the fixed image", "middle", _BLUE),
        _text((_MOVING[0] + 85, 338), "grid of the moving image", "middle", _ORANGE),
    ]
    lines += _axes((625, 95), ("R", "A"), 1)
    lines.append(_text((640, 128), "world: mm, RAS", "middle", _GREY))
    return "\n".join([*lines, "</svg>", ""])


def _place(corner: tuple[float, float], angle: float, i: float, j: float):
    """Where voxel (i, j) of a grid is drawn."""
    turn = math.radians(angle)
    x, y = i * _VOXEL, -j * _VOXEL
    along = corner[0] + x * math.cos(turn) - y * math.sin(turn)
    return along, corner[1] + x * math.sin(turn) + y * math.cos(turn)


def _grid(corner: tuple[float, float], angle: float, colour: str) -> Iterator[str]:
    for i in range(6):
        ends = [((i, 0), (i, 5)), ((0, i), (5, i))]
        for first, last in ends:
            (a, b), (c, d) = _place(corner, angle, *first), _place(corner, angle, *last)
            yield (
                f'<line x1="{a:.1f}" y1="{b:.1f}" x2="{c:.1f}" y2="{d:.1f}" '
                f'stroke="{colour}" stroke-opacity="0.45"/>'
            )
    for axis, letter in (((1.4, 0), "i"), ((0, 1.4), "j")):
        tip = _place(corner, angle, *axis)
        yield from _arrow(_place(corner, angle, 0, 0), tip, colour)
        yield _text((tip[0] - 6, tip[1] + 20), letter, "end", colour)


def _axes(at: tuple[float, float], letters: tuple[str, str], sign: int):
    yield from _arrow(at, (at[0] + 48 * sign, at[1]), _GREY)
    yield from _arrow(at, (at[0], at[1] - 48 * sign), _GREY)
    yield _text((at[0] + 60 * sign, at[1] + 5), letters[0], "middle", _GREY)
    yield _text((at[0], at[1] - 56 * sign), letters[1], "middle", _GREY)


def _arrow(
    start: tuple[float, float], end: tuple[float, float], colour: str
) -> Iterator[str]:
    yield (
        f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" '
        f'y2="{end[1]:.1f}" stroke="{colour}" stroke-width="2" marker-end="url(#tip)"/>'
    )


def _dot(at: tuple[float, float], colour: str) -> Iterator[str]:
    yield f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="4.5" fill="{colour}"/>'


def _text(at: tuple[float, float], words: str, anchor: str, colour: str) -> str:
    return (
        f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}" '
        f'fill="{colour}" stroke="white" stroke-width="4" paint-order="stroke">'
        f"{words}</text>"
    )
