"""From a configuration to the objects that it names: the only place that knows both."""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from autoreg_jax.baselines import make_baseline
from autoreg_jax.config import (
    HypergradientConfig,
    RunConfig,
    SearchConfig,
    StageConfig,
    StopConfig,
)
from autoreg_jax.data import Cohort
from autoreg_jax.losses import Objective, one_hot
from autoreg_jax.networks import RegistrationNetwork, Wiring
from autoreg_jax.search import (
    PairBatch,
    SearchProblem,
    Stage,
    architecture_problem,
    objective_problem,
)
from autoreg_jax.search_space import (
    PUBLISHED_GENOTYPES,
    ArchitectureLogits,
    Cells,
    Genotype,
    decode,
)
from autoreg_jax.spatial import resize_image
from autoreg_jax.workflows._judge import make_judge
from autoreg_jax.workflows._lambda import start_of_lambda
from autoreg_jax.workflows._positive import reparametrised


class DeviceCohort(NamedTuple):
    """Images and labels of one split as device arrays.

    Attributes:
        images: `(n, *space, 1)`.
        labels: `(n, *space)` class indices, or None.
        landmarks: `(n, k, d)`, voxels, or None.
    """

    images: Any
    labels: Any
    landmarks: Any = None


def on_device(
    cohort: Cohort, *, with_labels: bool, with_landmarks: bool = False
) -> DeviceCohort:
    """Put a split on the device, labels and landmarks only where they may be used."""
    labels = jnp.asarray(cohort.labels) if with_labels else None
    landmarks = jnp.asarray(cohort.landmarks) if with_landmarks else None
    return DeviceCohort(jnp.asarray(cohort.images), labels, landmarks)


def shrunk(cohort: DeviceCohort, factor: int) -> DeviceCohort:
    """The images alone, on a grid coarser by a factor."""
    if factor == 1:
        return DeviceCohort(cohort.images, None)
    shape = tuple(-(-size // factor) for size in cohort.images.shape[1:-1])
    return DeviceCohort(
        jax.jit(resize_image, static_argnums=1)(cohort.images, shape), None
    )


def gather(
    cohort: DeviceCohort,
    pair: Any,
    num_structures: int = 0,
    *,
    has_background: bool = False,
) -> PairBatch:
    """The batch of moving and fixed indices, labels one-hot."""
    moving, fixed = pair
    batch = PairBatch(cohort.images[moving], cohort.images[fixed])
    if cohort.landmarks is not None:
        batch = batch._replace(
            moving_landmarks=cohort.landmarks[moving],
            fixed_landmarks=cohort.landmarks[fixed],
        )
    first = 0 if has_background else 1
    if cohort.labels is None:
        return batch
    classes = [
        one_hot(cohort.labels[index], num_structures + 1)[..., first:]
        for index in (moving, fixed)
    ]
    return batch._replace(moving_labels=classes[0], fixed_labels=classes[1])


def make_network(config: RunConfig, genotype: Genotype | str | None) -> Any:
    """The mixed network without a genotype, the discrete one with it, or a rival."""
    size = config.network
    if isinstance(genotype, str):
        return make_baseline(genotype, size.num_steps)
    return RegistrationNetwork(
        genotype,
        size.width,
        size.num_steps,
        size.matching,
        size.precision,
        size.rematerialise,
        size.normalise,
        wiring=make_wiring(config),
        extractor=None if genotype is not None else fixed_features(config),
    )


def make_wiring(config: RunConfig) -> Wiring:
    """What happens between the cells of the network."""
    size, quirks = config.network, config.quirks
    return Wiring(
        is_standardised=size.standardise,
        has_separate_features=size.feature_weights == "separate",
        has_summed_velocities=size.velocities == "summed",
        has_shared_head=quirks.shared_head,
        has_doubled_features=quirks.doubled_features,
        is_integrated_twice=quirks.second_integration,
        is_nominal=quirks.nominal_scale,
        is_zero_outside=quirks.zero_boundary,
    )


def fixed_features(config: RunConfig) -> Cells | None:
    """Operations of the feature cells where they are not searched."""
    if not config.quirks.deformation_only:
        return None
    cells = PUBLISHED_GENOTYPES["ppmi"].feature
    if config.quirks.dilation_8:
        return cells
    return tuple(tuple(name.removesuffix("_8") for name in cell) for cell in cells)


def chosen_genotype(config: RunConfig, alpha: ArchitectureLogits) -> Genotype:
    """The best operations, and the fixed ones where there are such."""
    genotype, features = decode(alpha), fixed_features(config)
    return genotype if features is None else replace(genotype, feature=features)


def stage_hypergradient(search: SearchConfig, name: str) -> HypergradientConfig:
    """The estimator's settings of one stage: its own, or those of the search."""
    return stage_config(search, name).hypergradient or search.hypergradient


def stage_stop(search: SearchConfig, name: str) -> StopConfig:
    """When one stage ends early: its own rules, or those of the search."""
    return stage_config(search, name).stop or search.stop


def stage_config(search: SearchConfig, name: str) -> StageConfig:
    """The settings of one stage."""
    stages = {
        "feature": search.feature,
        "joint": search.feature,
        "deformation": search.deformation,
        "lam": search.lam,
    }
    return stages[name]


def make_stage(config: RunConfig, name: str) -> Stage:
    """The schedule of one stage."""
    stage = stage_config(config.search, name)
    return Stage(name, stage.steps, stage.warm_up, stage.every)


def make_outer_optimizer(
    stage: StageConfig,
    epsilon: float,
    *,
    is_relative: bool,
    positive: str = "none",
) -> optax.GradientTransformation:
    """Adam; for λ where `is_relative` each weight moves by a part of itself.

    With "exp" or "softplus" Adam moves what stands behind a positive λ instead. The
    numbers of the optimizer travel in its state, so one compiled update serves both
    stages of α.
    """
    is_behind = positive != "none"
    optimizer = optax.inject_hyperparams(_outer_optimizer, "is_relative")(
        stage.learning_rate,
        stage.beta1,
        stage.beta2,
        epsilon,
        is_relative=is_relative and not is_behind,
    )
    if is_behind:
        return reparametrised(optimizer, positive)
    if is_relative:
        # A negative weight would reward a bad match or a rough field without bound.
        optimizer = optax.chain(optimizer, optax.keep_params_nonnegative())
    return optimizer


def make_problem(
    config: RunConfig, genotype: Genotype | str | None, decided: Any = None
) -> SearchProblem:
    """Eq. (6) for the mixed network, Eq. (7) for a discrete one or a `decided` one."""
    network = decided or make_network(config, genotype)
    windows = config.objective.windows
    objective = Objective(
        config.objective.similarity,
        windows,
        config.objective.interpolation,
        config.quirks.half_intensity_pyramid,
    )
    if genotype is not None or decided is not None:
        return objective_problem(network, objective, judge=make_judge(config))
    # On smaller images the windows cover the same anatomy with fewer voxels.
    shrink = config.search.shrink
    smaller = tuple(max(3, 2 * (window // (2 * shrink)) + 1) for window in windows)
    return architecture_problem(
        network,
        replace(objective, windows=smaller),
        start_of_lambda(config),
        has_summed_terms=config.quirks.summed_terms,
    )


def _outer_optimizer(
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    *,
    is_relative: bool,
) -> optax.GradientTransformation:
    """Adam; each weight of λ moves by a part of itself, so none is driven to zero."""
    relative = optax.scale_by_param_block_rms() if is_relative else optax.identity()
    return optax.chain(
        optax.scale_by_adam(beta1, beta2, eps=epsilon),
        relative,
        optax.scale_by_learning_rate(learning_rate),
    )
