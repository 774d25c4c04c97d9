"""From trials to the result of a search: the start stays unless another one wins."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from autoreg_jax.errors import NonFiniteError
from autoreg_jax.files import write_json
from autoreg_jax.losses import in_order
from autoreg_jax.programs import has_constant_rate, initial_lambda
from autoreg_jax.runtime import RunFolder
from autoreg_jax.workflows._job import SearchJob, SearchResult
from autoreg_jax.workflows.trials._gain import Gain, gain, seed_noise
from autoreg_jax.workflows.trials._judge import Verdict
from autoreg_jax.workflows.trials._price import cost, price
from autoreg_jax.workflows.trials._start import START
from autoreg_jax.workflows.trials._trainer import Trainer
from autoreg_jax.workflows.trials._trial import Outcome

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Tried:
    """All that a search by trials has seen.

    Attributes:
        judge: The score that decides; None if by every judge no registration is better
            than any trial.
        verdicts: What every judge said of the start.
        start: The start after the whole training.
        outcomes: Every trial as often as it was judged, in order; the start, too.
        best: The trial that is compared with the start, after the whole training; None
            if there is none.
    """

    judge: str | None
    verdicts: Sequence[Verdict]
    start: Outcome
    outcomes: Sequence[Outcome]
    best: Outcome | None


def finish(job: SearchJob, trainer: Trainer, tried: Tried) -> SearchResult:
    """Choose between start and best trial, and write what was found.

    The best trial wins if the 95 % interval of its gain, pair by pair and with the
    noise of seeds, is above zero, or if the start diverges. The interval knows of how
    many whole trainings it is the best one.

    Raises:
        NonFiniteError: If both diverge.
    """
    best = None if tried.best is None or tried.best.diverged else tried.best
    if tried.start.diverged and best is None:
        raise NonFiniteError(
            f"search: the training diverges ({tried.start.diverged}); lower "
            "train.learning_rate."
        )
    noise, compared, winner = 0.0, None, best or tried.start
    if tried.judge is None:
        logger.warning(
            "By every judge (%s) the validation pairs are best without registration: "
            "nothing can be searched. Look at the pairs, or give other judges: labels, "
            "landmarks.",
            ", ".join(one.name for one in tried.verdicts),
        )
        winner = best if best and tried.start.diverged else tried.start
    elif not tried.start.diverged:
        rest = trainer.judging.unregistered[tried.judge]
        noise = seed_noise(
            tried.start.scores[tried.judge],
            rest,
            tried.start.steps,
            has_constant_rate=has_constant_rate(job.config.train),
        )
        if best is not None:
            scores = best.scores[tried.judge], tried.start.scores[tried.judge]
            compared = gain(*scores, noise, _finalists(tried))
        winner = best if best and compared and compared.is_decided else tried.start
    if tried.start.diverged or tried.start.trial.name != START:
        compared = None  # the start itself was not compared: it diverged
    _say(winner, tried, compared)
    model = trainer.model(winner.trial)
    if job.journal.run is not None:
        model.save(RunFolder(trainer.folder / winner.trial.name).model)
    genotype, *_ = trainer.network(winner.trial)
    job.keep(genotype)
    config = trainer.settings(winner.trial)
    lam = in_order({k: float(v) for k, v in initial_lambda(config).items()})
    start = in_order({k: float(v) for k, v in initial_lambda(job.config).items()})
    content = _content(job, trainer, tried, compared, noise, winner)
    if job.journal.run is not None:
        write_json(RunFolder(job.journal.run).search, content, is_sealed=True)
    return SearchResult(
        genotype,
        None,
        lam,
        start,
        job.journal.records,
        model.params,
        dict(winner.trial.changes),
        content,
        model,
    )


def _finalists(tried: Tried) -> int:
    """How many sound trials were trained as long as the start, which is at the end."""
    steps = tried.start.steps
    sound = [outcome for outcome in tried.outcomes if not outcome.diverged]
    ended = {outcome.trial.name for outcome in sound if outcome.steps == steps}
    return max(1, len(ended - {tried.start.trial.name}))


def _say(winner: Outcome, tried: Tried, compared: Gain | None) -> None:
    if winner.trial.name != START and compared is None:
        words = winner.trial.describe()
        logger.info("The training of the run diverges; instead: %s.", words)
        return
    if compared is None or tried.best is None:
        logger.info("No trial is better than the start, which stays.")
        return
    interval = f"{compared.mean:+.4f} ({compared.low:+.4f} to {compared.high:+.4f})"
    words = tried.best.trial.describe()
    if winner is tried.best:
        logger.info("Chosen: %s; gain in %s %s.", words, tried.judge, interval)
    else:
        logger.info(
            "Not decided: %s gains %s in %s; the start stays.",
            words,
            interval,
            tried.judge,
        )


def _content(
    job: SearchJob,
    trainer: Trainer,
    tried: Tried,
    compared: Gain | None,
    noise: float,
    winner: Outcome,
) -> dict[str, Any]:
    """What search.json says."""
    search, start = job.config.search, tried.start.trial.name
    rows = []
    # By name: an outcome from another process has a trial of its own.
    at = {o.steps: o for o in tried.outcomes if o.trial.name == start}
    for outcome in tried.outcomes:
        row: dict[str, Any] = {
            "trial": outcome.trial.name,
            "changes": _plain(outcome.trial.changes),
            "steps": outcome.steps,
        }
        if outcome.trial.genotype is not None:
            row["operations"] = asdict(outcome.trial.genotype)
        if outcome.diverged:
            rows.append(row | {"diverged": outcome.diverged})
            continue
        if outcome.is_too_dear:
            rows.append(row | {"too_dear": price(outcome, tried.start)})
            continue
        row["scores"] = {k: float(np.nanmean(v)) for k, v in outcome.scores.items()}
        row["folding_percent"] = outcome.folding
        row["price"] = price(outcome, tried.start)
        reference = at.get(outcome.steps)
        is_other = outcome.trial.name != start
        if is_other and tried.judge and reference and not reference.diverged:
            judged = outcome.scores[tried.judge], reference.scores[tried.judge]
            rest = trainer.judging.unregistered[tried.judge]
            is_constant = has_constant_rate(job.config.train)
            seeds = seed_noise(
                judged[1], rest, outcome.steps, has_constant_rate=is_constant
            )
            row["gain"] = asdict(gain(*judged, seeds))
        rows.append(row)
    # Of each the one after the most steps, which comes last.
    means = {row["trial"]: row["gain"]["mean"] for row in rows if "gain" in row}
    random = [mean for name, mean in means.items() if name.isdigit()]
    return {
        "format": 1,
        "strategy": search.strategy,
        "space": search.space,
        "judge": tried.judge,
        "judges": [asdict(verdict) for verdict in tried.verdicts],
        "pairs": len(trainer.judging.pairs),
        "seed_noise": noise,
        "trials": rows,
        "mean_gain_of_trials": float(np.mean(random)) if random else None,
        "best": None if tried.best is None else tried.best.trial.name,
        "gain": None if compared is None else asdict(compared),
        "margin": None if compared is None else compared.margin,
        "is_decided": winner.trial.name != START,
        "chosen": winner.trial.name,
        "settings": _plain(winner.trial.changes),
        "cost_in_trainings": cost(tried.outcomes, tried.start, job.config.train.steps),
    }


def _plain(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in changes.items()}
