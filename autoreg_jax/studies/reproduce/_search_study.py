"""What a search believes of candidates, against what their real trainings say."""

import math
from collections.abc import Sequence

import jax
import numpy as np
from scipy import stats

from autoreg_jax.errors import ConfigError
from autoreg_jax.programs import Stream
from autoreg_jax.runtime import RunFolder
from autoreg_jax.search_space import ArchitectureLogits, Genotype, searched_names
from autoreg_jax.spaces import Space, read_space
from autoreg_jax.studies._table import Column, Table
from autoreg_jax.studies.reproduce._experiment import Experiment
from autoreg_jax.studies.reproduce._runs import searched
from autoreg_jax.workflows import Journal
from autoreg_jax.workflows._search import search_job
from autoreg_jax.workflows.strategies import comparisons
from autoreg_jax.workflows.trials import START, Trainer, Trial, drawn, start_of

_COLUMNS = (
    Column("belief", "belief"),
    Column("rank correlation", "correlation", "{:+.2f}"),
    Column("from", "low", "{:+.2f}"),
    Column("to", "high", "{:+.2f}"),
    Column("seeds", "seeds", "{:.0f}"),
    Column("candidates", "candidates", "{:.0f}"),
)
_FEWEST = 5
_ALPHA, _SEED = "α of darts", "the whole training, other seeds"

Scores = dict[str, list[float]]


def search_study(experiment: Experiment, seed: int) -> Scores:
    """Train the start and random candidates; what each belief says of them.

    They are genotypes where the operations are searched, else settings of
    `search.space`, and the same for all seeds.

    Returns:
        By belief, a number for each candidate, higher is better: the mean score of the
        judge after each comparison of a race, the last one behind the whole training;
        and the sum of log-probabilities under the α of `darts`.

    Raises:
        ConfigError: If there are fewer than five candidates, or the space is wrong.
    """
    config, run = experiment.config(seed), experiment.run(seed, "candidates")
    if experiment.protocol.draws < _FEWEST:
        raise ConfigError(
            f"draws: a rank correlation needs {_FEWEST} candidates at least, better "
            f"20, got {experiment.protocol.draws}."
        )
    job = search_job(
        experiment.train,
        experiment.validation,
        config,
        Journal(run.path, resume=True),
        programs=experiment.programs,
    )
    has_choice = job.genotype is None
    trainer = start_of(job, RunFolder(run.path).trials)
    space = read_space("paper" if has_choice else config.search.space)
    if has_choice:
        space = Space(space.name, space.about, (), has_operations=True)
    first = experiment.protocol.config.seed
    trials = candidates(space, trainer, experiment.protocol.draws, first)
    found: Scores = {}
    for steps in comparisons(config.train.steps, config.train.log_every):
        found[_after(steps)] = []
        for trial in trials:
            experiment.check_time()
            outcome = trainer.advance(trial, steps)
            score = -math.inf if outcome.diverged else outcome.mean(None)
            found[_after(steps)].append(score)
    if has_choice and (alpha := searched(experiment, seed).alpha) is not None:
        found[_ALPHA] = [
            log_probability(alpha, trial.genotype or trainer.genotype, trainer)
            for trial in trials
        ]
    return found


def candidates(
    space: Space, trainer: Trainer, count: int, seed: int
) -> Sequence[Trial]:
    """The start and so many different random trials."""
    rng = np.random.default_rng((seed, Stream.ALPHA, 1))
    space = trainer.reduced(space)
    others = (drawn(space, trainer, rng, str(n + 1)) for n in range(count))
    return [Trial(START), *(trial for trial in others if trial is not None)]


def log_probability(
    alpha: ArchitectureLogits, genotype: Genotype, trainer: Trainer
) -> float:
    """Σ over edges of the log-softmax of the chosen operation."""
    _, _, programs = trainer.network(Trial(START))
    names = searched_names(programs.candidates)
    total = 0.0
    for kind in ("feature", "deformation"):
        cells = getattr(genotype, kind)
        for logits, cell in zip(getattr(alpha, kind), cells, strict=True):
            chosen = [names.index(name) for name in cell]
            rows = np.asarray(jax.nn.log_softmax(logits, axis=-1))
            total += float(rows[np.arange(len(chosen)), chosen].sum())
    return total


def study_table(scores: Sequence[Scores]) -> Table:
    """Rank correlation of each belief with the whole trainings.

    With several seeds a belief is compared with the mean over the trainings of the
    *other* seeds, so that what a seed does to both is not counted as insight.
    """
    whole, truth = _truth(scores)
    records = []
    for name in scores[0]:
        if name == whole and len(scores) == 1:
            continue
        found = [
            _rank_correlation(one[name], _of_others(truth, place))
            for place, one in enumerate(scores)
        ]
        records.append(_record(_SEED if name == whole else name, found, truth.shape))
    return Table(records, _COLUMNS)


def study_notes(scores: Sequence[Scores]) -> list[str]:
    """What random candidates gain over the start, and what the truth is."""
    _, truth = _truth(scores)
    if not np.isfinite(truth[:, 0]).all():
        return ["The training of the start diverges: there is nothing to gain over."]
    start, others = truth[:, :1], truth[:, 1:]
    is_sound = np.isfinite(others)
    gains = np.where(is_sound, others, start) - start
    seeds = " with the other seeds" if len(scores) > 1 else ", with the same seed"
    return [
        f"Random candidates gain {gains[is_sound].mean():+.4f} over the start on "
        f"average, the best of {others.shape[1]} {gains.mean(0).max():+.4f}; "
        f"{int((~is_sound).sum())} of {others.size} trainings diverged.",
        f"Truth is the mean score after the whole training{seeds}.",
    ]


def _truth(scores: Sequence[Scores]) -> tuple[str, np.ndarray]:
    """The name of the whole trainings among the beliefs; their scores by seed."""
    whole = [name for name in scores[0] if name != _ALPHA][-1]
    return whole, np.array([one[whole] for one in scores])


def _after(steps: int) -> str:
    return f"the race after {steps} steps"


def _of_others(truth: np.ndarray, place: int) -> np.ndarray:
    """Mean over the other seeds, or the only one."""
    return truth[0] if len(truth) == 1 else np.delete(truth, place, 0).mean(0)


def _rank_correlation(one: Sequence[float], other: np.ndarray) -> float:
    """Spearman's; diverged candidates are the worst."""
    ranks = stats.rankdata(one), stats.rankdata(other)
    if any(np.ptp(rank) == 0 for rank in ranks):
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def _record(
    name: str, found: Sequence[float], shape: tuple[int, ...]
) -> dict[str, str | float]:
    """A line; the interval is Fisher's for as many candidates."""
    mean = float(np.mean(found))
    half = 1.96 / math.sqrt(shape[1] - 3)
    centre = math.atanh(np.clip(mean, -1 + 1e-9, 1 - 1e-9))
    return {
        "belief": name,
        "correlation": mean,
        "low": math.tanh(centre - half),
        "high": math.tanh(centre + half),
        "seeds": shape[0],
        "candidates": shape[1],
    }
