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
from autoreg_jax.data import Cohort, evaluation_pairs
from autoreg_jax.inference import RegistrationModel
from autoreg_jax.metrics import inverse_consistency_error
from autoreg_jax.runtime import RunFolder, progress
from autoreg_jax.workflows._roles import roles_of
from autoreg_jax.workflows.evaluation._evaluation import Evaluation
from autoreg_jax.workflows.evaluation._panels import choose_examples, write_panels
from autoreg_jax.workflows.evaluation._scores import PairData, pair_of, score
from autoreg_jax.workflows.evaluation._tables import (
    PairScores,
    cases,
    structures,
    summary,
)

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
    pairs = evaluation_pairs(
        len(test.names),
        config.evaluate.pairs,
        config.seed,
        **roles_of(test, config.pairs)._asdict(),
    )
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
