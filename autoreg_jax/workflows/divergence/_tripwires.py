"""Ends a stage whose numbers have become useless, in a sentence that says where."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autoreg_jax.errors import NonFiniteError
from autoreg_jax.programs import LARGEST, ROUGHEST

# Terms that compare images, at any resolution, below 0 or small where they agree.
_IMAGES = ("full", "half", "quarter", "eighth", "sixteenth")
# Records at the begin and at the end that are compared, of so many steps at least: a
# record of a search is one pair, and a few that are easy come in a row.
_COMPARED, _STEPS = 3, 20
# By which part of the worst record of the begin each at the end has to be worse. Fresh
# weights begin with images that are hardly moved; trained ones begin with registered
# images, and those of a stiffer loss may agree as little as if they were not.
_WORSE, _LEFT_OF_TRAINED = 0.5, 0.1


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
    if keep == "last" and terms.get("smooth", 0.0) > ROUGHEST:
        raise NonFiniteError(
            f"{_where(stage, step, about)}: the training has diverged (smoothness term "
            f"{terms['smooth']:.3g}, of a registration well below 1); lower "
            "train.learning_rate, or the learning rates of this stage, and start it "
            "again."
        )


def check_progress(
    stage: str,
    records: Sequence[Mapping[str, Any]],
    *,
    keep: str,
    is_fresh: bool = True,
    about: str = "",
) -> None:
    """Stop a stage whose images agree far less than they did when it began.

    So it is where displacements are longer than the images: smooth and finite, with
    nothing left to compare. The terms are not weighted, since λ may move.

    Args:
        stage: Its name.
        records: Those of the stage so far, each with its `step` and `terms`.
        keep: As `train.keep`: a training that keeps its best weights goes on.
        is_fresh: Whether it began with random weights. After others next to nothing
            may be left of the agreement.
        about: As for `check_finite`.

    Raises:
        NonFiniteError: If the last records, of 20 steps at least, are all that bad.
    """
    records = [record for record in records if "terms" in record]
    count = max(_COMPARED, sum(record["step"] <= _STEPS for record in records))
    if keep != "last" or len(records) < 2 * count:
        return
    ends = [*records[:count], *records[-count:]]
    values = [sum(r["terms"].get(name, 0.0) for name in _IMAGES) for r in ends]
    best, begin, now = min(values[:count]), max(values[:count]), min(values[count:])
    if best <= 0 <= begin:  # no part of nothing is more
        return
    limit = begin + _WORSE * abs(begin)
    if not is_fresh:
        share = _LEFT_OF_TRAINED if begin < 0 else 1 / _LEFT_OF_TRAINED
        limit = share * begin
    if now > limit:
        raise NonFiniteError(
            f"{_where(stage, records[-1]['step'], about)}: the training has diverged "
            f"(similarity terms {now:.3g}, at the beginning {begin:.3g}; lower is "
            "better); lower train.learning_rate, or the learning rates of this "
            "stage, and start it again."
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
        if largest > LARGEST[kind]:
            raise NonFiniteError(
                f"{_where(stage, step, about)}: the search has diverged ({kind} {name} "
                f"is {largest:.3g}, beyond {LARGEST[kind]:g}); lower the learning "
                "rates of this stage and start it again."
            )


def _where(stage: str, step: int, about: str) -> str:
    return f"stage {stage!r}, step {step}" + (f" ({about})" if about else "")
