"""Which subjects are registered to which: for a training step and for evaluation."""

from functools import lru_cache

import numpy as np
from jaxtyping import Int

__all__ = ["PairSampler", "evaluation_pairs"]


class PairSampler:
    """The pairs of every training step, a pure function of the seed and the step.

    An epoch holds each ordered pair (moving, fixed) of different subjects exactly once,
    in an order of its own. Epochs follow one another without a gap, so a batch may hold
    the last pairs of one and the first of the next. There is no state: any step can be
    asked for at any time, in any order, and a resumed run sees what the first one saw.

    Args:
        num_subjects: At least two.
        batch_size: Pairs in a step, at least one.
        seed: Not negative.

    Raises:
        ValueError: If one of them is too small.

    Examples:
        >>> sampler = PairSampler(3, batch_size=6, seed=0)
        >>> moving, fixed = sampler[0]
        >>> sorted(zip(moving.tolist(), fixed.tolist(), strict=True))
        [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    """

    def __init__(self, num_subjects: int, *, batch_size: int = 1, seed: int = 0):
        if num_subjects < 2:
            raise ValueError(f"a pair needs two subjects, got {num_subjects}.")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
        if seed < 0:
            raise ValueError(f"seed must not be negative, got {seed}.")
        self.num_subjects = num_subjects
        self.batch_size = batch_size
        self.seed = seed

    @property
    def pairs_per_epoch(self) -> int:
        """Number of ordered pairs of different subjects."""
        return self.num_subjects * (self.num_subjects - 1)

    def __getitem__(
        self, step: int
    ) -> tuple[Int[np.ndarray, " batch"], Int[np.ndarray, " batch"]]:
        """Indices of the moving and of the fixed subjects of a step.

        Args:
            step: From 0, without end.

        Returns:
            Two integer arrays of the length of a batch.

        Raises:
            IndexError: If `step` is negative.
        """
        if step < 0:
            raise IndexError(f"a step is not negative, got {step}.")
        positions = step * self.batch_size + np.arange(self.batch_size)
        epochs, places = np.divmod(positions, self.pairs_per_epoch)
        pairs = np.array(
            [
                _shuffled(self.pairs_per_epoch, self.seed, int(epoch))[place]
                for epoch, place in zip(epochs, places, strict=True)
            ]
        )
        moving, other = np.divmod(pairs, self.num_subjects - 1)
        return moving, other + (other >= moving)


def evaluation_pairs(
    num_subjects: int, num_pairs: int, seed: int = 0
) -> list[tuple[int, int]]:
    """Distinct ordered pairs for evaluation, spread evenly over the subjects.

    The subjects stand in a ring in random order; each is registered to its neighbour,
    then to the next but one, and so on. The first `num_subjects` pairs therefore use
    every subject once as moving and once as fixed.

    Args:
        num_subjects: At least two.
        num_pairs: How many, at least one; no more than there are ordered pairs are
            returned.
        seed: Decides the order in the ring.

    Returns:
        `(moving, fixed)` indices.

    Raises:
        ValueError: If there are fewer than two subjects or no pair is asked for.

    Examples:
        >>> len(evaluation_pairs(5, 7)), len(evaluation_pairs(3, 100))
        (7, 6)
    """
    if num_subjects < 2 or num_pairs < 1:
        raise ValueError(
            f"needs two subjects and one pair at least, got {num_subjects} and "
            f"{num_pairs}."
        )
    ring = np.random.default_rng(seed).permutation(num_subjects).tolist()
    pairs = [
        (ring[place], ring[(place + offset) % num_subjects])
        for offset in range(1, num_subjects)
        for place in range(num_subjects)
    ]
    return pairs[:num_pairs]


@lru_cache(maxsize=4)
def _shuffled(num_pairs: int, seed: int, epoch: int) -> Int[np.ndarray, " pairs"]:
    """Order of the pairs in an epoch; remembered, since every step of it needs it."""
    return np.random.default_rng((seed, epoch)).permutation(num_pairs)
