"""What judges λ in a run: what the configuration asks for and the subjects have."""

from dataclasses import replace

from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort
from autoreg_jax.errors import DataError
from autoreg_jax.search import Judge, agreement_judge, landmark_judge, overlap_judge


def with_judge(config: RunConfig, validation: Cohort | None) -> RunConfig:
    """The configuration in which "auto" is the judge that these subjects allow."""
    if config.search.judge != "auto":
        return config
    has_labels = validation is not None and validation.labels is not None
    judge = "dice" if has_labels else "mind"
    return replace(config, search=replace(config.search, judge=judge))


def check_judge(config: RunConfig, validation: Cohort) -> None:
    """See that what is to judge λ is there.

    Raises:
        DataError: If labels or landmarks are asked for and the subjects have none.
    """
    judge = config.search.judge
    needed = {"dice": "labels", "landmarks": "landmarks"}.get(judge)
    if needed and getattr(validation, needed) is None:
        raise DataError(
            f"search.judge is {judge}, and the validation subjects have no {needed}; "
            f"name the files in the column {needed!r}, or set search.judge=mind."
        )


def make_judge(config: RunConfig) -> Judge:
    """What judges λ; where nobody does, the outer loss is never asked for."""
    if config.search.judge in ("auto", "dice"):
        quirks = config.quirks
        return overlap_judge(quirks.smoothness_weight, quirks.smoothness_target)
    if config.search.judge == "landmarks":
        return landmark_judge()
    return agreement_judge(config.search.folding_budget)
