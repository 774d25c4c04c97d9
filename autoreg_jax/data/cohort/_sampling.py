"""Pairs of subjects for the training steps and for evaluation."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

__all__ = ["PairSampler", "evaluation_pairs"]


class PairSampler:
    """The pairs of every training step, a pure function of the seed and the step.

    An epoch contains each ordered pair (moving, fixed) of different subjects exactly
    once, in random order. Epochs follow one another without a gap, so a batch may
    contain the last pairs of one and the first of the next. There is no state: any step
    can be drawn at any time, and a resumed run sees the same pairs.

    Args:
        num_subjects: Number of subjects, at least two.
        batch_size: Pairs in a step, at least one.
        seed: Seed of the order, not negative.
        moving: Indices of the subjects that may be moving; default: all.
        fixed: Indices of the subjects that may be fixed; default: all.

    Raises:
        ValueError: If an argument is too small, or there is no pair.

    Examples:
        >>> sampler = PairSampler(3, batch_size=6, seed=0)
        >>> moving, fixed = sampler[0]
        >>> sorted(zip(moving.tolist(), fixed.tolist(), strict=True))
        [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    """

    def __init__(
        self,
        num_subjects: int,
        *,
        batch_size: int = 1,
        seed: int = 0,
        moving: Sequence[int] | None = None,
        fixed: Sequence[int] | None = None,
    ):
        if num_subjects < 2:
            raise ValueError(f"a pair needs two subjects, got {num_subjects}.")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
        if seed < 0:
            raise ValueError(f"seed must not be negative, got {seed}.")
        self.num_subjects = num_subjects
        self.batch_size = batch_size
        self.seed = seed
        sides = (range(num_subjects) if s is None else s for s in (moving, fixed))
        table = np.stack(np.meshgrid(*map(np.asarray, sides), indexing="ij"), -1)
        pairs = table.reshape(-1, 2)
        self._pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        if not len(self._pairs):
            raise ValueError("no two subjects form a pair of moving and fixed.")

    @property
    def pairs_per_epoch(self) -> int:
        """Number of ordered pairs of different subjects."""
        return len(self._pairs)

    def __getitem__(
        self, step: int
    ) -> tuple[Int[np.ndarray, " batch"], Int[np.ndarray, " batch"]]:
        """Indices of the moving and of the fixed subjects of a step.

        Args:
            step: Any step from 0.

        Returns:
            Two integer arrays, `(batch,)`.

        Raises:
            IndexError: If `step` is negative.
        """
        if step < 0:
            raise IndexError(f"a step must not be negative, got {step}.")
        positions = step * self.batch_size + np.arange(self.batch_size)
        epochs, places = np.divmod(positions, self.pairs_per_epoch)
        orders = {
            epoch: np.random.default_rng((self.seed, epoch)).permutation(
                self.pairs_per_epoch
            )
            for epoch in set(epochs.tolist())
        }
        pairs = [orders[e][p] for e, p in zip(epochs.tolist(), places, strict=True)]
        moving, fixed = self._pairs[pairs].T.copy()
        return moving, fixed


def evaluation_pairs(
    num_subjects: int,
    num_pairs: int,
    seed: int = 0,
    *,
    moving: Sequence[int] | None = None,
    fixed: Sequence[int] | None = None,
) -> list[tuple[int, int]]:
    """Distinct ordered pairs for evaluation, spread evenly over the subjects.

    The subjects form a ring in random order; each is registered to its neighbour, then
    to the next but one, and so on. So the first `num_subjects` pairs use every subject
    once as moving and once as fixed.

    Args:
        num_subjects: Number of subjects, at least two.
        num_pairs: Largest number of pairs, at least one.
        seed: Seed of the order in the ring.
        moving: Indices of the subjects that may be moving; default: all.
        fixed: Indices of the subjects that may be fixed; default: all.

    Returns:
        `(moving, fixed)` indices.

    Raises:
        ValueError: If there are fewer than two subjects or less than one pair.

    Examples:
        >>> len(evaluation_pairs(5, 7)), len(evaluation_pairs(3, 100))
        (7, 6)
    """
    if num_subjects < 2 or num_pairs < 1:
        raise ValueError(
            f"at least two subjects and one pair are needed, got {num_subjects} and "
            f"{num_pairs}."
        )
    ring = np.random.default_rng(seed).permutation(num_subjects).tolist()
    pairs = [
        (ring[place], ring[(place + offset) % num_subjects])
        for offset in range(1, num_subjects)
        for place in range(num_subjects)
    ]
    allowed = [
        set(range(num_subjects) if side is None else side) for side in (moving, fixed)
    ]
    return [p for p in pairs if p[0] in allowed[0] and p[1] in allowed[1]][:num_pairs]
