"""Ends a stage whose numbers have become useless, in a sentence that says where."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from autoreg_jax.errors import NonFiniteError

# Mean squared difference of neighbouring displacements, voxels²: ten voxels a voxel.
_ABSURD = 100.0
# A logit of 50 is a certain choice; weights of the loss are ratios around 1.
_MOST = {"alpha": 1e3, "lam": 1e6}


def check_finite(
    stage: str, step: int, is_finite: bool, values: Mapping[str, Any], about: str = ""
) -> None:
    """Stop a stage with numbers that are NaN or infinite.

    Args:
        stage: Its name.
        step: Steps done.
        is_finite: Whether all numbers are finite.
        values: Some of them by name; the error names the first bad one, or the weights.
        about: What was computed: the pairs, the learning rates.

    Raises:
        NonFiniteError: If they are not.
    """
    if is_finite:
        return
    bad = (name for name, value in values.items() if not math.isfinite(value))
    raise NonFiniteError(
        f"{_where(stage, step, about)}: {next(bad, 'the network weights')} became NaN "
        "or infinite; lower the learning rates of this stage and start it again."
    )


def check_sane(
    stage: str, step: int, terms: Mapping[str, float], *, keep: str, about: str = ""
) -> None:
    """Stop a stage that has diverged, which often has finite losses.

    A training that keeps its best weights goes on: they may be of an earlier step.

    Raises:
        NonFiniteError: If displacements jump by ten voxels from voxel to voxel.
    """
    if keep == "last" and terms.get("smooth", 0.0) > _ABSURD:
        raise NonFiniteError(
            f"{_where(stage, step, about)}: the training has diverged (smoothness term "
            f"{terms['smooth']:.3g}, of a registration well below 1); lower "
            "train.learning_rate, or the learning rates of this stage, and start it "
            "again."
        )


def check_outer(
    stage: str, step: int, kind: str, outer: Mapping[str, Any], about: str = ""
) -> None:
    """Stop a search whose α or λ has left the range in which it means something.

    Args:
        stage: Its name.
        step: Steps done.
        kind: "alpha" or "lam".
        outer: Its parts by name.
        about: As for `check_finite`.

    Raises:
        NonFiniteError: If a logit is beyond 1e3, or a weight of the loss beyond 1e6.
    """
    for name, value in outer.items():
        largest = float(np.max(np.abs(np.asarray(value))))
        if largest > _MOST[kind]:
            raise NonFiniteError(
                f"{_where(stage, step, about)}: the search has diverged ({kind} {name} "
                f"is {largest:.3g}, beyond {_MOST[kind]:g}); lower the learning rates "
                "of this stage and start it again."
            )


def _where(stage: str, step: int, about: str) -> str:
    return f"stage {stage!r}, step {step}" + (f" ({about})" if about else "")
