"""Whether a pair is aligned before it is registered, and what follows from it."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from autoreg_jax.alignment._align import Alignment, align
from autoreg_jax.data import Volume


@dataclass(frozen=True, eq=False)
class Prealigned:
    """A decision on a pair.

    Attributes:
        placed: The moving image where the fixed one expects it.
        alignment: What was found; None if nothing was sought.
        is_used: Whether it placed the moving image.
        warnings: What a user should know, sentences.
    """

    placed: Volume
    alignment: Alignment | None = None
    is_used: bool = False
    warnings: tuple[str, ...] = ()

    def place(self, volume: Volume) -> Volume:
        """Another image in the world of the moving one, as that was placed."""
        if self.alignment is None or not self.is_used:
            return volume
        matrix = np.linalg.inv(self.alignment.matrix)
        return Volume(volume.array, matrix @ volume.affine, volume.path)

    def carry(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """World positions of the placed image as positions of the moving one, mm."""
        if self.alignment is None or not self.is_used:
            return points
        matrix = self.alignment.matrix
        return points @ matrix[:3, :3].T + matrix[:3, 3]


def prealign(
    fixed: Volume,
    moving: Volume,
    affine: Literal["auto", "rigid", "affine", "none"],
    masks: tuple[Volume | None, Volume | None] = (None, None),
) -> Prealigned:
    """Align a pair if it is asked for, or if the images say so.

    Args:
        fixed: The fixed image.
        moving: The moving image.
        affine: "auto" aligns affinely where that is measurably better and trusted.
        masks: Where fixed and moving image count.

    Returns:
        The decision. An alignment that was asked for is used even if it is doubted.
    """
    if affine == "none":
        return Prealigned(moving)
    kind = "rigid" if affine == "rigid" else "affine"
    found = align(fixed, moving, kind=kind, masks=masks)
    if affine == "auto" and not found.is_needed:
        return Prealigned(moving, found)
    if affine == "auto" and not found.is_trusted:
        doubt = (
            "the images may be misaligned, but the alignment that was found is not "
            f"trusted: {found.reason}; the positions in the headers were used."
        )
        return Prealigned(moving, found, warnings=(doubt,))
    warnings = ()
    if not found.is_trusted:
        warnings = (f"the {affine} alignment is not trusted: {found.reason}.",)
    aligned = Prealigned(moving, found, is_used=True, warnings=warnings)
    return replace(aligned, placed=aligned.place(moving))
