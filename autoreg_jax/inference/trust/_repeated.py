"""What other registrations of the same pair say about one."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
from jax import Array
from jaxtyping import Bool, Float

from autoreg_jax.geometry import Grid, Volume, resample
from autoreg_jax.inference.trust._agreement import SHOWN
from autoreg_jax.inference.trust._difference import Difference, apart, there_and_back
from autoreg_jax.inference.trust._usual import Usual, done

__all__ = ["Repeated", "Repetition", "repeat", "shown"]


@dataclass(frozen=True)
class Repeated:
    """How far other registrations of the same pair are from it.

    They are shown, and have no part in the value of `Trust`: whether they would
    improve it was not measured.

    Attributes:
        swapped: How far from where it was a voxel comes back to, if the images are
            registered once more with their roles swapped: by the network, or as the
            result was found if its uncertainty was asked for.
        network: Between the network and the refined result.
        flags: What of the network is far beyond its validation pairs, in words.
    """

    swapped: Difference | None = None
    network: Difference | None = None
    flags: tuple[str, ...] = ()

    def summary(self) -> dict[str, float]:
        """The numbers that there are, for JSON."""
        return {
            f"{kind}_difference_{name}": value
            for kind in ("swapped", "network")
            if (found := getattr(self, kind)) is not None
            for name, value in asdict(found).items()
        }


class Repetition(NamedTuple):
    """What `repeat` has found.

    Attributes:
        numbers: Over all voxels where the fixed image shows something.
        apart_mm: How far the registrations are apart at each voxel, mm; None if there
            is no other.
    """

    numbers: Repeated = Repeated()
    apart_mm: Float[np.ndarray, "*space"] | None = None

    def on(self, fixed: Volume, grid: Grid) -> Volume | None:
        """The distances as an image on the grid of the fixed one.

        Args:
            fixed: The fixed image.
            grid: Of the comparison.
        """
        if self.apart_mm is None:
            return None
        array = resample(Volume(self.apart_mm, grid.affine), fixed.grid)
        return Volume(array.astype(np.float32), fixed.affine, space=fixed.space)


def repeat(
    fields: Sequence[Array | None],
    spacing: tuple[float, ...],
    fixed: Float[np.ndarray, "*space"],
    inside: Float[np.ndarray, "*space"] | None = None,
    usual: Usual | None = None,
) -> Repetition:
    """Compare a registration with others of the same pair.

    Args:
        fields: The displacement, and that with the images swapped; the two of the
            network alone, which are the same ones if it was not refined. Each
            `(1, *space, d)`, voxels; None for those that there are not.
        spacing: Voxel size, mm.
        fixed: The fixed image, grey values from 0 to 1.
        inside: Weight of each voxel in the comparison, 0 to 1; default: all 1.
        usual: What the network did to validation pairs, if that is known.
    """
    shows = shown(fixed, inside)
    result, back, network, network_back = (
        None if field is None else np.asarray(field)[0] for field in fields
    )
    missed, by_refinement, flags = None, None, ()
    swapped = None
    if network is not None and network_back is not None:
        missed = there_and_back(network, network_back, spacing)
        swapped = Difference.of(missed, shows)
        if usual is not None:
            flags = tuple(usual.flags(done(network, missed, spacing, shows)))
        if result is not None and fields[0] is not fields[2]:
            by_refinement = Difference.of(apart(result, network, spacing), shows)
            missed = None
    if result is not None and back is not None and missed is None:
        missed = there_and_back(result, back, spacing)
        swapped = Difference.of(missed, shows)
    return Repetition(Repeated(swapped, by_refinement, flags), missed)


def shown(
    fixed: Float[np.ndarray, "*space"], inside: Float[np.ndarray, "*space"] | None
) -> Bool[np.ndarray, "*space"]:
    """Where an image in [0, 1] shows something; inside masks everything counts."""
    return fixed > SHOWN if inside is None else inside > 0.5
