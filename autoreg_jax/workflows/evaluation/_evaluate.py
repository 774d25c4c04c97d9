"""Evaluates a model on pairs that neither search nor training has seen."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort
from autoreg_jax.files import write_file
from autoreg_jax.inference import RegistrationModel, warp_labels
from autoreg_jax.metrics import inverse_consistency_error
from autoreg_jax.runtime import RunFolder, in_single_precision, progress
from autoreg_jax.spatial import warp
from autoreg_jax.workflows._pairs import scored_pairs
from autoreg_jax.workflows.evaluation._evaluation import (
    Evaluation,
    PairScores,
    cases,
    structures,
    summary,
)
from autoreg_jax.workflows.evaluation._scores import PairData, pair_of, score


def choose_examples(quality: list[float]) -> dict[str, int]:
    """The pairs of best, median and worst quality (higher is better).

    Examples:
        >>> choose_examples([0.5, 0.9, 0.7])
        {'best': 1, 'median': 2, 'worst': 0}
        >>> choose_examples([0.5])
        {'best': 0}
    """
    order = sorted(range(len(quality)), key=lambda place: -quality[place])
    places = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    chosen: dict[str, int] = {}
    for name, place in places.items():
        if place not in chosen.values():
            chosen[name] = place
    return chosen


def write_panels(
    path: Path,
    cohort: Cohort,
    examples: dict[str, tuple[int, int, np.ndarray, np.ndarray | None]],
) -> None:
    """Write panels.npz, the arrays behind the figures of a report.

    An example is `(moving, fixed, displacement, refined displacement)`, displacements
    `(*space, d)` in voxels; the refined one may be None.
    """
    arrays: dict[str, Any] = {
        "names": np.array(
            [
                f"{cohort.names[moving]} to {cohort.names[fixed]}"
                for moving, fixed, *_ in examples.values()
            ]
        ),
        "affine": cohort.affine,
        "spacing": np.asarray(cohort.spacing),
        "structures": np.array(cohort.structures, dtype=str),
    }
    for place, (moving, fixed, network, refined) in enumerate(examples.values()):
        final = network if refined is None else refined
        images = cohort.images
        arrays[f"fixed_{place}"] = images[fixed, ..., 0]
        arrays[f"moving_{place}"] = images[moving, ..., 0]
        arrays[f"moved_{place}"] = _warped(images[moving], network)
        if refined is not None:
            arrays[f"moved_refined_{place}"] = _warped(images[moving], refined)
        arrays[f"displacement_{place}"] = final
        if cohort.labels is not None:
            count = len(cohort.structures) + 1
            labels = cohort.labels[moving]
            moved = warp_labels(jnp.asarray(labels[None]), final[None], count)
            arrays[f"fixed_labels_{place}"] = cohort.labels[fixed].astype(np.int16)
            arrays[f"moving_labels_{place}"] = labels.astype(np.int16)
            arrays[f"moved_labels_{place}"] = np.asarray(moved[0], np.int16)
    write_file(path, lambda file: np.savez_compressed(file, **arrays))


def _warped(image: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    moved = warp(jnp.asarray(image[None]), jnp.asarray(displacement[None]))
    return np.asarray(moved[0, ..., 0])


_inverse_consistency = jax.jit(inverse_consistency_error)


class _PairResult(NamedTuple):
    """One registered pair on the host."""

    moving: int
    fixed: int
    displacements: list[np.ndarray]
    scored: PairScores

    def quality(self) -> float:
        """Mean Dice of the final result, or its correlation without labels."""
        final = self.scored.scores[-1]
        return float(np.nanmean(final.get("dice", final["ncc"])))


@in_single_precision
def evaluate(
    test: Cohort,
    model: RegistrationModel,
    config: RunConfig,
    *,
    run: Path | str | None = None,
) -> Evaluation:
    """Register pairs of unseen subjects, with the network alone and refined.

    Times are per pair, without compilation and reading; the refined time includes that
    of the network.

    Args:
        test: The subjects; labels, landmarks and true velocities are used if present.
        model: The trained network.
        config: The run; its `evaluate`, `pairs` and `seed` are used.
        run: Folder for evaluation.csv, evaluation_pairs.csv, panels.npz and
            evaluation.json.

    Returns:
        Scores of each pair and structure, and their summary.

    Raises:
        DataError: If no pair of subjects matches `config.pairs`.
    """
    pairs = scored_pairs(test, config, config.evaluate.pairs)
    register = _make_register(model, config, pair_of(test, *pairs[0]))
    results: list[_PairResult] = []
    with progress("evaluate", len(pairs)) as advance:
        for moving, fixed in pairs:
            result = _register_and_score(test, model, register, moving, fixed)
            results.append(result)
            advance(quality=result.quality())
    scored = [result.scored for result in results]
    evaluation = Evaluation(
        summary(scored, is_simulated=test.velocity is not None),
        structures(scored, test.structures),
        cases(scored),
    )
    if run is not None:
        run = Path(run)
        run.mkdir(parents=True, exist_ok=True)
        chosen = choose_examples([result.quality() for result in results])
        examples = {name: _example(results[i]) for name, i in chosen.items()}
        write_panels(RunFolder(run).panels, test, examples)
        evaluation.write(run)
    return evaluation


def _make_register(
    model: RegistrationModel, config: RunConfig, pair: PairData
) -> Callable[[PairData], tuple[list[Any], list[float]]]:
    """Compile the network and its refinement; time both in every later call."""
    settings = config.evaluate.refine
    improve = partial(
        model.refine, steps=settings.steps, learning_rate=settings.learning_rate
    )
    velocity = model(pair.moving, pair.fixed).velocity
    if settings.steps:
        jax.block_until_ready(improve(pair.moving, pair.fixed, velocity))

    def register(pair: PairData) -> tuple[list[Any], list[float]]:
        begin = time.perf_counter()
        out = jax.block_until_ready(model(pair.moving, pair.fixed))
        seconds = [time.perf_counter() - begin]
        displacements = [out.displacements.full]
        if settings.steps:
            refined = improve(pair.moving, pair.fixed, out.velocity)
            displacements.append(jax.block_until_ready(refined).displacement)
            seconds.append(time.perf_counter() - begin)
        return displacements, seconds

    return register


def _register_and_score(
    test: Cohort,
    model: RegistrationModel,
    register: Callable[[PairData], tuple[list[Any], list[float]]],
    moving: int,
    fixed: int,
) -> _PairResult:
    pair = pair_of(test, moving, fixed)
    displacements, seconds = register(pair)
    scores = [
        score(
            pair,
            displacement,
            num_structures=len(test.structures),
            spacing=test.spacing,
            window=model.description.windows[0],
        )
        for displacement in (jnp.zeros_like(displacements[0]), *displacements)
    ]
    backward = model(pair.fixed, pair.moving).displacements.full
    scores[1]["inverse_consistency_error"] = np.asarray(
        _inverse_consistency(
            displacements[0], backward, jnp.asarray(test.spacing), pair.body
        )
    )
    fields = [np.asarray(displacement[0]) for displacement in displacements]
    names = test.names[fixed], test.names[moving]
    return _PairResult(moving, fixed, fields, PairScores(*names, scores, seconds))


def _example(result: _PairResult) -> tuple[int, int, np.ndarray, np.ndarray | None]:
    network, *refined = result.displacements
    return result.moving, result.fixed, network, refined[0] if refined else None
