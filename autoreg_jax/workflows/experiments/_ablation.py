"""Table II: what is searched and trained for it."""

import numpy as np

from autoreg_jax.search_space import OPERATIONS, Genotype
from autoreg_jax.workflows.experiments._experiment import Experiment, images_elsewhere
from autoreg_jax.workflows.experiments._runs import (
    TrainedModel,
    searched,
    trained,
)

# The architecture that nobody has searched.
HAND_MADE = Genotype.uniform("conv_3")

COLUMNS = {
    "elsewhere": "trained elsewhere",
    "omega": "ω, hand-made",
    "feature": "ω, α_F",
    "deformation": "ω, α_D",
    "lam": "ω, λ",
    "architecture": "ω, α_F, α_D",
    "all": "ω, α_F, α_D, λ",
    "random": "ω, random",
}
SEARCHED = ("feature", "deformation", "lam", "architecture", "all")


def random_genotype(seed: int, draw: int) -> Genotype:
    """Any operation on any edge, all equally likely; the same for the same numbers."""
    rng = np.random.default_rng((seed, draw, 2))
    names = rng.choice(OPERATIONS, (2, 2, 3)).tolist()
    feature, deformation = (tuple(map(tuple, kind)) for kind in names)
    return Genotype(feature, deformation)


def ablation_models(experiment: Experiment, seed: int) -> list[TrainedModel]:
    """Search and train all models of one seed.

    Raises:
        DataError: If the other dataset cannot be used.
        ConfigError: If the folder holds other runs.
        OutOfTimeError: If the time is over before all of them are finished.
        NonFiniteError: If a number became NaN or infinite.
    """
    found = searched(experiment, seed)
    start, lam = found.lam_start, searched(experiment, seed, HAND_MADE).lam
    feature = Genotype(found.genotype.feature, HAND_MADE.deformation)
    deformation = Genotype(HAND_MADE.feature, found.genotype.deformation)
    plan = {
        "omega": (HAND_MADE, start),
        "lam": (HAND_MADE, lam),
        "feature": (feature, start),
        "deformation": (deformation, start),
        "architecture": (found.genotype, start),
        "all": (found.genotype, found.lam),
    }
    for draw in range(experiment.protocol.draws):
        plan[f"random{draw}"] = random_genotype(seed, draw), start
    other = images_elsewhere(experiment)
    return [
        trained(experiment, seed, "elsewhere", HAND_MADE, start, elsewhere=other),
        *(trained(experiment, seed, name, *what) for name, what in plan.items()),
    ]


def column_of(model: TrainedModel) -> str:
    """The column of Table II to which a model belongs."""
    return "random" if model.name.startswith("random") else model.name
