"""What validation pairs say about a network, and about no registration at all."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from autoreg_jax.bilevel import agreement_judge, landmark_judge, overlap_judge
from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort
from autoreg_jax.inference import warp_labels
from autoreg_jax.losses import Objective, image_terms
from autoreg_jax.metrics import dice, folding_fraction
from autoreg_jax.programs import Network, Programs, gather_pair, make_lambda
from autoreg_jax.runtime import ONE_DEVICE
from autoreg_jax.workflows._images import split_images
from autoreg_jax.workflows._pairs import scored_pairs
from autoreg_jax.workflows.trials._trial import SCORES

# How far a loss may be above that without motion, as a share of it: a training that has
# only begun still carries the random motion of its first weights.
_AT_THE_END, _BEFORE = 0.05, 1.0


class Judging:
    """Scores of validation pairs, always the same ones.

    Args:
        validation: The subjects.
        config: Pairs, seed and the budget of folds; `search.judge_pairs` pairs.
        pairs: Moving and fixed subject of other pairs.
    """

    def __init__(
        self,
        validation: Cohort,
        config: RunConfig,
        pairs: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        self.cohort, self.config = validation, config
        count = config.search.judge_pairs
        self.pairs = pairs or scored_pairs(validation, config, count)
        self._losses: dict[Objective, Callable[..., Any]] = {}

    def __call__(
        self,
        programs: Programs,
        network: Network,
        omega: Any,
        lam: Mapping[str, float],
        *,
        is_over: bool = True,
    ) -> tuple[dict[str, np.ndarray], float, str]:
        """Scores of each pair, percentage of folds, and why ω is useless, if it is.

        Args:
            programs: Those of the network.
            network: What was trained.
            omega: Its weights, a vector.
            lam: Weights of its loss.
            is_over: Whether the training is; one that has only begun may be worse.
        """
        field = programs.levels(network)
        rows = []
        for batch, labels in self.batches:
            levels = field(omega, batch.moving, batch.fixed)
            rows.append(self._measured(programs.objective, batch, labels, levels, lam))
        found = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        folding = 100 * float(np.mean(found.pop("folding")))
        loss, still = found.pop("loss"), found.pop("still")
        reach = float(np.max(found.pop("reach")))
        share = _AT_THE_END if is_over else _BEFORE
        why = _complaint(float(loss.mean()), float(still.mean()), reach, share)
        return found, folding, why

    @cached_property
    def unregistered(self) -> dict[str, np.ndarray]:
        """Scores of each pair without any motion."""
        return self.scored(
            jnp.zeros((*batch.fixed.shape[:-1], batch.fixed.ndim - 2))
            for batch, _ in self.batches
        )

    def scored(self, displacements: Iterable[Any]) -> dict[str, np.ndarray]:
        """Scores of each pair under a displacement `(1, *space, d)` of its own."""
        rows = [
            jax.device_get(self._scores(*pair, displacement))
            for pair, displacement in zip(self.batches, displacements, strict=True)
        ]
        names = [name for name in SCORES if name in rows[0]]
        return {name: np.array([row[name] for row in rows]) for name in names}

    @cached_property
    def batches(self) -> list[Any]:
        """Each pair: its batch and its label maps, moving and fixed."""
        split = split_images(
            self.cohort,
            self.config,
            ONE_DEVICE,
            with_labels=self.cohort.labels is not None,
            with_landmarks=self.cohort.landmarks is not None,
        )
        cohort, sides = split.of_pairs(tuple(np.transpose(self.pairs)))
        found, count = [], len(self.cohort.structures)
        for row in np.stack(sides, 1):
            batch = gather_pair(cohort, tuple(row[:, None]), count)
            maps = None if cohort.labels is None else cohort.labels[row]
            found.append((batch, maps))
        return found

    @cached_property
    def _scores(self) -> Callable[..., Any]:
        """All scores of one pair and a displacement, one program."""
        spacing = float(np.mean(self.cohort.spacing))
        count = len(self.cohort.structures) + 1
        agree = agreement_judge(self.config.search.folding_budget)

        def scores(batch: Any, labels: Any, displacement: Any) -> dict[str, Any]:
            found = {"mind": -agree(batch, displacement)}
            found["folding"] = folding_fraction(displacement)
            axes = range(displacement.ndim - 2)
            reach = [
                jnp.max(jnp.abs(displacement[..., axis])) / batch.fixed.shape[1 + axis]
                for axis in axes
            ]
            found["reach"] = jnp.max(jnp.stack(reach))
            if batch.moving_landmarks is not None:
                # With voxels of unequal sides this is not quite the distance in mm.
                found["landmarks"] = -spacing * landmark_judge()(batch, displacement)
            if labels is not None:
                moved = warp_labels(labels[:1], displacement, count)
                found["dice"] = jnp.nanmean(dice(labels[1:], moved, count))
                found["soft_dice"] = 1 - overlap_judge()(batch, displacement)
            return found

        return jax.jit(scores)

    def _measured(
        self,
        objective: Objective,
        batch: Any,
        labels: Any,
        levels: Any,
        lam: Mapping[str, float],
    ) -> dict[str, Any]:
        if objective not in self._losses:
            self._losses[objective] = jax.jit(lambda *given: objective(*given)[0])
        loss, weights = self._losses[objective], make_lambda(image_terms(lam))
        rest = jax.tree.map(jnp.zeros_like, levels)
        images = batch.fixed, batch.moving
        found = self._scores(batch, labels, levels["full"])
        found |= {"loss": loss(*images, levels, weights)}
        found |= {"still": loss(*images, rest, weights)}
        return jax.device_get(found)


def _complaint(loss: float, still: float, reach: float, share: float) -> str:
    """Why weights are useless: a diverged training often has finite losses."""
    if not np.isfinite([loss, reach]).all():
        return "the validation loss is NaN or infinite"
    if loss > still + share * abs(still):
        return f"the validation loss {loss:.3g} is above {still:.3g}, that of no motion"
    if reach > 1:
        return "displacements are longer than the image"
    return ""
