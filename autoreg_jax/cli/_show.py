"""Results on standard output: tables for people, JSON for programs.

Of several processes that do one run, the one that writes its files prints them.
"""

import json
import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from autoreg_jax.cli._printable import printable
from autoreg_jax.files import is_writer

_COLUMNS = ("before", "network", "refined")
_ENDINGS = ("_before", "", "_refined")


def show_json(content: Mapping[str, Any]) -> None:
    """Print one JSON object."""
    if is_writer():
        print(json.dumps(content, indent=2, default=str))


def show_table(
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    justify: Literal["left", "right"] = "right",
    drop: Sequence[str] = (),
) -> None:
    """Print a table in which no word and no number is broken over two lines.

    If the terminal is too narrow, a table of numbers loses, in this order, its standard
    deviations, the space beside its columns, the middle of its names and the columns in
    `drop`. If it is still too wide, each row is printed as a block of lines.

    Args:
        title: Printed above the table.
        header: Titles of the columns; the first column holds the names of the rows.
        rows: Cells of each row.
        justify: "right" for numbers; "left" for text, which may be wrapped at spaces.
        drop: Titles of the columns that matter least.
    """
    if not is_writer():
        return
    title, header = printable(title), [*map(printable, header)]
    rows = [[*map(printable, row)] for row in rows]
    console = Console(highlight=False)
    console.print(Text(title, style="bold"), soft_wrap=True)
    is_text = justify == "left"
    layouts = [(header, rows, 1)] if is_text else _layouts(header, rows, drop)
    for titles, cells, padding in layouts:
        space = console.width - (2 * padding + 1) * len(titles) - 1
        widths = _widths(titles, cells, space, is_text)
        if widths is not None:
            break
    else:
        _show_blocks(header, rows, console.width)
        return
    table = Table(padding=(0, padding))
    for place, (name, width) in enumerate(zip(titles, widths, strict=True)):
        side = justify if place else "left"
        table.add_column(Text(name), justify=side, width=width)
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(table)
    if hidden := [name for name in header if name not in titles]:
        print(f"columns not shown (too narrow, see --json): {'; '.join(hidden)}")


_Cells = Sequence[Sequence[str]]


def _layouts(
    header: Sequence[str], rows: _Cells, drop: Sequence[str]
) -> Iterator[tuple[Sequence[str], _Cells, int]]:
    """Titles, cells and padding, from the widest table to the narrowest."""
    yield header, rows, 1
    rows = [[cell.split(" ± ")[0] for cell in row] for row in rows]
    yield header, rows, 1
    for dropped in ([], drop):
        kept = [i for i, name in enumerate(header) if name not in dropped]
        header = [header[i] for i in kept]
        rows = [[row[i] for i in kept] for row in rows]
        for width in (1000, 24, 16):
            names = [_shortened(row[0], width) for row in rows]
            if len(set(names)) == len({row[0] for row in rows}):
                short = zip(names, rows, strict=True)
                yield header, [[name, *row[1:]] for name, row in short], 0


def _shortened(name: str, width: int) -> str:
    """A name with "…" instead of its middle, if it is longer than `width`."""
    if len(name) <= width:
        return name
    return f"{name[: width // 2]}…{name[len(name) - (width - 1) // 2 :]}"


def _widths(
    header: Sequence[str], rows: _Cells, space: int, is_text: bool
) -> list[int] | None:
    """Width of each column, as equal as possible; None if there is too little space."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(header)
    least, wanted = [], []
    for name, cells in zip(header, columns, strict=True):
        words = " ".join(cells).split() if is_text else cells
        least.append(max(map(cell_len, [*name.split(), *words]), default=0))
        wanted.append(max(map(cell_len, [name, *cells])))
    for limit in range(max(wanted), -1, -1):
        widths = [max(a, min(b, limit)) for a, b in zip(least, wanted, strict=True)]
        if sum(widths) <= space:
            return widths
    return None


def _show_blocks(header: Sequence[str], rows: _Cells, width: int) -> None:
    """Print each row as its name and one line per column."""
    for name, *cells in rows:
        print(name)
        shown = zip(header[1:], cells, strict=True)
        for title, cell in ((title, cell) for title, cell in shown if cell):
            line = textwrap.wrap(
                f"{title}: {cell}",
                width,
                initial_indent="  ",
                subsequent_indent="    ",
                break_long_words=False,
                break_on_hyphens=False,
            )
            print(*line, sep="\n")


def show_line(name: str, path: Path | str) -> None:
    """Print where something is, on one line however long the path is."""
    if is_writer():
        print(f"{printable(name)}: {printable(path)}")


def show_evaluation(evaluation: Mapping[str, Any], title: str) -> None:
    """Print what `evaluation.json` holds: mean ± standard deviation over the pairs.

    Args:
        evaluation: Its content; what is absent is left out.
        title: Above the table.
    """
    wanted = (
        ("Dice", "dice", 1, "{:.3f}"),
        ("HD95, mm", "hd95", 1, "{:.2f}"),
        ("TRE, mm", "tre", 1, "{:.2f}"),
        ("local correlation", "ncc", 1, "{:.3f}"),
        ("displacement error, mm", "displacement_error", 1, "{:.2f}"),
        ("folding, % of voxels", "folding_fraction", 100, "{:.3f}"),
        ("seconds a pair", "seconds_per_pair", 1, "{:.2f}"),
    )
    rows = []
    for label, key, factor, form in wanted:
        values = [evaluation.get(key + ending) for ending in _ENDINGS]
        if any(value is not None for value in values):
            cells = [_mean_sd(value, factor, form) for value in values]
            rows.append([label, *cells])
    pairs = evaluation.get("pairs")
    title = f"{title}, pairs: {pairs}" if pairs else title
    show_table(title, ["", *_COLUMNS], rows)
    if doubtful := evaluation.get("trust_flags"):
        show_line(
            "doubtful pairs",
            f"{len(doubtful)} of {pairs}; `autoreg report` says which, and why",
        )
    for key, what, sign in (
        ("dice", "structures overlap more", 1),
        ("tre", "landmarks are closer", -1),
    ):
        before, after = (_mean(evaluation.get(key + end)) for end in ("_before", ""))
        if sign * (after - before) < 0:
            show_line(
                "worse than none",
                f"without registration the {what}; the training has diverged, or "
                "the images cannot be compared this way",
            )


def _mean(value: Any) -> float:
    """The mean of an entry of `evaluation.json`; NaN, which is never worse, if none."""
    found = value.get("mean") if isinstance(value, Mapping) else value
    return math.nan if found is None else float(found)


def show_front(rows: Sequence[Mapping[str, Any]], title: str) -> None:
    """Print what `smoothness.json` holds: a row for each factor on the smoothness."""
    wanted = (
        ("Dice", "dice", 1, "{:.3f}"),
        ("correlation", "ncc", 1, "{:.3f}"),
        ("folding, %", "folding_fraction", 100, "{:.3f}"),
        ("SD log J", "log_jacobian_std", 1, "{:.3f}"),
    )
    endings = {"": "", "_refined": " refined"}
    columns = [
        (label + after, key + ending, factor, form)
        for ending, after in endings.items()
        for label, key, factor, form in wanted
        if key + ending in rows[0]
    ]
    cells = [
        [
            f"{row['smoothness']:g}",
            *(_mean_sd(row[k], f, form) for _, k, f, form in columns),
        ]
        for row in rows
    ]
    titles = [label for label, *_ in columns]
    refined = [label for label in titles if label.endswith(" refined")]
    show_table(title, ["smoothness", *titles], cells, drop=refined)


def _mean_sd(value: Any, factor: float, form: str) -> str:
    """`0.712 ± 0.050`, or as much of it as there is."""
    parts = value if isinstance(value, Mapping) else {"mean": value}
    numbers = [parts.get("mean"), parts.get("sd")]
    texts = [form.format(factor * n) for n in numbers if n is not None]
    return " ± ".join(texts) or "-"
