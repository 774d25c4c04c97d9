"""What a network did to validation pairs, to notice a pair to which it does more."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
from jaxtyping import Bool, Float

from autoreg_jax.inference._quality import lengths
from autoreg_jax.inference.trust._agreement import coarse, steps_for
from autoreg_jax.inference.trust._difference import Difference
from autoreg_jax.inference.trust._evidence import LONGEST, determinant

__all__ = ["Done", "Usual", "done"]

# A pair may have so many times what validation pairs had at most.
_MARGIN = 1.5
# Percentiles of the logarithm of the Jacobian, and the least Jacobian that has one.
_SMALL, _LARGE, _LEAST = 0.01, 0.99, 1e-3
_WORDS = {
    "displacement": "displacements of the network reach {:.3g} mm",
    "compression": "the network makes volumes up to {:.3g} times as small",
    "expansion": "the network makes volumes up to {:.3g} times as large",
    "swapped": "with the images swapped, places return {:.3g} mm from where they were",
}
_LOGARITHMS = ("compression", "expansion")


@dataclass(frozen=True)
class Done:
    """What a network did to a pair, where the fixed image shows something.

    Attributes:
        displacement: 95th percentile of the length of the displacement, mm.
        compression: Minus the 1st percentile of the logarithm of the Jacobian, ≥ 0.
        expansion: The 99th percentile of it, ≥ 0.
        swapped: 95th percentile of the distance from where a voxel came, once the
            images are registered with each other's roles, mm.
    """

    displacement: float
    compression: float
    expansion: float
    swapped: float


@dataclass(frozen=True)
class Usual:
    """The least and the greatest of each of `Done` over validation pairs.

    Attributes:
        displacement: mm.
        compression: Logarithms.
        expansion: Logarithms.
        swapped: mm.

    Examples:
        >>> usual = Usual.of([Done(4.0, 0.3, 0.2, 0.5), Done(6.0, 0.4, 0.2, 0.6)])
        >>> usual.displacement
        (4.0, 6.0)
        >>> list(usual.flags(Done(20.0, 0.3, 0.2, 0.5)))
        ['displacements of the network reach 20 mm (validation pairs: 4 to 6)']
    """

    displacement: tuple[float, float]
    compression: tuple[float, float]
    expansion: tuple[float, float]
    swapped: tuple[float, float]

    @classmethod
    def of(cls, pairs: Sequence[Done]) -> "Usual":
        """The range over one pair or more."""
        each = {f.name: [getattr(pair, f.name) for pair in pairs] for f in fields(Done)}
        return cls(**{k: (round(min(v), 4), round(max(v), 4)) for k, v in each.items()})

    def flags(self, pair: Done) -> Iterator[str]:
        """What is far beyond the validation pairs, in words."""
        for name, value in asdict(pair).items():
            ends = getattr(self, name)
            if value <= _MARGIN * ends[1]:
                continue
            numbers = np.array([value, *ends])
            if name in _LOGARITHMS:
                numbers = np.exp(numbers)
            words = _WORDS[name].format(numbers[0])
            yield f"{words} (validation pairs: {numbers[1]:.3g} to {numbers[2]:.3g})"


def done(
    displacement: Float[np.ndarray, "*space d"],
    missed: Float[np.ndarray, "*space"],
    spacing: tuple[float, ...],
    shows: Bool[np.ndarray, "*space"],
) -> Done:
    """Measure what a network did to a pair.

    Args:
        displacement: Its displacement, voxels.
        missed: How far each voxel comes back from where it was, see `there_and_back`.
        spacing: Voxel size, mm.
        shows: Where the fixed image shows something; all of it if that is nowhere.
    """
    if not shows.any():
        shows = np.ones_like(shows)
    steps = steps_for(shows.shape, LONGEST)
    inside = coarse(shows, steps) > 0.5
    change = determinant(coarse(displacement, steps), steps)
    logarithm = np.log(np.maximum(change[inside] if inside.any() else change, _LEAST))
    length = lengths(displacement * np.asarray(spacing, np.float32))
    return Done(
        displacement=float(np.quantile(length[shows], 0.95)),
        compression=max(0.0, -float(np.quantile(logarithm, _SMALL))),
        expansion=max(0.0, float(np.quantile(logarithm, _LARGE))),
        swapped=Difference.of(missed, shows).p95_mm,
    )
