"""The model that a training leaves."""

from collections.abc import Mapping
from typing import Any

import nibabel

from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort
from autoreg_jax.inference import ModelDescription, RegistrationModel, Seen
from autoreg_jax.programs import Network, Programs, make_structure, make_wiring
from autoreg_jax.search_space import Genotype
from autoreg_jax.workflows.training._compared import compared_by, loss_compares
from autoreg_jax.workflows.training._initial import told_of


def trained_model(
    train: Cohort,
    config: RunConfig,
    genotype: Genotype | str | Network,
    network: Network,
    lam: Mapping[str, float],
    programs: Programs,
    omega: Any,
    start: RegistrationModel | None = None,
) -> RegistrationModel:
    """The weights ω of a training and what has to be known of them.

    Args:
        train: Subjects from which ω learned.
        config: Settings of the training.
        genotype: What was trained.
        network: Its network.
        lam: Weights of the loss.
        programs: Those of the training.
        omega: ω, a vector.
        start: The model from which the training started, if it did; its network stays.
    """
    is_named = isinstance(genotype, Genotype | str)
    own: dict[str, Any] = {
        "genotype": genotype if is_named else type(network).__name__,
        "width": config.network.width,
        "num_steps": config.network.num_steps,
        "matching": config.network.matching,
        "wiring": make_wiring(config),
        "structure": make_structure(config),
    }
    if start is not None:
        own = {name: getattr(start.description, name) for name in own}
    spacing = tuple(float(size) for size in train.spacing)
    description = ModelDescription(
        **own,
        conditions=told_of(config, start),
        orientation="".join(map(str, nibabel.aff2axcodes(train.affine))),
        spacing=spacing,
        lam={name: float(weight) for name, weight in lam.items()},
        similarity=compared_by(config, programs.objective),
        loss_similarity=loss_compares(config, programs.objective),
        windows=programs.objective.windows,
        is_dimmed=programs.objective.is_dimmed,
        intensity=train.intensity,
        seen=Seen.of(train.images, spacing),
        channels=train.images.shape[-1],
    )
    params = programs.layout(network).to_tree(omega)
    return RegistrationModel(description, params, network=network)
