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
from autoreg_jax.studies._table import save_figures
from autoreg_jax.studies.bench._methods import NONE
from autoreg_jax.studies.bench._results import Pair, Results

logger = logging.getLogger(__name__)


def draw(
    folder: Path, test: Cohort, pairs: Sequence[Pair], results: Mapping[str, Results]
) -> list[Path]:
    """Draw box plots of Dice and an example, where matplotlib is installed.

    The files are figure4.png, with labels only, and figure5.png.
    """
    if find_spec("matplotlib") is None:
        logger.info("No figures: matplotlib is not installed.")
        return []
    from autoreg_jax import report

    figures: list[tuple[str, Any]] = []
    if scores := _dice(test, pairs, results):
        figures.append(("figure4", report.method_boxes(scores)))
    if example := _example(test, results):
        figures.append(("figure5", report.method_panels(*example)))
    return save_figures(folder, figures)


def _dice(
    test: Cohort, pairs: Sequence[Pair], results: Mapping[str, Results]
) -> dict[str, dict[str, list[float]]]:
    """Dice of each pair: by group of structures, then by method."""
    groups: dict[str, dict[str, list[float]]] = {}
    for name, one in results.items():
        records = [one.of_pair[pair] for pair in pairs if pair in one.of_pair]
        rows = [r["scores"]["dice"] for r in records if r["scores"].get("dice")]
        if not rows:
            continue
        table = np.array(rows, float)  # null, where a structure is absent, becomes NaN
        known = table[np.isfinite(table).any(axis=1)]
        columns = [np.nanmean(known, axis=1), *table.T]
        for group, values in zip(
            ("all structures", *test.structures), columns, strict=True
        ):
            groups.setdefault(group, {})[name] = values.tolist()
    return groups


def _example(test: Cohort, results: Mapping[str, Results]) -> tuple[Any, ...] | None:
    """Images, moved images and fields of the pair that most methods register first."""
    examples = {name: one.example() for name, one in results.items() if name != NONE}
    known = {name: one for name, one in examples.items() if one is not None}
    pairs = [pair for pair, _ in known.values()]
    chosen = max(pairs, key=pairs.count, default=())
    if not chosen or not set(chosen) <= set(test.names):
        return None
    moving, fixed = (test.images[test.names.index(name)] for name in chosen)
    fields = {name: field for name, (pair, field) in known.items() if pair == chosen}
    moved = {
        name: np.asarray(warp(jnp.asarray(moving[None]), jnp.asarray(field[None])))
        for name, field in fields.items()
    }
    images = {name: image[0, ..., 0] for name, image in moved.items()}
    return fixed[..., 0], moving[..., 0], images, fields, test.spacing, test.affine
