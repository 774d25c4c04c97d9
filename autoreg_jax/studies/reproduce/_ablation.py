"""Table II: what is searched and trained for it."""

from typing import Any

from autoreg_jax.search_space import Genotype
from autoreg_jax.studies.reproduce._experiment import Experiment, images_elsewhere
from autoreg_jax.studies.reproduce._runs import (
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
    return Genotype.random((seed, draw, 2))


def ablation_models(experiment: Experiment, seed: int) -> list[TrainedModel]:
    """Search and train all models of one seed.

    Raises:
        DataError: If the other dataset cannot be used.
        ConfigError: If the folder holds other runs.
        OutOfTimeError: If the time is over before all of them are finished.
        NonFiniteError: If a number became NaN or infinite.
    """
    found = searched(experiment, seed)
    start, genotype = found.lam_start, found.genotype

    def make(name: str, *what: Any, **options: Any) -> TrainedModel:
        return trained(experiment, seed, name, *what, **options)

    # One genotype after the other: each is a program, of which a few are kept.
    models = [make("all", genotype, found.lam), make("architecture", genotype, start)]
    lam = searched(experiment, seed, HAND_MADE).lam
    other = images_elsewhere(experiment)
    models += [
        make("elsewhere", HAND_MADE, start, elsewhere=other),
        make("omega", HAND_MADE, start),
        make("lam", HAND_MADE, lam),
    ]
    mixed = {
        "feature": Genotype(genotype.feature, HAND_MADE.deformation),
        "deformation": Genotype(HAND_MADE.feature, genotype.deformation),
    }
    for draw in range(experiment.protocol.draws):
        mixed[f"random{draw}"] = random_genotype(seed, draw)
    return models + [make(name, one, start) for name, one in mixed.items()]


def column_of(model: TrainedModel) -> str:
    """The column of Table II to which a model belongs."""
    return "random" if model.name.startswith("random") else model.name
