"""Collect the sections of the page and render them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from autoreg_jax.report._architecture import (
    CellRow,
    WeightRow,
    alpha_heatmap,
    chosen_operations,
    decision_sentence,
    last_alpha,
    loss_weights,
    searched_operations,
    set_sentence,
)
from autoreg_jax.report._curves import (
    hypergradient_curves,
    lambda_history,
    loss_curves,
)
from autoreg_jax.report._decisions import (
    Choices,
    lead_notes,
    lead_sentence,
    leads,
    removal_note,
    removal_sentence,
    removals,
)
from autoreg_jax.report._dice import STEPS, dice_by_structure
from autoreg_jax.report._pairs import ShownPair, pair_slices, select_pairs
from autoreg_jax.report._provenance import command_line, provenance_rows
from autoreg_jax.report._refinement import refinement_sentence
from autoreg_jax.report._run import Run
from autoreg_jax.report._smoothness import FrontRow, front_figure, front_rows
from autoreg_jax.report._style import to_data_uri
from autoreg_jax.report._summary import is_simulated, summary_paragraph, summary_table
from autoreg_jax.report._trials import (
    TRIALS_HINT,
    TrialRow,
    trial_rows,
    trials_sentence,
)
from autoreg_jax.report._words import CAPTIONS, MISSING, SIMILARITIES, pair_guide
from autoreg_jax.report.slices import SlicePictures, registration_panel


@dataclass(frozen=True)
class Picture:
    """An encoded figure with its caption; `title` may be empty."""

    source: str
    caption: str
    title: str = ""


@dataclass(frozen=True)
class Section:
    """One section of the page: pictures and tables, or why there are none.

    Attributes:
        title: Heading.
        pictures: Figures, in order.
        missing: Sentence on what is absent, or empty.
        guide: How to read the pictures, or empty.
        sentence: Conclusion from the pictures, or empty.
        cells: Chosen operations.
        hint: What is written below a table.
        weights: Loss weights at start and end.
        similarity: Name of the similarity measure, or empty.
        trials: Settings that were tried.
        front: Scores under several weights of the smoothness.
        slices: Slices of a pair to look at closely.
        slices_title: Which pair that is.
    """

    title: str
    pictures: Sequence[Picture] = ()
    missing: str = ""
    guide: str = ""
    sentence: str = ""
    cells: Sequence[CellRow] = ()
    hint: str = ""
    weights: Sequence[WeightRow] = ()
    similarity: str = ""
    trials: Sequence[TrialRow] = ()
    front: Sequence[FrontRow] = ()
    slices: Sequence[SlicePictures] = ()
    slices_title: str = ""


def render_page(run: Run) -> str:
    """Make the HTML of the report, a self-contained page."""
    environment = Environment(
        loader=PackageLoader("autoreg_jax.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    return environment.get_template("report.html.jinja").render(
        name=run.name,
        command=command_line((run.provenance or {}).get("command")),
        simulated=is_simulated(run),
        paragraph=summary_paragraph(run),
        measures=summary_table(run.evaluation or {}),
        sections=(
            _pairs(run),
            _structures(run),
            *_front(run),
            *_made(run),
        ),
        provenance=provenance_rows(run.provenance or {}),
        missing=MISSING,
        config=run.config,
    )


def _made(run: Run) -> Iterator[Section]:
    """How the model came about; nothing where that of another folder was evaluated."""
    if "model" not in (run.provenance or {}):
        yield from _trials(run)
        yield _architecture(run)
        yield replace(_weights(run), sentence=refinement_sentence(run.refinement))
        yield _losses(run)
        yield _hypergradients(run)


def _number(value: float | None, digits: int) -> str:
    """Format a number; a dash for none, never zero for a tiny one."""
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


def _pairs(run: Run) -> Section:
    title = "Registered pairs"
    if not run.pairs:
        return Section(title, missing=MISSING["pairs"])
    guide = pair_guide(
        is_3d=run.pairs[0].fixed.ndim == 3,
        is_oriented=run.affine is not None,
        has_labels=run.pairs[0].fixed_labels is not None,
    )
    chosen = select_pairs(run.pairs)
    pictures = [_pair_picture(run, shown) for shown in chosen]
    closely = f"Look closely at {chosen[0].pair.name}: before and after, folds"
    slices = pair_slices(chosen[0].pair, run.spacing, run.affine)
    return Section(title, pictures, guide=guide, slices=slices, slices_title=closely)


def _pair_picture(run: Run, shown: ShownPair) -> Picture:
    pair = shown.pair
    grid: Any = {"spacing": run.spacing, "affine": run.affine}
    figure = registration_panel(**pair.arrays, **grid)
    lengths = np.linalg.norm(pair.displacement * np.asarray(run.spacing), axis=-1)
    caption = (
        "Fixed, moving and moved image, the differences before and after, and the "
        f"deformation. The displacement is {lengths.mean():.1f} mm on average over the "
        f"whole image and at most {lengths.max():.1f} mm. Proportions are true in mm."
    )
    title = f"{shown.role}: {pair.name}" if shown.role else pair.name
    if math.isfinite(shown.dice):
        title += f" – Dice {_number(shown.dice_before, 3)} → {shown.dice:.3f}"
    return _picture(figure, caption, "png", title)


def _structures(run: Run) -> Section:
    title = "Overlap by structure"
    if not any(math.isfinite(r.get(step, np.nan)) for r in run.rows for step in STEPS):
        return Section(title, missing=MISSING["structures"])
    return Section(title, [_picture(dice_by_structure(run.rows), CAPTIONS["dice"])])


def _front(run: Run) -> Iterator[Section]:
    """One model under several smoothnesses; no section where that was not measured."""
    if run.smoothness is not None:
        rows, sentence = front_rows(run.smoothness), ""
        if run.is_front_of_model is False:
            sentence = MISSING["front_of_model"]
        picture = _picture(front_figure(run.smoothness), CAPTIONS["front"])
        title = "Overlap against folding"
        yield Section(title, [picture], sentence=sentence, front=rows)


def _trials(run: Run) -> Iterator[Section]:
    """What a search by trials has tried; no section where there was none."""
    if run.search is not None:
        yield Section(
            "Settings that were tried",
            sentence=trials_sentence(run.search),
            trials=trial_rows(run.search),
            hint=TRIALS_HINT,
        )


def _architecture(run: Run) -> Section:
    title = "Searched architecture"
    alpha, cells = last_alpha(run.records), ()
    if alpha is None and run.genotype is None:
        return Section(title, missing=MISSING["architecture"])
    names = searched_operations(run.config)
    if choices := removals(run.records):
        return _perturbed(run, choices, names)
    found = leads(run.genotype, alpha, names) if run.genotype and alpha else {}
    if run.genotype is not None:
        cells = chosen_operations(run.genotype, alpha, names, lead_notes(found))
    if alpha is None:
        sentence = set_sentence(run.genotype, names)
        return Section(
            "Architecture" if sentence else title,
            (),
            "",
            sentence=sentence,
            cells=cells,
            hint=CAPTIONS["cells"],
        )
    picture = _picture(alpha_heatmap(alpha, run.genotype, names), CAPTIONS["alpha"])
    sentence = " ".join([decision_sentence(alpha), lead_sentence(found)])
    return Section(
        title, [picture], sentence=sentence, cells=cells, hint=CAPTIONS["cells"]
    )


def _perturbed(run: Run, choices: Choices, names: Sequence[str]) -> Section:
    """The architecture if the operations were chosen by what is lost without them."""
    cells = ()
    if run.genotype is not None:
        notes = {edge: removal_note(choice) for edge, choice in choices.items()}
        cells = chosen_operations(run.genotype, None, names, notes)
    return Section(
        "Searched architecture",
        sentence=removal_sentence(choices),
        cells=cells,
        hint=CAPTIONS["removals"],
    )


def _weights(run: Run) -> Section:
    title = "Searched loss weights"
    objective = run.objective or {}
    weights = loss_weights(objective)
    searched = any(r.get("stage") == "lam" and "lam" in r for r in run.records)
    if not searched and not weights:
        return Section(title, missing=MISSING["weights"])
    pictures, missing = (), MISSING["weight_history"]
    if searched:
        pictures = (_picture(lambda_history(run.records), CAPTIONS["lambda"]),)
        missing = ""
    if run.search is not None and any(row.start != row.end for row in weights):
        missing = ""  # by trials, which have no history
    name = objective.get("similarity") or ""
    similarity = SIMILARITIES.get(name, name)
    return Section(title, pictures, missing, weights=weights, similarity=similarity)


def _losses(run: Run) -> Section:
    title = "Losses over time"
    if not any("train_loss" in record or "loss" in record for record in run.records):
        return Section(title, missing=MISSING["losses"])
    return Section(title, [_picture(loss_curves(run.records), CAPTIONS["losses"])])


def _hypergradients(run: Run) -> Section:
    title = "Hypergradients"
    if not any("direct_norm" in record for record in run.records):
        return Section(title, missing=MISSING["hypergradients"])
    figure = hypergradient_curves(run.records)
    return Section(title, [_picture(figure, CAPTIONS["hypergradients"])])
