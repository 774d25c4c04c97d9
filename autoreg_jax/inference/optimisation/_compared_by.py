"""What an optimisation compares two images by, and why."""

from typing import NamedTuple

from autoreg_jax.data import content_of, shared_contrast
from autoreg_jax.geometry import Volume
from autoreg_jax.losses import Objective, Similarity

__all__ = ["AUTO", "ComparedBy", "compared_by"]

AUTO = "auto"


class ComparedBy(NamedTuple):
    """The similarity of an optimisation.

    Attributes:
        similarity: Its name in `losses.SIMILARITIES`, or one of your own.
        reason: Why it is this one, a sentence.
    """

    similarity: str | Similarity
    reason: str

    @property
    def name(self) -> str:
        """Of the similarity; "own" for one of your own."""
        return self.similarity if isinstance(self.similarity, str) else "own"

    def summary(self) -> dict[str, str]:
        """For `summary.json`."""
        return {"compared_by": self.name, "compared_by_reason": self.reason}


def compared_by(
    asked: str | Similarity | None,
    of_model: str | None,
    fixed: Volume,
    moving: Volume,
) -> ComparedBy:
    """The similarity that was asked for, that of the model, or that of the contrasts.

    Args:
        asked: As `similarity` of `register`.
        of_model: The similarity of the model, if there is one.
        fixed: The fixed image.
        moving: The moving one.

    Returns:
        "ncc" for images of one contrast, "mind" for two, if the images decide.
    """
    if asked is not None and asked != AUTO:
        return ComparedBy(asked, "As asked for.")
    if asked is None and of_model is not None:
        return ComparedBy(of_model, "That of the model.")
    contrast = shared_contrast(content_of(fixed), content_of(moving))
    if contrast is None:
        usual = Objective.similarity
        return ComparedBy(usual, "Too few voxels show something to tell the contrasts.")
    found = (
        f"{100 * contrast.explained:.0f} % of the grey values of one image can be told "
        f"from those of the other, and a rising line explains "
        f"{max(0, 100 * contrast.straight):.0f} % of that: "
    )
    if contrast.is_one:
        return ComparedBy("ncc", f"{found}the images have one contrast.")
    return ComparedBy("mind", f"{found}the images differ in contrast.")
