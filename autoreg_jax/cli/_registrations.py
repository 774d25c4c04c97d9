"""What `autoreg register` prints when it is done."""

import warnings
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping
from typing import Any

from autoreg_jax.cli._show import show_json, show_line, show_table
from autoreg_jax.errors import ImageWarning

# Label in the table of a pair, in the table of many pairs, key, format.
_NUMBERS = (
    ("Dice", "Dice", "dice", "{:.3f}"),
    ("error, mm", "error, mm", "displacement_error", "{:.2f}"),
    ("landmarks apart, mm", "landmarks, mm", "landmark_error", "{:.2f}"),
    ("alignment", "", "score", "{:.3f}"),
    ("local correlation", "correlation", "similarity", "{:.3f}"),
    ("mean displacement, mm", "", "displacement_mean_mm", "{:.2f}"),
    ("largest displacement, mm", "", "displacement_max_mm", "{:.2f}"),
    ("folding, fraction of voxels", "folding", "folding_fraction", "{:.5f}"),
    ("trust", "trust", "trust", "{:.2f}"),
    ("difference if swapped, mm", "", "swapped_difference_mean_mm", "{:.2f}"),
    ("network to result, mm", "", "network_difference_mean_mm", "{:.2f}"),
    ("inverse error, mm", "", "inverse_error_mean_mm", "{:.4f}"),
    ("seconds", "seconds", "seconds", "{:.2f}"),
)
_SIMILARITIES = {"ncc": "local correlation (ncc)", "mind": "MIND"}


def show_one(summary: dict[str, Any], options: Namespace) -> None:
    """Print the numbers of a pair and where the files are."""
    if options.json:
        show_json(summary)
        return
    for warning in summary["warnings"]:
        warnings.warn(warning, ImageWarning, stacklevel=2)
    if summary["is_aligned"]:
        summary |= summary["alignment"]
    rows = [
        [label, *(_number(summary.get(k), form) for k in (f"{key}_before", key))]
        for label, _, key, form in _NUMBERS
        if key in summary
    ]
    title = ", ".join(map(str, options.moving))
    show_table(title, ["", "before", "after"], rows)
    if "compared_by" in summary:
        words = _in_words(summary["compared_by"])
        show_line("compared by", f"{words}. {summary['compared_by_reason']}")
    for flag in summary.get("trust_flags", ()):
        show_line("doubtful", flag)
    for path in summary["files"]:
        show_line("written", path)


def show_many(summaries: Mapping[str, Mapping[str, Any]], options: Namespace) -> None:
    """Print a row for each pair, their mean, and what failed."""
    if options.json:
        show_json({"pairs": summaries})
        return
    done = {name: s for name, s in summaries.items() if "error" not in s}
    columns = [
        (title, key, form)
        for _, label, name, form in _NUMBERS
        for title, key in ((_before(label), f"{name}_before"), (label, name))
        if label and any(key in summary for summary in done.values())
    ]
    rows = [
        [name, *(_number(summary.get(key), form) for _, key, form in columns)]
        for name, summary in done.items()
    ]
    if len(rows) > 1:
        values = ([s[key] for s in done.values() if key in s] for _, key, _ in columns)
        means = [sum(known) / len(known) for known in values]
        forms = [form for *_, form in columns]
        rows.append(["mean", *map(_number, means, forms)])
    titles = [title for title, *_ in columns]
    show_table(
        f"{len(done)} of {len(summaries)} pairs",
        ["", *titles],
        rows,
        drop=[title for title in titles if " before" in title],
    )
    for name, summary in done.items():
        for warning in summary["warnings"]:
            warnings.warn(f"{name}: {warning}", ImageWarning, stacklevel=2)
        for flag in summary.get("trust_flags", ()):
            show_line(f"doubtful: {name}", flag)
    by = Counter(s["compared_by"] for s in done.values() if "compared_by" in s)
    if by:
        show_line(
            "compared by",
            ", ".join(f"{_in_words(k)}: {n} pairs" for k, n in by.items()),
        )
    for name, summary in summaries.items():
        if "error" in summary:
            show_line(f"failed: {name}", summary["error"])
    show_line("written", f"{options.output}*")


def _before(label: str) -> str:
    """`error, mm` as `error before, mm`."""
    name, comma, unit = label.partition(",")
    return f"{name} before{comma}{unit}"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _in_words(compared_by: str) -> str:
    """The similarity of an image, or of each channel, in words."""
    names = compared_by.split(" + ")
    return " + ".join(_SIMILARITIES.get(name, name) for name in names)
