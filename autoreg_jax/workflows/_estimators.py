"""The estimators of a comparison, by the names that its tables show."""

from autoreg_jax import hypergrad
from autoreg_jax.hypergrad import HypergradientEstimator


def estimators_for(learning_rate: float) -> dict[str, HypergradientEstimator]:
    """Everything that there is, for a problem whose inner steps are `learning_rate`."""
    del learning_rate
    return {
        "one step, exact": hypergrad.one_step_unroll(),
        "one step, difference": hypergrad.finite_difference(),
        "one step, difference 1e-4": hypergrad.finite_difference(1e-4, normalise=False),
    }


def cleaning_estimators(
    learning_rate: float,
) -> dict[str, HypergradientEstimator | None]:
    """The few that are worth a run from start to end; None leaves all weights equal."""
    del learning_rate
    return {"equal weights": None, "one step, exact": hypergrad.one_step_unroll()}
