"""Figures 4 and 5 of the paper, with all methods of the bench."""

import logging
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from autoreg_jax.data import Cohort
from autoreg_jax.spatial import warp
from autoreg_jax.studies.bench._methods import NONE
from autoreg_jax.studies.bench._results import Pair, Results

logger = logging.getLogger(__name__)


def draw(
    folder: Path, test: Cohort, pairs: Sequence[Pair], results: Mapping[str, Results]
) -> list[Path]:
    """Draw box plots of Dice and an example, where matplotlib is installed.

    Args:
        folder: Gets figure4.png (with labels) and figure5.png.
        test: The subjects.
        pairs: Those that count.
        results: Of each method.

    Returns:
        The files.
    """
    if find_spec("matplotlib") is None:
        logger.info("No figures: matplotlib is not installed.")
        return []
    from autoreg_jax import report

    figures: dict[str, Any] = {}
    scores = _scores(test, pairs, results)
    if scores:
        figures["figure4"] = report.method_boxes(scores)
    examples = _examples(test, results)
    if examples:
        figures["figure5"] = report.method_panels(*examples)
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=120)
    return paths


def _scores(
    test: Cohort, pairs: Sequence[Pair], results: Mapping[str, Results]
) -> dict[str, dict[str, list[float]]]:
    """Dice of each pair: by group of structures, then by method."""
    found: dict[str, dict[str, list[float]]] = {}
    for name, one in results.items():
        records = [one.of_pair[pair] for pair in pairs if pair in one.of_pair]
        rows = [r["scores"]["dice"] for r in records if r["scores"].get("dice")]
        if not rows:
            continue
        table = np.array(rows, float)  # null, where a structure is absent, becomes NaN
        known = table[np.isfinite(table).any(axis=1)]
        means = np.nanmean(known, axis=1)
        found.setdefault("all structures", {})[name] = means.tolist()
        for place, structure in enumerate(test.structures):
            found.setdefault(structure, {})[name] = table[:, place].tolist()
    return found


def _examples(test: Cohort, results: Mapping[str, Results]) -> tuple[Any, ...] | None:
    """Images, moved images and fields of the pair that most methods have first."""
    found = {n: one.example() for n, one in results.items() if n != NONE}
    known = {n: example for n, example in found.items() if example is not None}
    places = {name: place for place, name in enumerate(test.names)}
    if not known:
        return None
    pairs = [pair for pair, _ in known.values()]
    chosen = max(pairs, key=pairs.count)
    if not set(chosen) <= set(places):
        return None
    moving, fixed = (test.images[places[name]] for name in chosen)
    fields = {n: field for n, (pair, field) in known.items() if pair == chosen}
    moved = {
        name: np.asarray(
            warp(jnp.asarray(moving[None]), jnp.asarray(field[None]))[0, ..., 0]
        )
        for name, field in fields.items()
    }
    return fixed[..., 0], moving[..., 0], moved, fields, test.spacing, test.affine
