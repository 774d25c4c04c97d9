"""From a configuration to the objective, its weights λ, and what λ is chosen by."""

import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from autoreg_jax.bilevel import Judge, agreement_judge, landmark_judge, overlap_judge
from autoreg_jax.config import (
    AugmentConfig,
    DivergenceConfig,
    ObjectiveConfig,
    RunConfig,
    SearchConfig,
    TrainConfig,
)
from autoreg_jax.data import Cohort
from autoreg_jax.errors import ConfigError, DataError
from autoreg_jax.losses import (
    PAPER_WEIGHTS,
    SIMILARITIES,
    Objective,
    image_terms,
    in_order,
)

logger = logging.getLogger(__name__)


def make_objective(config: RunConfig) -> Objective:
    """L_reg of the configuration.

    Raises:
        ConfigError: If the similarity is unknown.
    """
    settings = config.objective
    if settings.similarity not in SIMILARITIES:
        raise ConfigError(
            f"objective.similarity: must be one of {', '.join(SIMILARITIES)}, got "
            f"{settings.similarity!r}."
        )
    return Objective(
        settings.similarity,
        settings.windows,
        settings.interpolation,
        config.quirks.half_intensity_pyramid,
    )


def on_smaller_images(objective: Objective, shrink: int) -> Objective:
    """The objective whose windows cover the same anatomy with fewer voxels."""
    windows = (max(3, 2 * (size // (2 * shrink)) + 1) for size in objective.windows)
    return replace(objective, windows=tuple(windows))


def weights_of(settings: ObjectiveConfig) -> dict[str, float]:
    """The weights of the loss by name; terms without a weight are left out."""
    weights = {name: getattr(settings, name) for name in PAPER_WEIGHTS}
    weights |= vars(settings.extra)
    return {name: weights[name] for name in weights if weights[name] is not None}


def initial_lambda(config: RunConfig) -> dict[str, Any]:
    """λ before its search, device scalars; terms without a weight are left out."""
    return make_lambda(weights_of(config.objective))


def training_lambda(
    config: RunConfig,
    searched: Mapping[str, float],
    start: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """λ of a training after a search: what was searched, or is configured since.

    Args:
        config: The settings of the training. They may add terms beyond the images, or
            leave them out; a weight that was searched stays.
        searched: λ of the search.
        start: λ before it: a weight of the settings that differs from this one was set
            since, and is used. None: no weight was.
    """
    own, lam = weights_of(config.objective), dict(searched)
    known = (*PAPER_WEIGHTS, *vars(config.objective.extra))
    for name in known:
        is_of_images = bool(image_terms({name: 0.0}))
        is_set = start is not None and not _is_same(own.get(name), start.get(name))
        if is_set or (not is_of_images and (name in own) != (name in lam)):
            lam.pop(name, None)
            lam |= {key: float(own[key]) for key in (name,) if key in own}
        if is_set:
            weight = "left out" if name not in own else f"{own[name]:g}, as set"
            before = searched.get(name)
            before = "not there" if before is None else f"{before:.4g}"
            logger.info("λ %s is %s; it was %s.", name, weight, before)
    return in_order(lam)


def _is_same(one: float | None, other: float | None) -> bool:
    """Whether two weights are equal but for rounding, or both missing."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-5)


def check_guidance(cohort: Cohort, lam: Mapping[str, Any]) -> None:
    """Refuse the terms `dice` and `landmarks` for subjects that lack what they need.

    Raises:
        ConfigError: If λ has such a term and the subjects have no labels or landmarks.
    """
    if "landmarks" in lam and cohort.landmarks is None:
        raise ConfigError(
            "objective.extra.landmarks: the training subjects have no landmarks; name "
            "the files in the column 'landmarks' of the dataset, or set the term to "
            "null."
        )
    if "dice" in lam and cohort.labels is None:
        raise ConfigError(
            "objective.extra.dice: the training subjects have no label maps; name the "
            "files in the column 'labels' of the dataset, or set the term to null."
        )


def learns_from_labels(
    cohort: Cohort, lam: Mapping[str, Any], augment: AugmentConfig
) -> bool:
    """Whether a training reads label maps: in its loss, or to make images from them.

    Raises:
        ConfigError: If it does and the subjects have none.
    """
    check_guidance(cohort, lam)
    if augment.needs_labels and cohort.labels is None:
        raise ConfigError(
            "train.augment: paint and shapes make images from label maps, and the "
            "training subjects have none; name the files in the column 'labels' of the "
            "dataset, or set both to 0."
        )
    return augment.needs_labels or "dice" in lam


def make_lambda(weights: Mapping[str, float]) -> dict[str, Any]:
    """λ as float32 device scalars."""
    return {name: jnp.float32(weight) for name, weight in weights.items()}


def with_judge(config: RunConfig, validation: Cohort) -> RunConfig:
    """Replace the judge "auto" by the best one that the subjects allow.

    Raises:
        DataError: If the judge needs labels or landmarks that the subjects lack.
    """
    judge = config.search.judge
    if judge == "auto":
        judge = "mind" if validation.labels is None else "dice"
    needed = {"dice": "labels", "landmarks": "landmarks"}.get(judge)
    if needed and getattr(validation, needed) is None:
        raise DataError(
            f"search.judge is {judge}, but the validation subjects have no {needed}; "
            f"name the files in the column {needed!r}, or set search.judge=mind."
        )
    return replace(config, search=replace(config.search, judge=judge))


def make_judge(config: RunConfig, search: SearchConfig) -> Judge:
    """The outer loss of the search of λ, after `with_judge`."""
    if search.judge in ("auto", "dice"):
        quirks = config.quirks
        return overlap_judge(quirks.smoothness_weight, quirks.smoothness_target)
    if search.judge == "landmarks":
        return landmark_judge()
    return agreement_judge(search.folding_budget)


def programs_part(config: RunConfig) -> RunConfig:
    """The part of a configuration on which the compiled programs depend.

    Weights of the loss are arguments of the programs; which terms there are matters.
    """
    extra = config.objective.extra
    terms = {name: 1.0 for name, value in vars(extra).items() if value is not None}
    weights = {name: float(value) for name, value in PAPER_WEIGHTS.items()}
    objective = replace(config.objective, **weights, extra=replace(extra, **terms))
    diverged = config.divergence
    diverged = DivergenceConfig(policy=diverged.policy, gradient=diverged.gradient)
    return replace(
        RunConfig(),
        divergence=diverged,
        network=config.network,
        objective=objective,
        quirks=config.quirks,
        search=replace(SearchConfig(), shrink=config.search.shrink),
        train=TrainConfig(directions="both"),  # for any objective
    )
