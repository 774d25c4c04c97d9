"""Assemble the parts of the page from a RUN folder and render them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from autoreg_jax.report._architecture import (
    CellRow,
    WeightRow,
    chosen_operations,
    decision_sentence,
    last_alpha,
    loss_weights,
)
from autoreg_jax.report._captions import CAPTIONS, MISSING, pair_guide
from autoreg_jax.report._curves import (
    hypergradient_curves,
    lambda_history,
    loss_curves,
)
from autoreg_jax.report._heatmap import alpha_heatmap
from autoreg_jax.report._overlap import STEPS, dice_by_structure
from autoreg_jax.report._pairs import ShownPair, select_pairs
from autoreg_jax.report._panel import registration_panel
from autoreg_jax.report._provenance import command_text, provenance_rows
from autoreg_jax.report._run import Run
from autoreg_jax.report._style import to_data_uri
from autoreg_jax.report._summary import is_simulated, summary_paragraph, summary_table


@dataclass(frozen=True)
class Picture:
    """An encoded figure with its caption; `title` may be empty."""

    source: str
    caption: str
    title: str = ""


@dataclass(frozen=True)
class Section:
    """One part of the page: its pictures and tables, or why there are none.

    Attributes:
        title: Heading.
        pictures: Figures, in order.
        missing: Sentence on what is absent, or empty.
        guide: How to read the pictures, or empty.
        sentence: What the pictures amount to, or empty.
        cells: Chosen operations.
        weights: Loss weights at start and end.
        similarity: Name of the similarity measure, or empty.
    """

    title: str
    pictures: tuple[Picture, ...] = ()
    missing: str = ""
    guide: str = ""
    sentence: str = ""
    cells: Sequence[CellRow] = ()
    weights: Sequence[WeightRow] = ()
    similarity: str = ""


def render_page(run: Run) -> str:
    """Make the HTML of the report.

    Args:
        run: Contents of a RUN folder.

    Returns:
        A self-contained page.
    """
    environment = Environment(
        loader=PackageLoader("autoreg_jax.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    return environment.get_template("report.html.jinja").render(
        name=run.path.resolve().name,
        command=command_text(run.provenance),
        simulated=is_simulated(run),
        paragraph=summary_paragraph(run),
        measures=summary_table(run.evaluation or {}),
        sections=(
            _pairs_section(run),
            _structures_section(run),
            _architecture_section(run),
            _weights_section(run),
            _curves_section(run),
            _hypergradient_section(run),
        ),
        provenance=provenance_rows(run.provenance or {}),
        missing=MISSING,
        config=run.config,
    )


def _number(value: float | None, digits: int) -> str:
    """Format a number; a dash where there is none, no false zero for a tiny one."""
    if value is None or math.isnan(value):
        return "–"
    if value == 0:
        return "0"
    if abs(value) < 0.5 * 10**-digits:
        return f"{value:.1e}"
    return f"{value:.{digits}f}"


def _picture(
    figure: Figure, caption: str, kind: Literal["png", "svg"] = "svg", title: str = ""
) -> Picture:
    return Picture(to_data_uri(figure, kind), caption, title)


def _pairs_section(run: Run) -> Section:
    title = "Registered pairs"
    if not run.pairs:
        return Section(title, missing=MISSING["pairs"])
    pictures = tuple(_pair_picture(run, shown) for shown in select_pairs(run.pairs))
    guide = pair_guide(
        is_3d=run.pairs[0].fixed.ndim == 3,
        is_oriented=run.affine is not None,
        has_labels=run.pairs[0].fixed_labels is not None,
    )
    return Section(title, pictures, guide=guide)


def _pair_picture(run: Run, shown: ShownPair) -> Picture:
    pair = shown.pair
    figure = registration_panel(
        pair.fixed,
        pair.moving,
        pair.moved,
        pair.displacement,
        pair.fixed_labels,
        pair.moved_labels,
        pair.moving_labels,
        spacing=run.spacing,
        affine=run.affine,
    )
    lengths = np.linalg.norm(pair.displacement * np.asarray(run.spacing), axis=-1)
    caption = (
        "Fixed, moving and moved image, their differences before and after, and the "
        f"deformation. The displacement is {lengths.mean():.1f} mm on average over the "
        f"whole image and at most {lengths.max():.1f} mm. Proportions are true in mm."
    )
    title = f"{shown.role}: {pair.name}" if shown.role else pair.name
    if math.isfinite(shown.dice):
        title += f" – Dice {_number(shown.dice_before, 3)} → {shown.dice:.3f}"
    return _picture(figure, caption, "png", title)


def _structures_section(run: Run) -> Section:
    title = "Overlap by structure"
    known = any(
        math.isfinite(row.get(step, np.nan)) for row in run.rows for step in STEPS
    )
    if not known:
        return Section(title, missing=MISSING["structures"])
    return Section(title, (_picture(dice_by_structure(run.rows), CAPTIONS["dice"]),))


def _architecture_section(run: Run) -> Section:
    title = "Searched architecture"
    alpha = last_alpha(run.records)
    if alpha is None and run.genotype is None:
        return Section(title, missing=MISSING["architecture"])
    pictures, sentence = (), ""
    if alpha is not None:
        pictures = (_picture(alpha_heatmap(alpha, run.genotype), CAPTIONS["alpha"]),)
        sentence = decision_sentence(alpha)
    cells = () if run.genotype is None else chosen_operations(run.genotype, alpha)
    return Section(title, pictures, sentence=sentence, cells=cells)


def _weights_section(run: Run) -> Section:
    title = "Searched loss weights"
    objective = run.objective or {}
    weights = loss_weights(objective)
    searched = any(
        record.get("stage") == "lam" and "lam" in record for record in run.records
    )
    if not searched and not weights:
        return Section(title, missing=MISSING["weights"])
    pictures = ()
    if searched:
        pictures = (_picture(lambda_history(run.records), CAPTIONS["lambda"]),)
    return Section(
        title,
        pictures,
        missing="" if searched else MISSING["weight_history"],
        weights=weights,
        similarity=objective.get("similarity", ""),
    )


def _curves_section(run: Run) -> Section:
    title = "Losses over time"
    if not any("train_loss" in record or "loss" in record for record in run.records):
        return Section(title, missing=MISSING["losses"])
    return Section(title, (_picture(loss_curves(run.records), CAPTIONS["losses"]),))


def _hypergradient_section(run: Run) -> Section:
    title = "Hypergradients"
    if not any("direct_norm" in record for record in run.records):
        return Section(title, missing=MISSING["hypergradients"])
    figure = hypergradient_curves(run.records)
    return Section(title, (_picture(figure, CAPTIONS["hypergradients"]),))
