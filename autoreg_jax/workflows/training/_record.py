"""What a record says of the steps of a training."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from autoreg_jax.losses import in_order
from autoreg_jax.workflows.divergence import check_finite, check_sane, sifted


def training_record(
    stage: str,
    infos: Sequence[Any],
    step: int,
    *,
    pairs: Callable[[int], str],
    rate: str,
    keep: str,
) -> dict[str, Any]:
    """The fields of a record after a step: means over the updates that were made.

    Args:
        stage: Its name.
        infos: Those of the steps since the last record, on the host.
        step: The last of them, from 1.
        pairs: Names the pairs of a step.
        rate: The learning rate, in words.
        keep: As `train.keep`.

    Returns:
        `loss` and `terms`, if an update was made, and `skipped`, if one was not.

    Raises:
        NonFiniteError: If a number is NaN or infinite, or if the training has diverged.
    """
    made, fields = sifted(infos, step, pairs)
    for place, info in made:
        values = {"loss": info.loss, **in_order(info.terms)}
        values["gradient_norm"] = info.gradient_norm
        about = f"{pairs(place)}; {rate}"
        check_finite(stage, place, bool(info.is_finite), values, about)
    if not made:
        return fields
    used = [info for _, info in made]
    mean = jax.tree.map(lambda *values: float(np.mean(values)), *used)
    check_sane(stage, step, mean.terms, keep=keep, about=rate)
    return fields | {"loss": mean.loss, "terms": in_order(mean.terms)}
