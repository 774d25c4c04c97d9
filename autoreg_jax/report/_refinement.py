"""What a search of the smoothness of the refinement has decided, in words."""

from collections.abc import Mapping
from typing import Any

from autoreg_jax.report._trials import JUDGES


def refinement_sentence(found: Mapping[str, Any] | None) -> str:
    """Start, found weight, gain with its interval, and the decision.

    Args:
        found: Content of refinement.json; None if there is none.

    Examples:
        >>> move = {"derivative": 0.0001, "error": 0.0002}
        >>> refinement_sentence({"moves": [move], "found": 1.0, "gain": None})[-54:]
        '+0.00010 ± 0.00020 (standard error), within its error.'
    """
    if found is None:
        return ""
    if found["found"] is None:
        return (
            "The smoothness of the refinement stays that of λ: too few validation "
            "pairs reached a minimum, where alone the judge has a derivative."
        )
    move, gain = found["moves"][0], found["gain"]
    slope = f"{move['derivative']:+.5f} ± {move['error']:.5f} (standard error)"
    if gain is None:
        return (
            "The smoothness of the refinement stays that of λ, where the derivative of "
            f"the judge by its logarithm is {slope}, within its error."
        )
    interval = f"{gain['mean']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})"
    judge = {"dice": "dice", "landmarks": "landmarks"}.get(found["judge"], "mind")
    kind = "other" if found["are_other_pairs"] else "the same"
    verdict = (
        "the whole interval is above zero, so it is used"
        if found["is_decided"]
        else "not decided: the interval contains zero, so the start stays"
    )
    before, after = found["folding_percent"]
    return (
        "Smoothness of the refinement: from that of λ, 1, the derivative of the judge "
        f"({slope}) led to {found['found']:.3g} times as much. Refined with it, "
        f"{found['pairs']} {kind} validation pairs gain {interval} in {JUDGES[judge]}, "
        f"with the 95 % interval over pairs; {verdict}. Folded voxels: {before:.3f} % "
        f"before, {after:.3f} % with it."
    )
