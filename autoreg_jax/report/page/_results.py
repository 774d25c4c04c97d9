"""Sections on the result: registered pairs, trust, structures, smoothness."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from autoreg_jax.report._dice import STEPS, dice_by_structure
from autoreg_jax.report._pairs import ShownPair, pair_slices, select_pairs
from autoreg_jax.report._run import Run
from autoreg_jax.report._smoothness import front_figure, front_rows
from autoreg_jax.report._words import CAPTIONS, MISSING, pair_guide
from autoreg_jax.report.page._sections import Picture, Section, number, picture
from autoreg_jax.report.page._trust import trust_rows, trust_sentence
from autoreg_jax.report.slices import registration_panel


def pairs(run: Run) -> Section:
    """Worst, median and best pair."""
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
        title += f" – Dice {number(shown.dice_before, 3)} → {shown.dice:.3f}"
    return picture(figure, caption, title)


def trust(run: Run) -> Iterator[Section]:
    """What is unusual about each pair; no section without an evaluation."""
    if run.evaluation is not None:
        rows, title = trust_rows(run), "Trust in each pair"
        if rows:
            guide, sentence = CAPTIONS["trust"], trust_sentence(rows)
            yield Section(title, sentence=sentence, hint=guide, trust=rows)
        else:
            yield Section(title, missing=MISSING["trust"])


def structures(run: Run) -> Section:
    """The Dice of each structure."""
    title = "Overlap by structure"
    if not any(math.isfinite(r.get(step, np.nan)) for r in run.rows for step in STEPS):
        return Section(title, missing=MISSING["structures"])
    return Section(title, [picture(dice_by_structure(run.rows), CAPTIONS["dice"])])


def front(run: Run) -> Iterator[Section]:
    """One model under several smoothnesses; no section where that was not measured."""
    if run.smoothness is not None:
        rows, sentence = front_rows(run.smoothness), ""
        if run.is_front_of_model is False:
            sentence = MISSING["front_of_model"]
        drawn = picture(front_figure(run.smoothness), CAPTIONS["front"])
        title = "Overlap against folding"
        yield Section(title, [drawn], sentence=sentence, front=rows)
