"""From a configuration, or objects of your own, to compiled problems and optimizers."""

from autoreg_jax.programs._cohort import DeviceCohort, gather_pair, on_device, shrunk
from autoreg_jax.programs._compiled import quick_compilation
from autoreg_jax.programs._layout import Layout, initial_alpha, initial_vector
from autoreg_jax.programs._network import (
    Network,
    NetworkFamily,
    chosen_genotype,
    make_network,
    make_wiring,
    network_family,
)
from autoreg_jax.programs._objective import (
    initial_lambda,
    make_lambda,
    make_objective,
    with_judge,
)
from autoreg_jax.programs._programs import Programs
from autoreg_jax.programs._stage import Stage, Stream, schedule

__all__ = [
    "DeviceCohort",
    "Layout",
    "Network",
    "NetworkFamily",
    "Programs",
    "Stage",
    "Stream",
    "chosen_genotype",
    "gather_pair",
    "initial_alpha",
    "initial_lambda",
    "initial_vector",
    "make_lambda",
    "make_network",
    "make_objective",
    "make_wiring",
    "network_family",
    "on_device",
    "quick_compilation",
    "schedule",
    "shrunk",
    "with_judge",
]
