"""From a configuration, or objects of your own, to compiled problems and optimizers."""

from autoreg_jax.programs._cohort import (
    DeviceCohort,
    gather_pair,
    gather_pairs,
    on_device,
    shrunk,
)
from autoreg_jax.programs._compiled import quick_compilation
from autoreg_jax.programs._iteration import (
    StageData,
    StageInfo,
    StageRow,
    TrainingData,
    search_step,
    search_steps,
    training_step,
    training_steps,
)
from autoreg_jax.programs._layout import (
    Layout,
    cells_of,
    initial_alpha,
    initial_vector,
    layout_of,
    trained_vector,
)
from autoreg_jax.programs._network import (
    Network,
    NetworkFamily,
    chosen_genotype,
    make_network,
    make_structure,
    make_wiring,
    network_family,
)
from autoreg_jax.programs._objective import (
    check_labels,
    initial_lambda,
    learns_from_labels,
    make_lambda,
    make_objective,
    training_lambda,
    with_judge,
)
from autoreg_jax.programs._own_estimator import check_estimator
from autoreg_jax.programs._programs import Programs
from autoreg_jax.programs._stage import Stage, Stream, schedule
from autoreg_jax.programs._steps import (
    Step,
    Steps,
    copied,
    in_one_program,
    one_by_one,
    one_each,
    runs_in_one_program,
    stacked_rows,
)

__all__ = [
    "DeviceCohort",
    "Layout",
    "Network",
    "NetworkFamily",
    "Programs",
    "Stage",
    "StageData",
    "StageInfo",
    "StageRow",
    "Step",
    "Steps",
    "Stream",
    "TrainingData",
    "cells_of",
    "check_estimator",
    "check_labels",
    "chosen_genotype",
    "copied",
    "gather_pair",
    "gather_pairs",
    "in_one_program",
    "initial_alpha",
    "initial_lambda",
    "initial_vector",
    "layout_of",
    "learns_from_labels",
    "make_lambda",
    "make_network",
    "make_objective",
    "make_structure",
    "make_wiring",
    "network_family",
    "on_device",
    "one_by_one",
    "one_each",
    "quick_compilation",
    "runs_in_one_program",
    "schedule",
    "search_step",
    "search_steps",
    "shrunk",
    "stacked_rows",
    "trained_vector",
    "training_lambda",
    "training_step",
    "training_steps",
    "with_judge",
]
