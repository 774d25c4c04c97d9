"""One number for a registration, and in words what speaks against it."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from autoreg_jax.inference.trust._evidence import Evidence
from autoreg_jax.inference.trust._repeated import Repeated

__all__ = ["THRESHOLDS", "Trust"]

# What each measure stays below for pairs that belong together: the thresholds were set
# on one half of the pairs of tests/benchmarks/trust.py, brains and hippocampi, and
# those of `folding` and `turn` by hand.
THRESHOLDS = {
    "disagreement": 0.15,
    "distance": 0.6,
    "independence": 0.4,
    "uncovered": 0.1,
    "distortion": 0.12,
    "displacement": 0.3,
    "mirrored": 0.008,
    "folding": 0.0005,
    "turn": 60.0,
}
_WORDS = {
    "disagreement": "the images still disagree in {:.3g} % of what they show, where "
    "they are no more alike than unrelated places (usual: below {:g} %)",
    "distance": "the images are {:.3g} % as far from equal as unrelated places are "
    "(usual: below {:g} %)",
    "independence": "the grey values of one image say little about those of the "
    "other: {:.3g} % is left open (usual: below {:g} %)",
    "uncovered": "on {:.3g} % of what the fixed image shows lies nothing of the moving "
    "one (usual: below {:g} %)",
    "distortion": "volumes change more than threefold in {:.3g} % of what the images "
    "show (usual: below {:g} %)",
    "displacement": "displacements reach {:.3g} % of the size of what the fixed image "
    "shows (usual: below {:g} %)",
    "mirrored": "the images would agree better if the moving one were mirrored {axis} "
    "(by {:.2g} %; usual: below {:g} %); is its header right?",
    "folding": "the map folds in {:.2g} % of the voxels (usual: below {:g} %)",
    "turn": "the alignment turns the moving image by {:.0f}° (usual: below {:g}°); a "
    "wrong header makes it do so, and so does a mirrored image, which no turn brings "
    "back",
}


@dataclass(frozen=True)
class Trust:
    """Whether a registration looks like one that succeeded.

    It is a screening by the images alone: a high number says that no measure is
    unusual, and not that the map is right. One structure that is wrong is not seen, nor
    is every mirror image of what is nearly symmetric, as a brain.

    Attributes:
        evidence: The measures of the pair.
        turn: Angle of the rotation in the alignment that was used, degrees, 0 to 180.
        directions: Where the axes of the grid point in the patient.
        repeated: What other registrations of the pair say; it is shown, and has no part
            in `value`.

    Examples:
        >>> trust = Trust(Evidence(0, 0.1, 0.1, 0.0, 0.02, 0.1, 0.0, 0.001), turn=4.0)
        >>> round(trust.value, 2), trust.flags
        (0.2, ('the map folds in 0.1 % of the voxels (usual: below 0.05 %)',))
    """

    evidence: Evidence
    turn: float = 0.0
    directions: tuple[str, ...] = ("left-right", "front-back", "up-down")
    repeated: Repeated = field(default_factory=Repeated)

    @property
    def measures(self) -> dict[str, float]:
        """All measures by name; each is 0 at best."""
        found = asdict(self.evidence)
        del found["axis"]
        return {**found, "turn": self.turn}

    @property
    def value(self) -> float:
        """From 1, nothing is unusual, to 0: the worst measure decides.

        min 1 / (1 + (measure / threshold)²), so that 0.5 is where the first measure
        reaches its threshold; 0 if one is not a number.
        """
        return min(map(_value, self._ratios.values()))

    @property
    def flags(self) -> tuple[str, ...]:
        """What is unusual, each with what was measured and what is usual, worst first.

        They are there exactly if `value` is at most 0.5; those of `repeated` follow
        whatever it is.
        """
        unusual = {k: r for k, r in self._ratios.items() if _value(r) <= 0.5}
        names = sorted(unusual, key=lambda name: _value(unusual[name]))
        measured = tuple(
            _WORDS[name].format(
                *(
                    x if name == "turn" else 100 * x
                    for x in (self.measures[name], THRESHOLDS[name])
                ),
                axis=self.directions[self.evidence.axis],
            )
            for name in names
        )
        return (*measured, *self.repeated.flags)

    @property
    def _ratios(self) -> dict[str, float]:
        return {name: x / THRESHOLDS[name] for name, x in self.measures.items()}

    def summary(self) -> dict[str, Any]:
        """Number, flags and measures as values for JSON."""
        return {
            "trust": self.value,
            "trust_flags": self.flags,
            "trust_measures": self.measures,
            **self.repeated.summary(),
        }


def _value(ratio: float) -> float:
    return 0.0 if math.isnan(ratio) else 1 / (1 + ratio**2)
