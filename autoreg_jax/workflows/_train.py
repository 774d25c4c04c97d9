"""Training of the chosen network from scratch."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import nibabel
import numpy as np

from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort, PairSampler, evaluation_pairs
from autoreg_jax.inference import ModelDescription, RegistrationModel, load_model
from autoreg_jax.losses import in_order
from autoreg_jax.search import STAGES
from autoreg_jax.search_space import Genotype
from autoreg_jax.workflows._build import (
    make_network,
    make_wiring,
    on_device,
)
from autoreg_jax.workflows._flat import layout_of
from autoreg_jax.workflows._initial import initial_vector
from autoreg_jax.workflows._journal import Journal
from autoreg_jax.workflows._judge import with_judge
from autoreg_jax.workflows._lambda import make_lambda
from autoreg_jax.workflows._loop import Task, check_finite, repeat
from autoreg_jax.workflows._programs import (
    dice_of_pair,
    gather_pair,
    training_algorithm,
)
from autoreg_jax.workflows._roles import roles_of
from autoreg_jax.workflows._stage import sampler_seed

# The validation Dice is for the reader alone: a few numbers from a few pairs.
_NUM_SCORES = 5
_NUM_SCORED_PAIRS = 4


def train(
    train: Cohort,
    config: RunConfig,
    genotype: Genotype | str,
    lam: Mapping[str, float],
    *,
    validation: Cohort | None = None,
    run: Path | str | None = None,
    resume: bool = False,
) -> RegistrationModel:
    """Train the network of a genotype with the loss weights λ, without labels.

    Args:
        train: Subjects from which ω learns; their labels are not read.
        config: The run.
        genotype: The architecture, or the name of one of `baselines.BASELINES`.
        lam: Weights of Eq. (4), full, smooth, half, quarter, and of further terms.
        validation: Subjects with labels on which the Dice is recorded a few times; it
            changes nothing.
        run: Folder for metrics.jsonl, checkpoints and model.
        resume: Go on with the training that the folder holds; a finished one is read.

    Returns:
        The trained model.

    Raises:
        NonFiniteError: If a loss, gradient or weight became NaN or infinite.
        ArtifactError: If the folder holds a training and `resume` is not given, or if
            what it holds is damaged or of other settings.
        DataError: If no pair of the subjects is as `config.pairs` asks.
        ValueError: If `resume` is given without `run`.
    """
    run = None if run is None else Path(run)
    if resume and run is not None and (run / "model" / "model.json").is_file():
        return load_model(run)
    journal = Journal(run, resume=resume)
    config = with_judge(config, validation)  # one program with the search of λ
    state = repeat(_train_task(train, config, genotype, lam, validation), journal)
    description = ModelDescription(
        genotype=genotype,
        width=config.network.width,
        num_steps=config.network.num_steps,
        matching=config.network.matching,
        orientation="".join(map(str, nibabel.aff2axcodes(train.affine))),
        spacing=tuple(float(size) for size in train.spacing),
        lam={name: float(weight) for name, weight in lam.items()},
        similarity=config.objective.similarity,
        windows=config.objective.windows,
        wiring=make_wiring(config),
        is_dimmed=config.quirks.half_intensity_pyramid,
        intensity=train.intensity,
    )
    layout = layout_of(make_network(config, genotype), train.images.ndim - 2)
    model = RegistrationModel(description, layout.to_tree(np.asarray(state.params)))
    if run is not None:
        model.save(run / "model")
    return model


def _train_task(
    train: Cohort,
    config: RunConfig,
    genotype: Genotype | str,
    lam: Mapping[str, float],
    validation: Cohort | None,
) -> Task:
    """The loop of the training."""
    cohort = on_device(train, with_labels=False)
    weights = make_lambda(dict(lam))
    network, ndim = make_network(config, genotype), train.images.ndim - 2
    algorithm = training_algorithm(config, genotype, ndim)
    steps, log_every = config.train.steps, config.train.log_every
    pairs = PairSampler(
        len(train.names),
        batch_size=config.train.batch_size,
        seed=sampler_seed(config.seed, len(STAGES), 0),
        **roles_of(train, config.pairs)._asdict(),
    )
    validation_dice = _make_validation_dice(config, genotype, validation)
    score_every = max(1, steps // _NUM_SCORES)

    def start() -> Any:
        seed = (config.seed, len(STAGES))
        is_torch = config.quirks.torch_start
        omega = initial_vector(network, ndim, seed, is_torch=is_torch)
        return algorithm.init(omega)

    def advance(state: Any, step: int) -> tuple[Any, Any]:
        return algorithm.step(state, (gather_pair(cohort, pairs[step]), weights))

    def describe(state: Any, infos: list[Any], step: int) -> dict[str, Any]:
        infos = jax.device_get(infos)
        for place, info in enumerate(infos, start=step - len(infos) + 1):
            values = {"loss": info.loss, **in_order(info.terms)}
            values["gradient_norm"] = info.gradient_norm
            check_finite("train", place, bool(info.is_finite), values)
        mean = jax.tree.map(lambda *values: float(np.mean(values)), *infos)
        fields = {"loss": mean.loss, "terms": in_order(mean.terms)}
        is_due = step // score_every > (step - len(infos)) // score_every
        if validation_dice and (is_due or step == steps):
            fields["validation_dice"] = validation_dice(state.params)
        return fields

    def show(fields: dict[str, Any]) -> dict[str, Any]:
        return {"loss": fields["loss"], "dice": fields.get("validation_dice")}

    return Task("train", steps, start, advance, describe, show, log_every)


def _make_validation_dice(
    config: RunConfig, genotype: Genotype | str, validation: Cohort | None
) -> Callable[[Any], float] | None:
    """Mean Dice over a few fixed pairs as a function of ω, where labels allow it."""
    if validation is None or validation.labels is None:
        return None
    cohort = on_device(validation, with_labels=True)
    program = dice_of_pair(config, genotype, len(validation.structures))
    pairs = evaluation_pairs(
        len(validation.names),
        _NUM_SCORED_PAIRS,
        config.seed,
        **roles_of(validation, config.pairs)._asdict(),
    )

    def validation_dice(params: Any) -> float:
        arrays = (np.asarray([[moving], [fixed]]) for moving, fixed in pairs)
        scores = [program(params, cohort, tuple(pair)) for pair in arrays]
        return float(np.nanmean(jax.device_get(scores)))

    return validation_dice
