"""How much better one trial is than another, and whether that is more than noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from autoreg_jax.workflows.trials._trial import Outcome

# Standard deviation of a result over seeds, as a share of what registration changes, by
# the steps of the training: measured on 25 settings of four tasks after 50 steps, 8
# after 200, and 19 after a thousand, two to six seeds each: "Task by task, from the
# default" and "What each ingredient is worth" in tests/benchmarks/RESULTS.md.
_SHARES = {50: 0.064, 200: 0.035, 1000: 0.005}
# The same for averaged weights at a constant rate: four settings of one task after 50
# steps, seven of two tasks after 200, two to four seeds each.
_AVERAGED = {50: 0.041, 200: 0.014, 1000: 0.005}
# Degrees of freedom behind the smallest of them.
_MEASUREMENTS = 15
_LEVEL = 0.95


@dataclass(frozen=True)
class Gain:
    """Mean gain of a trial over the start, with its 95 % interval.

    Attributes:
        mean: Over the pairs, in the unit of the score.
        low: Lower end.
        high: Upper end.
        error: Standard error, seeds included.
    """

    mean: float
    low: float
    high: float
    error: float

    @property
    def is_decided(self) -> bool:
        """Whether the trial is better, with the whole interval above zero."""
        return self.low > 0

    @property
    def margin(self) -> float:
        """The mean in units of its standard error; 0 where there is no error."""
        return self.mean / self.error if self.error > 0 else 0.0


def seed_noise(
    start: np.ndarray,
    unregistered: np.ndarray,
    steps: int,
    *,
    has_constant_rate: bool = False,
) -> float:
    """Standard deviation of a mean score over seeds, as it usually is.

    Args:
        start: Score of each pair after a training.
        unregistered: Scores without registration.
        steps: Of the training.
        has_constant_rate: Of the training, whose weights are then averaged.
    """
    shares = _AVERAGED if has_constant_rate else _SHARES
    known = np.log([*shares.items()]).T
    share = math.exp(np.interp(math.log(steps), *known))
    return share * float(np.nanmean(np.abs(start - unregistered)))


def gain(trial: np.ndarray, start: np.ndarray, noise: float, tries: int = 1) -> Gain:
    """Compare two trainings pair by pair.

    The standard error has two parts: that of the mean difference over pairs, and that
    of seeds, of which each training has one draw. The degrees of freedom of their sum
    are those of Welch and Satterthwaite.

    Args:
        trial: Score of each pair, higher is better.
        start: Scores of the same pairs after the training to compare with.
        noise: Standard deviation of a mean score over seeds.
        tries: Of so many trials this is the best one, by the same pairs: the interval
            covers the gains of all of them together (Bonferroni).
    """
    difference = trial - start
    difference = difference[np.isfinite(difference)]
    count = len(difference)
    mean = float(np.mean(difference))
    of_pairs = float(np.var(difference, ddof=1)) / count if count > 1 else 0.0
    of_seeds = 2 * noise**2
    error = math.sqrt(of_pairs + of_seeds)
    if error == 0:
        return Gain(mean, mean, mean, 0.0)
    parts = of_pairs**2 / max(1, count - 1) + of_seeds**2 / _MEASUREMENTS
    freedom = (of_pairs + of_seeds) ** 2 / parts
    quantile = 1 - (1 - _LEVEL) / (2 * tries)
    width = float(stats.t.ppf(quantile, freedom)) * error
    return Gain(mean, mean - width, mean + width, error)


def gains_of(
    outcomes: Sequence[Outcome], start: Outcome, judge: str, noise: float
) -> list[Gain | None]:
    """The gain of each trial over the start; None where its training diverged."""
    return [
        None
        if outcome.diverged
        else gain(outcome.scores[judge], start.scores[judge], noise)
        for outcome in outcomes
    ]
