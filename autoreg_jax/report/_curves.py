"""Curves over time: losses, loss weights and hypergradient norms."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from autoreg_jax.report._style import INK, MUTED, NETWORK, REFINED, new_figure, tidy
from autoreg_jax.report._words import STAGES, WEIGHTS

Records = Sequence[Mapping[str, Any]]

# Enough for the width of the page; more would only enlarge the file.
_MAX_POINTS = 400


def series(
    records: Records, stage: str, key: str
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Steps and values of one quantity in one stage; NaN where a record has null.

    The key `lam.full` is an entry of a nested object.

    Examples:
        >>> steps, values = series([{"stage": "train", "step": 3, "loss": 2}],
        ...                        "train", "loss")
        >>> steps.tolist(), values.tolist()
        ([3.0], [2.0])
    """
    points = []
    for number, record in enumerate(records):
        if record.get("stage") != stage:
            continue
        value: Any = record
        for part in key.split("."):
            value = value.get(part, ...) if isinstance(value, Mapping) else ...
        if value is not ...:
            points.append(
                (record.get("step", number), np.nan if value is None else value)
            )
    table = np.asarray(points, dtype=float).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def lambda_history(records: Records) -> Figure:
    """Draw each loss weight λ over its search, start and end marked.

    Args:
        records: Lines of `metrics.jsonl`; only stage `lam` is read.

    Returns:
        Figure with one small plot for each weight, each with its own scale.

    Raises:
        ValueError: If no record of stage `lam` holds the weights.
    """
    names = [n for r in records if r.get("stage") == "lam" for n in r.get("lam", {})]
    if not names:
        raise ValueError("no record of stage 'lam' holds 'lam'.")
    curves = {n: series(records, "lam", f"lam.{n}") for n in dict.fromkeys(names)}
    rows = -(-len(curves) // 4)
    figure = new_figure(11, 2.7 * rows, layout="constrained")
    plots = figure.subplots(rows, 4, sharex=True, squeeze=False).ravel()
    for axes in plots[len(curves) :]:
        axes.remove()
    for axes, (name, curve) in zip(plots, curves.items(), strict=False):
        tidy(axes)
        steps, values = _thin(*curve)
        axes.plot(steps, values, color=NETWORK, linewidth=1.8)
        axes.set_title(WEIGHTS.get(name, name), fontsize=9.5, color=INK)
        axes.set_xlabel("step", fontsize=8.5, color=MUTED)
        axes.margins(x=0.08, y=0.28)
        if len(curve[0]):
            _mark_ends(axes, *curve)
    return figure


def loss_curves(records: Records) -> Figure:
    """Draw the losses of every stage that is in the records.

    A column for each stage; top: the loss on training pairs; bottom: on validation
    pairs the registration loss, the validation criterion in the search of λ, and the
    Dice or the loss in training. Every plot has its own scale.

    Args:
        records: Lines of `metrics.jsonl`.

    Returns:
        Figure with up to four columns.

    Raises:
        ValueError: If no record holds a loss.
    """
    columns = []
    for stage in STAGES:
        train = series(records, stage, "loss" if stage == "train" else "train_loss")
        watched = series(records, stage, _watched(records, stage))
        if len(train[0]) or len(watched[0]):
            columns.append((stage, train, watched))
    if not columns:
        raise ValueError("no record holds a loss.")
    num_rows = 2 if any(len(watched[0]) for _, _, watched in columns) else 1
    figure = new_figure(11, 0.7 + 2.1 * num_rows, layout="constrained")
    plots = figure.subplots(num_rows, len(columns), squeeze=False)
    for column, (stage, *curves) in enumerate(columns):
        labels = ("training loss", _watched_name(_watched(records, stage), stage))
        colours = (NETWORK, REFINED)
        for row in range(num_rows):
            axes = plots[row, column]
            if not len(curves[row][0]):
                axes.set_axis_off()
                continue
            tidy(axes)
            _draw_noisy(axes, *curves[row], colour=colours[row])
            axes.set_ylabel(labels[row], fontsize=8.5, color=INK)
            axes.set_xlabel("step", fontsize=8.5, color=MUTED)
        plots[0, column].set_title(STAGES[stage], fontsize=9.5, color=INK)
    return figure


def hypergradient_curves(records: Records) -> Figure:
    """Draw the size of the direct and of the indirect part of the hypergradient.

    Args:
        records: Lines of `metrics.jsonl`; those of the stages of the search.

    Returns:
        Figure with one logarithmic plot for each stage; a part that is always zero is
        named in the legend but has no line.

    Raises:
        ValueError: If no record holds a norm.
    """
    parts = {
        "direct_norm": ("direct part", NETWORK, "-"),
        "indirect_norm": ("indirect part", REFINED, "--"),
    }
    columns = []
    for stage in (name for name in STAGES if name != "train"):
        curves = {part: series(records, stage, part) for part in parts}
        if any(len(steps) for steps, _ in curves.values()):
            columns.append((stage, curves))
    if not columns:
        raise ValueError("no record holds 'direct_norm' or 'indirect_norm'.")
    figure = new_figure(11, 2.9, layout="constrained")
    plots = figure.subplots(1, len(columns), squeeze=False)[0]
    for axes, (stage, curves) in zip(plots, columns, strict=True):
        tidy(axes)
        for part, (label, colour, dash) in parts.items():
            steps, values = curves[part]
            visible = np.isfinite(values) & (values > 0)
            label = label if visible.any() else f"{label} (zero)"
            _draw_noisy(
                axes,
                steps[visible],
                values[visible],
                colour=colour,
                dash=dash,
                label=label,
            )
        axes.set_yscale("log")
        axes.set_title(STAGES[stage], fontsize=9.5, color=INK)
        axes.set_xlabel("step", fontsize=8.5, color=MUTED)
        axes.legend(fontsize=8.5, frameon=False)
    plots[0].set_ylabel("norm", fontsize=8.5, color=INK)
    return figure


def _watched(records: Records, stage: str) -> str:
    """The field with what was measured on validation pairs in a stage."""
    if stage != "train":
        return "valid_loss"
    is_loss = any("validation_loss" in r for r in records if r.get("stage") == stage)
    return "validation_loss" if is_loss else "validation_dice"


def _watched_name(field: str, stage: str) -> str:
    if field == "validation_dice":
        return "Dice, validation"
    return "validation criterion" if stage == "lam" else "validation loss"


def _thin(
    steps: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Average neighbours until the curve has at most `_MAX_POINTS` points."""
    group = -(-len(steps) // _MAX_POINTS)
    if group <= 1:
        return steps, values
    edges = range(0, len(steps), group)
    counts = np.diff([*edges, len(steps)])
    return (
        np.add.reduceat(steps, edges) / counts,
        np.add.reduceat(values, edges) / counts,
    )


def _draw_noisy(
    axes: Axes,
    steps: Float[np.ndarray, " n"],
    values: Float[np.ndarray, " n"],
    *,
    colour: str,
    dash: str = "-",
    label: str = "",
) -> None:
    """Draw a curve; a long one faintly, with its running mean on top."""
    steps, values = _thin(steps, values)
    if len(steps) < 30:
        axes.plot(steps, values, dash, color=colour, marker="o", ms=3, label=label)
        return
    width = max(3, len(steps) // 25) | 1
    mean = np.convolve(values, np.full(width, 1 / width), mode="valid")
    half = width // 2
    axes.plot(steps, values, color=colour, linewidth=0.8, alpha=0.35)
    axes.plot(steps[half:-half], mean, dash, color=colour, linewidth=1.8, label=label)


def _mark_ends(
    axes: Axes, steps: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"]
) -> None:
    """Write the first and last value beside their points."""
    rises = values[-1] >= values[0]
    for index, align, above in ((0, "left", not rises), (-1, "right", rises)):
        axes.plot(
            steps[index], values[index], "o", color=NETWORK, markersize=5, clip_on=False
        )
        axes.annotate(
            f"{values[index]:.3g}",
            (steps[index], values[index]),
            xytext=(0, 8 if above else -8),
            textcoords="offset points",
            ha=align,
            va="bottom" if above else "top",
            fontsize=9,
            fontweight="bold",
            color=INK,
        )
