"""Updates that were left out: which ones, why, and how many in a row."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from autoreg_jax.config import DivergenceConfig
from autoreg_jax.errors import NonFiniteError
from autoreg_jax.programs import ROUGHEST
from autoreg_jax.training import Guarded
from autoreg_jax.workflows.divergence._tripwires import check_progress


def sifted(
    infos: Sequence[Any], last: int, pairs: Callable[[int], str]
) -> tuple[list[tuple[int, Any]], dict[str, Any]]:
    """The infos of the updates that were made, and what a record says of the others.

    Args:
        infos: Of steps, in order, on the host.
        last: The step of the last one, from 1.
        pairs: Names the pairs of a step.

    Returns:
        Steps and infos, and the field `skipped`, if there are any.
    """
    made, skipped = [], []
    for step, info in enumerate(infos, start=last - len(infos) + 1):
        if not isinstance(info, Guarded):
            made.append((step, info))
        elif not info.is_skipped:
            made.append((step, info.info))
        else:
            what = {"step": step, "pairs": pairs(step), "why": _why(info)}
            skipped.append(what)
    return made, {"skipped": skipped} if skipped else {}


def _why(info: Guarded) -> str:
    """What was wrong, in words: JSON has no NaN."""
    inner = getattr(info.info, "inner", info.info)
    moved = getattr(info.info, "moved", None)
    numbers = inner._asdict() | dict(inner.terms) | (moved._asdict() if moved else {})
    for name, value in numbers.items():
        if not isinstance(value, Mapping) and not np.isfinite(value):
            return f"{name} of {float(value)}"
    if inner.terms.get("smooth", 0.0) > ROUGHEST:
        return f"smoothness term of {float(inner.terms['smooth']):.3g}"
    words = f"gradient of length {float(info.length):.3g}"
    if info.times > 1:
        words += f", {float(info.times):.3g} times the usual"
    return words


def check_skips(
    stage: str, records: Sequence[Mapping[str, Any]], most: int, about: str = ""
) -> None:
    """Stop a stage in which too many updates in a row were left out.

    Args:
        stage: Its name.
        records: Those of the stage so far.
        most: As many may be.
        about: The learning rates.

    Raises:
        NonFiniteError: If there were more.
    """
    if "skipped" not in records[-1]:
        return
    count, before = 0, None
    for one in (one for record in records for one in record.get("skipped", ())):
        count = count + 1 if one["step"] - 1 == before else 1
        before = one["step"]
        if count > most:
            raise NonFiniteError(
                f"stage {stage!r}, step {before} ({one['pairs']}; {about}): the "
                f"training has diverged ({count} updates in a row were left out, the "
                f"last one for a {one['why']}, and divergence.skips is {most}); lower "
                "the learning rates of this stage, or look at the images of these "
                "pairs, and start it again."
            )


def checks_of(
    stage: str, settings: DivergenceConfig, *, about: str, **progress: Any
) -> Callable[[Sequence[Mapping[str, Any]]], None]:
    """What looks at the records of a stage, after each of them.

    Args:
        stage: Its name.
        settings: The policy.
        about: The learning rates.
        **progress: `keep` and `is_fresh`, see `check_progress`.
    """

    def check(records: Sequence[Mapping[str, Any]]) -> None:
        check_skips(stage, records, settings.skips, about)
        check_progress(stage, records, about=about, **progress)

    return check
