"""From a configuration to the registration network that it describes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from autoreg_jax.baselines import NETWORKS
from autoreg_jax.config import RunConfig
from autoreg_jax.errors import ConfigError
from autoreg_jax.networks import (
    Conditions,
    RegistrationNetwork,
    Structure,
    Wiring,
)
from autoreg_jax.search_space import (
    CANDIDATES,
    PUBLISHED_GENOTYPES,
    ArchitectureLogits,
    Candidate,
    Cells,
    CellShapes,
    Genotype,
    decode,
)

Network = Any
"""A Flax module that is called as `networks.RegistrationNetwork` is, hashable."""

NetworkFamily = Callable[[Genotype | None], Network]
"""`genotype -> network`: the discrete network, or the mixed one for None."""


def network_family(config: RunConfig) -> NetworkFamily:
    """The registration network of the configuration, mixed and discrete."""
    return partial(_registration_network, config)


def make_network(config: RunConfig, network: Genotype | str | Network) -> Network:
    """The network that is to be trained.

    Args:
        config: Size and wiring of the network of a genotype.
        network: A genotype, a name in `baselines.NETWORKS`, or a Flax module, which
            is returned as it is.

    Returns:
        A Flax module.

    Raises:
        ConfigError: If the genotype has other scales or edges than the configuration,
            or if there is no network of the name.
    """
    if isinstance(network, str):
        if network not in NETWORKS:
            raise ConfigError(
                f"network {network!r}: no network has this name; choose one of "
                f"{', '.join(NETWORKS)}, or give a genotype or a Flax module."
            )
        return NETWORKS[network](config.network.num_steps)
    if isinstance(network, Genotype):
        return _registration_network(config, network)
    return network


def told_network(network: Network, count: int, setting: str) -> Network:
    """The same network, but told so many numbers.

    Args:
        network: A Flax module.
        count: Numbers that it is told.
        setting: What asks for it, for a message.

    Raises:
        ConfigError: If it has no field `conditions`.
    """
    if not hasattr(network, "conditions"):
        raise ConfigError(
            f"{setting} needs a network with a field `conditions`, which "
            f"{type(network).__name__} has not; leave the setting at its default."
        )
    return network.clone(conditions=count)


def conditioned(
    network: Network, conditions: Conditions | None, lam: Mapping[str, float]
) -> Network:
    """The network that is trained: told the weights of the loss, if it is to be.

    Raises:
        ConfigError: If λ gives one of the terms no weight, or the network cannot be
            told anything.
    """
    if conditions is None:
        return network
    known = [name for name in lam if lam[name] > 0]
    if not {*conditions.terms} <= {*known}:
        raise ConfigError(
            f"network.conditions: must be terms with a weight above 0, which are "
            f"{', '.join(known)}, got {', '.join(conditions.terms)}."
        )
    return told_network(network, len(conditions.terms), "network.conditions")


def make_conditions(config: RunConfig) -> Conditions | None:
    """The terms of the loss whose weights the network is told."""
    terms, limit = config.network.conditions, config.network.condition_range
    return None if terms is None else Conditions(terms, limit)


def make_wiring(config: RunConfig) -> Wiring:
    """What happens between the cells of the network."""
    size, quirks = config.network, config.quirks
    return Wiring(
        is_standardised=size.standardise,
        has_separate_features=size.feature_weights == "separate",
        has_shared_head=quirks.shared_head,
        has_doubled_features=quirks.doubled_features,
        is_integrated_twice=quirks.second_integration,
        is_nominal=quirks.nominal_scale,
        is_zero_outside=quirks.zero_boundary,
    )


def make_structure(config: RunConfig) -> Structure:
    """Scales and cells of the network; its `cells` are those of a genotype."""
    size = config.network
    return Structure(
        scales=size.scales,
        encoder=size.encoder,
        feature_channels=size.feature_channels,
        feature_edges=size.feature_edges,
        deformation_channels=size.deformation_channels,
        fusion=size.fusion,
        correlation=size.correlation,
        has_context=size.context,
        iterations=size.iterations,
        velocities=size.velocities,
        has_normalised_features=size.normalise_features,
        resolution=size.resolution,
    )


def operations_table(config: RunConfig) -> tuple[Candidate, ...]:
    """The table of operations without those that the configuration leaves out."""
    names = config.network.operations
    return tuple(r for r in CANDIDATES if r.name in names or not r.is_searched)


def set_genotype(config: RunConfig, cells: CellShapes) -> Genotype | None:
    """The architecture that leaves nothing to search: the only operation everywhere.

    Args:
        config: The run.
        cells: Scales and edges of the network.

    Returns:
        The genotype; None if there are several operations.
    """
    if len(config.network.operations) > 1:
        return None
    table = operations_table(config)
    return chosen_genotype(config, ArchitectureLogits.zeros(table, cells), table)


def chosen_genotype(
    config: RunConfig,
    alpha: ArchitectureLogits,
    candidates: Sequence[Candidate] = CANDIDATES,
) -> Genotype:
    """The best operation of each edge; feature cells that are fixed stay fixed."""
    genotype, features = decode(alpha, candidates), _fixed_features(config)
    return genotype if features is None else replace(genotype, feature=features)


def _registration_network(
    config: RunConfig, genotype: Genotype | None
) -> RegistrationNetwork:
    size, structure = config.network, make_structure(config)
    if genotype is not None and genotype.cells != structure.cells:
        raise ConfigError(
            "network.scales, encoder, feature_edges and deformation_channels: ask for "
            f"{structure.cells} (scales, edges), the genotype has {genotype.cells}; "
            "keep the settings of its search, or search again."
        )
    return RegistrationNetwork(
        genotype,
        size.width,
        size.num_steps,
        size.matching,
        size.precision,
        size.rematerialise,
        size.normalise,
        wiring=make_wiring(config),
        structure=structure,
        candidates=CANDIDATES if genotype is not None else operations_table(config),
        extractor=None if genotype is not None else _fixed_features(config),
    )


def _fixed_features(config: RunConfig) -> Cells | None:
    """Operations of the feature cells if these are not searched."""
    if not config.quirks.deformation_only:
        return None
    cells = PUBLISHED_GENOTYPES["ppmi"].feature
    if config.quirks.dilation_8:
        return cells
    return tuple(tuple(name.removesuffix("_8") for name in cell) for cell in cells)
