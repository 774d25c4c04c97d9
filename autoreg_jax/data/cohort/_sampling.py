"""Pairs of subjects for the training steps and for evaluation."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

__all__ = ["PairSampler", "evaluation_pairs"]


# Ordered pairs of 2,048 subjects. The permutation of an epoch of more takes too much
# time and memory, so that it is computed place by place.
_MOST_PERMUTED = 2048 * 2047


class PairSampler:
    """The pairs of every training step, a pure function of the seed and the step.

    An epoch contains each ordered pair (moving, fixed) of different subjects exactly
    once, in random order. Epochs follow one another without a gap, so a batch may
    contain the last pairs of one and the first of the next. Any step can be drawn at
    any time, and a resumed run sees the same pairs. Time and memory are bounded
    whatever the number of subjects.

    Args:
        num_subjects: Number of subjects, at least two.
        batch_size: Pairs in a step, at least one.
        seed: Seed of the order, not negative.
        moving: Indices of the subjects that may be moving; default: all.
        fixed: Indices of the subjects that may be fixed; default: all.
        groups: A number for each subject; both of a pair have the same one. Default:
            any two subjects form a pair.
        pairs: `(moving, fixed)` indices of the only pairs there are, each once, in
            place of `moving`, `fixed` and `groups`.

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
        groups: Sequence[int] | None = None,
        pairs: Sequence[tuple[int, int]] | None = None,
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
        self._listed = None if pairs is None else np.reshape(pairs, (-1, 2)).astype(int)
        everyone = range(num_subjects)
        self._moving = np.asarray(everyone if moving is None else moving, int)
        self._fixed = np.asarray(everyone if fixed is None else fixed, int)
        # The fixed subjects of a group follow one another. A moving subject has a row
        # of pairs, with a column for each of them but itself.
        of = np.zeros(num_subjects, int) if groups is None else np.asarray(groups)
        self._fixed = self._fixed[np.argsort(of[self._fixed], kind="stable")]
        self._first = np.searchsorted(of[self._fixed], of[self._moving])
        count = np.searchsorted(of[self._fixed], of[self._moving], "right")
        count -= self._first
        columns = {subject: place for place, subject in enumerate(self._fixed.tolist())}
        own = [columns.get(one, num_subjects) for one in self._moving.tolist()]
        self._own = np.asarray(own, int) - self._first
        self._ends = np.cumsum(count - (self._own < count))
        if not self.pairs_per_epoch:
            raise ValueError("no two subjects form a pair of moving and fixed.")
        self._order: tuple[int, np.ndarray] | None = None

    @property
    def pairs_per_epoch(self) -> int:
        """Number of ordered pairs of different subjects."""
        if self._listed is not None:
            return len(self._listed)
        return int(self._ends[-1]) if len(self._ends) else 0

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
        pairs = np.empty_like(places)
        for epoch in np.unique(epochs).tolist():
            is_in = epochs == epoch
            pairs[is_in] = self._shuffled(epoch, places[is_in])
        if self._listed is not None:
            return self._listed[pairs, 0], self._listed[pairs, 1]
        rows = np.searchsorted(self._ends, pairs, side="right")
        columns = pairs - np.append(0, self._ends)[rows]
        columns += columns >= self._own[rows]
        return self._moving[rows], self._fixed[self._first[rows] + columns]

    def _shuffled(
        self, epoch: int, places: Int[np.ndarray, " n"]
    ) -> Int[np.ndarray, " n"]:
        """Numbers of the pairs at these places of an epoch."""
        if self.pairs_per_epoch > _MOST_PERMUTED:
            return _permuted(places, self.pairs_per_epoch, (self.seed, epoch))
        if self._order is None or self._order[0] != epoch:
            rng = np.random.default_rng((self.seed, epoch))
            self._order = epoch, rng.permutation(self.pairs_per_epoch)
        return self._order[1][places]


def _permuted(
    places: Int[np.ndarray, " n"], count: int, seed: tuple[int, int]
) -> Int[np.ndarray, " n"]:
    """Random permutation of `range(count)` at some places, without a table.

    A Feistel network of four rounds permutes the numbers below a power of four, of
    which `count` is a quarter at least; those that come out too large go through it
    again (Black and Rogaway, CT-RSA 2002).
    """
    half = ((count - 1).bit_length() + 1) // 2
    mask = np.uint64(2**half - 1)
    keys = np.random.default_rng(seed).integers(2**63, size=4, dtype=np.uint64)
    found = places.astype(np.uint64)
    is_left = np.ones(len(found), bool)
    while is_left.any():
        high, low = found[is_left] >> np.uint64(half), found[is_left] & mask
        for key in keys:
            high, low = low, high ^ (_mixed(low ^ key) & mask)
        found[is_left] = (high << np.uint64(half)) | low
        is_left &= found >= count
    return found.astype(np.int64)


def _mixed(x: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64, a hash of 64-bit numbers (Steele et al., 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def evaluation_pairs(
    num_subjects: int,
    num_pairs: int,
    seed: int = 0,
    *,
    moving: Sequence[int] | None = None,
    fixed: Sequence[int] | None = None,
    groups: Sequence[int] | None = None,
    pairs: Sequence[tuple[int, int]] | None = None,
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
        groups: As for `PairSampler`.
        pairs: As for `PairSampler`.

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
    if pairs is not None:
        place = {subject: number for number, subject in enumerate(ring)}

        def turn(pair: tuple[int, int]) -> tuple[int, int]:
            begin, end = place[pair[0]], place[pair[1]]
            return (end - begin) % num_subjects, begin

        return sorted(pairs, key=turn)[:num_pairs]
    everyone = [
        (ring[place], ring[(place + offset) % num_subjects])
        for offset in range(1, num_subjects)
        for place in range(num_subjects)
    ]
    allowed = [
        set(range(num_subjects) if side is None else side) for side in (moving, fixed)
    ]
    of = [0] * num_subjects if groups is None else list(groups)
    return [
        (one, other)
        for one, other in everyone
        if one in allowed[0] and other in allowed[1] and of[one] == of[other]
    ][:num_pairs]
