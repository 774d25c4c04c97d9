"""From files to files: one pair of images, or many with one model and one program."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoreg_jax.cli._show import show_json, show_line, show_table
from autoreg_jax.errors import AutoRegError

if TYPE_CHECKING:
    from autoreg_jax.data import PairFiles

# Columns of the table of many pairs: what they are called, and how they are written.
_COLUMNS = (
    ("Dice before", "dice_before", "{:.3f}"),
    ("Dice", "dice", "{:.3f}"),
    ("error before, mm", "displacement_error_before", "{:.2f}"),
    ("error, mm", "displacement_error", "{:.2f}"),
    ("correlation before", "similarity_before", "{:.3f}"),
    ("correlation", "similarity", "{:.3f}"),
    ("folding", "folding_fraction", "{:.5f}"),
    ("seconds", "seconds", "{:.2f}"),
)


def register_files(
    pair: "PairFiles", prefix: str | None, options: Mapping[str, Any], **names: Any
) -> dict[str, Any]:
    """Register one pair and write the results.

    Args:
        pair: The files.
        prefix: What the names of the results begin with.
        options: Of `inference.register`.
        names: `moved` and `displacement`, other names of these results.

    Returns:
        The summary, with `dice_before` and `dice` where both sides have labels,
        `displacement_error_before` and `displacement_error` (mm) where the true
        displacement is known, and the `files` that were written.
    """
    from autoreg_jax import data, inference, transforms

    # Labels that cannot be read must not cost a registration.
    moving_labels, fixed_labels = (
        path and data.read_labels(path)
        for path in (pair.moving_labels, pair.fixed_labels)
    )
    truth = pair.displacement and transforms.Transform.read(pair.displacement)
    result = inference.register(
        pair.fixed,
        pair.moving,
        fixed_mask=pair.fixed_mask,
        moving_mask=pair.moving_mask,
        **options,
    )
    summary = result.summary()
    if fixed_labels and moving_labels:
        overlap = inference.label_overlap(result, fixed_labels, moving_labels)
        summary["dice_before"], summary["dice"] = overlap.means()
    if truth:
        mask = pair.fixed_mask and data.read_image(pair.fixed_mask)
        error = inference.known_error(result, truth, mask)
        summary["displacement_error_before"], summary["displacement_error"] = error
    summary["files"] = result.save(prefix, labels=moving_labels, **names)
    return summary


def register_many(
    pairs: Sequence["PairFiles"],
    prefix: str,
    options: Mapping[str, Any],
    *,
    as_json: bool,
) -> int:
    """Register pair after pair; what fails is named and does not stop the others.

    Images of one shape share one compilation.

    Args:
        pairs: The files; results are called PREFIX MOVING_to_FIXED_*.
        prefix: What the names of all results begin with; a folder ends in /.
        options: Of `inference.register`; a model is loaded once.
        as_json: Print JSON instead of a table.

    Returns:
        The exit code: 1 if a pair failed.
    """
    from autoreg_jax import inference
    from autoreg_jax.runtime import progress

    if Path(prefix).is_dir() and not prefix.endswith("/"):
        prefix += "/"
    for pair in pairs:
        inference.output_paths(
            f"{prefix}{pair.name}_",
            with_labels=pair.moving_labels is not None,
            inputs=pair.files,
        )
    if options.get("model") is not None:
        options = {**options, "model": inference.load_model(options["model"])}
    summaries: dict[str, dict[str, Any]] = {}
    with progress("register", len(pairs)) as advance:
        for pair in pairs:
            try:
                found = register_files(pair, f"{prefix}{pair.name}_", options)
            except AutoRegError as error:
                found = {"error": str(error)}
            summaries[pair.name] = found
            advance()
    _show(summaries, prefix, as_json=as_json)
    return int(any("error" in found for found in summaries.values()))


def _show(
    summaries: Mapping[str, Mapping[str, Any]], prefix: str, *, as_json: bool
) -> None:
    """Print a row for each pair, their mean, and what failed."""
    if as_json:
        show_json({"pairs": summaries})
        return
    done = {name: found for name, found in summaries.items() if "error" not in found}
    columns = [
        (label, key, form)
        for label, key, form in _COLUMNS
        if any(key in found for found in done.values())
    ]
    rows = [
        [name, *(_cell(found.get(key), form) for _, key, form in columns)]
        for name, found in done.items()
    ]
    means = []
    for _, key, form in columns:
        known = [found[key] for found in done.values() if key in found]
        means.append(_cell(sum(known) / len(known), form))
    if len(rows) > 1:
        rows.append(["mean", *means])
    show_table(
        f"{len(done)} of {len(summaries)} pairs",
        ["", *(label for label, *_ in columns)],
        rows,
    )
    for name, found in summaries.items():
        if "error" in found:
            show_line(f"failed: {name}", found["error"])
    show_line("written", f"{prefix}*")


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
