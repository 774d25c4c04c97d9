"""A registration in numbers."""

from typing import TYPE_CHECKING, Any

from autoreg_jax.inference._quality import lengths

if TYPE_CHECKING:
    from autoreg_jax.inference._registered import Registered

__all__ = ["summary_of"]


def summary_of(found: "Registered") -> dict[str, Any]:
    """What `summary.json` holds of a registration.

    Args:
        found: The registration.
    """
    length, by = lengths(found.displacement_mm), found.compared_by
    more = [channel._asdict() for channel in found.more_channels]
    paths = [{side: image.path for side, image in one.items()} for one in more]
    return {
        "fixed": found.fixed.path,
        "moving": found.moving.path,
        **({"more_channels": paths} if paths else {}),
        "model": found.model,
        "refined_steps": found.refined_steps,
        "coarsening": found.coarsening,
        "smoothness": found.smoothness,
        **(by.summary() if by else {}),
        "similarity_before": found.similarity_before,
        "similarity": found.similarity,
        "displacement_mean_mm": float(length.mean()),
        "displacement_max_mm": float(length.max()),
        "folding_fraction": found.folding_fraction,
        "seconds": found.seconds,
        "alignment": found.alignment and found.alignment.summary(),
        "is_aligned": found.is_aligned,
        "warnings": found.warnings,
        **(found.trust.summary() if found.trust else {}),
    }
