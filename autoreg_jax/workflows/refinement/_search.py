"""Searches the smoothness of the refinement, compares, and decides."""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort
from autoreg_jax.files import read_json, write_json
from autoreg_jax.inference import AtMinimum, RefinementDerivative, RegistrationModel
from autoreg_jax.metrics import folding_fraction
from autoreg_jax.programs import make_judge, quick_compilation, with_judge
from autoreg_jax.runtime import RunFolder, in_single_precision, owns
from autoreg_jax.workflows._pairs import scored_pairs
from autoreg_jax.workflows.refinement._moves import Move, follow
from autoreg_jax.workflows.trials import Gain, Judging, gain

logger = logging.getLogger(__name__)


@in_single_precision
@owns()
def search_refinement(
    validation: Cohort,
    model: RegistrationModel,
    config: RunConfig,
    *,
    run: Path | str | None = None,
) -> RegistrationModel:
    """Search the smoothness by which a model refines pairs, see `RefineSearchConfig`.

    Args:
        validation: Subjects of which some pairs choose the weight, others decide; the
            same ones if there are no two others.
        model: The trained network.
        config: The run; its `evaluate.refine`, `search.judge` and `search.judge_pairs`
            are used.
        run: Folder for refinement.json and for the model, if the weight is decided;
            what an earlier search of the same network has decided is kept.

    Returns:
        The model, with `description.refine_smoothness` if that is better beyond doubt.

    Raises:
        DataError: If labels or landmarks are to judge and the subjects have none, or if
            no pair of them is as `config.pairs` asks.
        ArtifactError: If refinement.json is damaged.
    """
    settings = config.evaluate.refine.search
    if settings.moves == 0:
        return model
    file = None if run is None else RunFolder(run).refinement
    if file is not None and file.is_file():
        content = read_json(file)
        if content.get("model") == model.digest:
            return _with_factor(model, float(content["factor"]))
    begin = time.monotonic()
    model, config = _with_factor(model, 1.0), with_judge(config, validation)
    chosen = scored_pairs(
        validation, config, settings.pairs + config.search.judge_pairs
    )
    others = chosen[settings.pairs :]
    is_apart = len(others) > 1
    judging = Judging(validation, config, others if is_apart else chosen)
    place, moves = _found(
        Judging(validation, config, chosen[: settings.pairs]), model, config
    )
    compared, folds = None, None
    if place:
        compared, folds = _compared(judging, model, config, math.exp(place))
    factor = math.exp(place) if place and compared and compared.is_decided else 1.0
    _say(place, compared)
    model = _with_factor(model, factor)
    if run is not None and file is not None:
        if factor != 1:
            model.save(RunFolder(run).model)
        content = {
            "format": 1,
            "model": model.digest,
            "judge": config.search.judge,
            "moves": [asdict(move) for move in moves],
            "found": None if place is None else math.exp(place),
            "pairs": len(judging.pairs),
            "are_other_pairs": is_apart,
            "gain": None if compared is None else asdict(compared),
            "folding_percent": folds,
            "is_decided": factor != 1,
            "factor": factor,
            "seconds": time.monotonic() - begin,
        }
        write_json(file, content, is_sealed=True)
    return model


def _with_factor(model: RegistrationModel, factor: float) -> RegistrationModel:
    """The same network with another smoothness of its refinement."""
    about = replace(model.description, refine_smoothness=factor)
    return replace(model, description=about)


def _found(
    judging: Judging, model: RegistrationModel, config: RunConfig
) -> tuple[float | None, list[Move]]:
    """The logarithm of the factor to which the pairs lead, and the way there."""
    settings = config.evaluate.refine.search
    judge = make_judge(config, config.search)
    derivative = RefinementDerivative(
        model, judge, steps=settings.steps, compiler_options=quick_compilation()
    )
    minima: dict[int, Any] = {}

    def at(log_factor: float) -> Sequence[AtMinimum]:
        found = []
        for place, (batch, _) in enumerate(judging.batches):
            one = derivative(batch, log_factor, minima.get(place))
            one = jax.device_get(one)
            if one.is_minimum:
                minima[place] = one.control
            found.append(one)
        return found

    return follow(at, settings)


def _compared(
    judging: Judging, model: RegistrationModel, config: RunConfig, factor: float
) -> tuple[Gain, list[float]]:
    """The gain of refined pairs, and folded voxels in percent, before and with it."""
    judge, refine = config.search.judge, config.evaluate.refine
    name = judge if judge in ("dice", "landmarks") else "mind"
    starts = [model.start(model(b.moving, b.fixed)) for b, _ in judging.batches]
    scores, folds = [], []
    for one in (model, _with_factor(model, factor)):
        fields = [
            one.refine(
                batch.moving,
                batch.fixed,
                start,
                steps=refine.steps,
                learning_rate=refine.learning_rate,
            ).displacement
            for (batch, _), start in zip(judging.batches, starts, strict=True)
        ]
        scores.append(judging.scored(fields)[name])
        folds.append(100 * float(np.mean([folding_fraction(f) for f in fields])))
    return gain(scores[1], scores[0], noise=0.0), folds


def _say(place: float | None, compared: Gain | None) -> None:
    if place is None or compared is None:
        logger.info("The smoothness of the refinement stays.")
        return
    interval = f"{compared.mean:+.4f} ({compared.low:+.4f} to {compared.high:+.4f})"
    words = "Chosen" if compared.is_decided else "Not decided"
    rest = "" if compared.is_decided else "; it stays"
    logger.info(
        "%s: %.3g times the smoothness of the refinement gains %s%s.",
        words,
        math.exp(place),
        interval,
        rest,
    )
