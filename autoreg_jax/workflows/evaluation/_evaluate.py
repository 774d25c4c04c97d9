"""Evaluates a model on pairs that neither search nor training has seen."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort
from autoreg_jax.files import together, write_file
from autoreg_jax.inference import RegistrationModel, warp_labels
from autoreg_jax.metrics import inverse_consistency_error
from autoreg_jax.runtime import (
    RunFolder,
    in_single_precision,
    local_placement,
    owns,
    progress,
)
from autoreg_jax.spatial import warp
from autoreg_jax.workflows._pairs import scored_pairs
from autoreg_jax.workflows.evaluation._evaluation import (
    Evaluation,
    PairScores,
    cases,
    structures,
    summary,
)
from autoreg_jax.workflows.evaluation._registering import Registered, Registrar
from autoreg_jax.workflows.evaluation._scores import pair_of, score
from autoreg_jax.workflows.evaluation._trust import trust_of


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
@owns()
def evaluate(
    test: Cohort,
    model: RegistrationModel,
    config: RunConfig,
    *,
    run: Path | str | None = None,
    more: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Register pairs of unseen subjects, with the network alone and refined.

    Times are per pair, without compilation and reading; the refined time includes that
    of the network. Several devices (`config.mesh`) register a pair each at the same
    time; several processes do not share the pairs.

    Args:
        test: The subjects; labels, landmarks and true velocities are used if present.
        model: The trained network.
        config: The run; its `evaluate`, `pairs` and `seed` are used.
        run: Folder for evaluation.csv, evaluation_pairs.csv, panels.npz and
            evaluation.json.
        more: What else evaluation.json says.

    Returns:
        Scores of each pair and structure, and their summary.

    Raises:
        DataError: If no pair of subjects matches `config.pairs`.
    """
    pairs = scored_pairs(test, config, config.evaluate.pairs)
    devices = local_placement(config.mesh.pairs, config.mesh.members, len(pairs))
    register = Registrar(model, config, devices)
    register(test, pairs[: register.count])  # compiles
    results: list[_PairResult] = []
    with progress("evaluate", len(pairs)) as advance:
        for first in range(0, len(pairs), register.count):
            group = pairs[first : first + register.count]
            for pair, found in zip(group, register(test, group), strict=True):
                results.append(_score(test, model, *pair, found))
                advance(quality=results[-1].quality())
    scored = [result.scored for result in results]
    about: dict[str, Any] = {"model": model.digest, **(more or {})}
    if test.pairs is not None:
        about["listed_pairs"] = len(test.pairs)
    evaluation = Evaluation(
        summary(scored, is_simulated=test.velocity is not None) | about,
        structures(scored, test.structures),
        cases(scored),
    )
    if run is not None:
        run = Path(run)
        run.mkdir(parents=True, exist_ok=True)
        chosen = choose_examples([result.quality() for result in results])
        examples = {name: _example(results[i]) for name, i in chosen.items()}
        with together():
            write_panels(RunFolder(run).panels, test, examples)
            evaluation.write(run)
    return evaluation


def _score(
    test: Cohort, model: RegistrationModel, moving: int, fixed: int, found: Registered
) -> _PairResult:
    pair = pair_of(test, moving, fixed)
    displacements = [jnp.asarray(field) for field in found.displacements]
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
    scores[1]["inverse_consistency_error"] = np.asarray(
        _inverse_consistency(
            displacements[0], found.backward, jnp.asarray(test.spacing), pair.body
        )
    )
    fields = [field[0] for field in found.displacements]
    names = test.names[fixed], test.names[moving]
    folding = float(scores[-1]["folding_fraction"])
    trust = trust_of(test, moving, fixed, found.displacements[-1], folding)
    scored = PairScores(*names, scores, found.seconds, trust)
    return _PairResult(moving, fixed, fields, scored)


def _example(result: _PairResult) -> tuple[int, int, np.ndarray, np.ndarray | None]:
    network, *refined = result.displacements
    return result.moving, result.fixed, network, refined[0] if refined else None
