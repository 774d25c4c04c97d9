"""The model, or the random weights, from which a training starts."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from autoreg_jax.config import RunConfig, TrainConfig, merge
from autoreg_jax.errors import ArtifactError, ConfigError
from autoreg_jax.inference import RegistrationModel, load_model
from autoreg_jax.networks import Conditions, RegistrationNetwork
from autoreg_jax.programs import (
    Network,
    Programs,
    Stream,
    initial_vector,
    make_conditions,
    trained_vector,
)
from autoreg_jax.runtime import RunFolder
from autoreg_jax.search_space import OPERATIONS, Genotype
from autoreg_jax.workflows._journal import Journal

logger = logging.getLogger(__name__)


def rated(settings: TrainConfig, initial: RegistrationModel | None) -> TrainConfig:
    """The settings of a training, with a lower rate if it starts from a model.

    Raises:
        ConfigError: If weights are to stay as they are that no model has.
    """
    if initial is None and settings.freeze != "none":
        raise ConfigError(
            f"train.freeze: {settings.freeze} would stay at random weights; start from "
            "a model (autoreg train RUN --from MODEL), or set train.freeze=none."
        )
    if initial is None:
        return settings
    part, whole = settings.fine_tuning, settings.learning_rate
    logger.info(
        "The training starts from a model: its learning rate is %.3g, %.3g of "
        "train.learning_rate (train.fine_tuning).",
        part * whole,
        part,
    )
    return replace(settings, learning_rate=part * whole)


def told_of(config: RunConfig, initial: RegistrationModel | None) -> Conditions | None:
    """What the network is told; a model that is told something keeps it."""
    kept = None if initial is None else initial.description.conditions
    return kept or make_conditions(config)


def like_model(config: RunConfig, model: RegistrationModel) -> RunConfig:
    """The settings with the network of a model; of one of your own, as they are."""
    about = model.description
    if not isinstance(about.genotype, Genotype):
        return config
    structure, wiring, cells = about.structure, about.wiring, about.genotype
    chosen = {name for scale in (*cells.feature, *cells.deformation) for name in scale}
    network = {
        "width": about.width,
        "scales": structure.scales,
        "encoder": structure.encoder,
        "feature_channels": structure.feature_channels,
        "feature_edges": structure.feature_edges,
        "deformation_channels": structure.deformation_channels,
        "operations": [name for name in OPERATIONS if name in chosen],
        "fusion": structure.fusion,
        "correlation": structure.correlation,
        "context": structure.has_context,
        "iterations": structure.iterations,
        "num_steps": about.num_steps,
        "matching": about.matching,
        "standardise": wiring.is_standardised,
        "feature_weights": "separate" if wiring.has_separate_features else "shared",
        "velocities": structure.velocities,
        "resolution": structure.resolution,
        "normalise_features": structure.has_normalised_features,
    }
    if (told := about.conditions) is not None:
        network |= {"conditions": told.terms, "condition_range": told.range}
    quirks = {
        "shared_head": wiring.has_shared_head,
        "doubled_features": wiring.has_doubled_features,
        "second_integration": wiring.is_integrated_twice,
        "nominal_scale": wiring.is_nominal,
        "zero_boundary": wiring.is_zero_outside,
    }
    return merge(config, {"network": network, "quirks": quirks})


def initial_model(
    genotype: Genotype | str | Network,
    network: Network,
    initial: RegistrationModel | Path | str | None,
    folder: RunFolder | None,
    journal: Journal,
) -> RegistrationModel | None:
    """The model from which a training starts, if there is one: the run has its copy.

    Args:
        genotype: What is to be trained.
        network: Its network.
        initial: As given; None takes the copy of a run that is resumed.
        folder: Of the run, if there is one.
        journal: Knows whether it is resumed.

    Raises:
        ArtifactError: If there is no such model, if the run started from another one,
            or if its architecture is another.
    """
    own = None if isinstance(network, RegistrationNetwork) else network
    kept = None
    if folder is not None and journal.resume and folder.initial.is_dir():
        kept = load_model(folder.initial, network=own)
    if initial is None:
        return kept
    if not isinstance(initial, RegistrationModel):
        initial = load_model(initial, network=own)
    if kept is not None and kept.digest != initial.digest:
        raise ArtifactError(
            f"{folder}: the training was started from another model; resume it without "
            "one."
        )
    is_named = isinstance(genotype, Genotype | str)
    if is_named and genotype != initial.description.genotype:
        raise ArtifactError(
            f"{initial.path or 'the initial model'}: has another architecture than the "
            "one that is to be trained; give that of its description."
        )
    return initial


def first_weights(
    config: RunConfig,
    network: Network,
    programs: Programs,
    initial: RegistrationModel | None,
) -> Any:
    """ω before the first step: that of a model, or random numbers.

    Where a model was told nothing and the network is, only that part is random.
    """
    layout, ndim = programs.layout(network), programs.ndim
    is_torch = config.quirks.torch_start
    seed = (config.seed, Stream.TRAIN)

    def drawn() -> Any:
        own = {"is_torch": is_torch, "channels": programs.channels}
        return initial_vector(network, ndim, layout, seed, **own)

    if initial is None:
        return drawn()
    params, name = initial.params, initial.path or "the initial model"
    if initial.description.conditions is None and getattr(network, "conditions", 0):
        fresh = layout.to_tree(drawn())
        new = {part for part in fresh.keys() - params.keys() if _is_told(part)}
        params = {**params, **{part: fresh[part] for part in new}}
    return trained_vector(params, layout, name)


def _is_told(part: str) -> bool:
    """Whether a part of the weights is of what a network is told."""
    return part.startswith("condition")
