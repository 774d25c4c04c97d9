"""Training of one network, from random weights or those of a model."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort
from autoreg_jax.inference import RegistrationModel, load_model
from autoreg_jax.losses import Objective
from autoreg_jax.programs import (
    Network,
    NetworkFamily,
    Programs,
    Stream,
    TrainingData,
    check_space,
    conditioned,
    learns_from_labels,
    make_lambda,
    make_network,
    stacked_rows,
    training_steps,
)
from autoreg_jax.runtime import (
    ONE_DEVICE,
    Placement,
    RunFolder,
    in_single_precision,
    owns,
    placement,
)
from autoreg_jax.search_space import Genotype
from autoreg_jax.workflows._images import (
    PairImages,
    chunk_sizes,
    split_images,
    waiting,
)
from autoreg_jax.workflows._journal import Journal
from autoreg_jax.workflows._loop import repeat
from autoreg_jax.workflows._origin import of_splits
from autoreg_jax.workflows._pairs import pair_names, pair_sampler, roles_of
from autoreg_jax.workflows._task import Task
from autoreg_jax.workflows.divergence import checks_of, rollback_of
from autoreg_jax.workflows.training import (
    Budget,
    budget_of,
    check_judge,
    first_weights,
    initial_model,
    is_finished,
    make_validation,
    on_grid,
    rated,
    told_of,
    trained_model,
    training_record,
    with_usual,
)


@in_single_precision
@owns()
def train(  # noqa: PLR0913
    train: Cohort,
    config: RunConfig,
    genotype: Genotype | str | Network,
    lam: Mapping[str, float],
    *,
    validation: Cohort | None = None,
    run: Path | str | None = None,
    resume: bool = False,
    journal: Journal | None = None,
    network: NetworkFamily | None = None,
    objective: Objective | None = None,
    programs: Programs | None = None,
    initial: RegistrationModel | Path | str | None = None,
) -> RegistrationModel:
    """Train a network with the loss weights λ.

    Args:
        train: Subjects from which ω learns; their labels are read if λ has the term
            `dice` or images are made from them, and otherwise not.
        config: The run.
        genotype: The architecture, the name of one of `baselines.NETWORKS`, or a Flax
            module of your own that is called as `networks.RegistrationNetwork` is.
        lam: Weights of Eq. (4), full, smooth, half, quarter, and of further terms.
        validation: Subjects on which Dice or loss is measured now and then, see
            `train.judge`. It changes nothing unless the best weights are kept.
        run: Folder for metrics.jsonl, checkpoints and model.
        resume: Resume the training in this folder; a finished one is read, or continued
            if `train.restart` is the step at which it ended.
        journal: Takes the records instead of one made from `run` and `resume`: to
            observe the states, for example.
        network: A network family of your own, `genotype -> network`, as for `search`.
        objective: An objective of your own instead of that of the configuration.
        programs: Compiled programs of a search or training with the same network and
            objective, to be reused.
        initial: A model, or its folder, whose weights the training starts from and
            whose network it keeps, whatever `config.network` says; `genotype` is that
            of its description. The folder of the run gets a copy, with which it is
            resumed.

    Returns:
        The trained model.

    Raises:
        NonFiniteError: If a loss, gradient or weight became NaN or infinite.
        ArtifactError: If the folder holds a training and `resume` is not given, or if
            its contents are damaged or of other settings, or if there is no model
            `initial` or it does not fit.
        ConfigError: If λ or the augmentation needs labels or landmarks that the
            subjects lack, or the devices of `mesh.space` cannot share the images.
        DataError: If no pair of the subjects is as `config.pairs` asks, or if there are
            no validation subjects, or none with labels, to judge the weights by.
        ValueError: If `resume` is given without `run`, or `programs` of another run.
    """
    learns_from_labels(train, lam, config.train.augment)
    journal = journal or Journal(run, resume=resume)
    folder = None if journal.run is None else RunFolder(journal.run)
    programs = programs_for(
        config, train, programs, network=network, objective=objective
    )
    if isinstance(genotype, Genotype):
        module = programs.make_network(genotype)
    else:
        module = make_network(config, genotype)
    start = initial_model(genotype, module, initial, folder, journal)
    module = module if start is None else start.network
    module = conditioned(module, told_of(config, start), lam)
    is_there = folder and journal.resume and (folder.model / "model.json").is_file()
    if folder and is_there and is_finished(config.train, journal.last("train")):
        return load_model(folder.path, network=module)
    check_judge(config.train, validation)
    check_space(train.images.shape[1:-1], config.mesh.space, [1])
    batches = [config.train.batch_size]
    task = training_task(
        train,
        config,
        module,
        lam,
        programs,
        validation=validation,
        devices=placement(
            config.mesh.pairs,
            config.mesh.members,
            batches,
            has_members=False,
            space=config.mesh.space,
        ),
        initial=start,
        budget=budget_of(config.train, journal.of_stage("train")),
    )
    if start is not None and folder is not None and not folder.initial.is_dir():
        start.save(folder.initial)
    omega = np.asarray(repeat(task, journal).chosen)
    model = trained_model(train, config, genotype, module, lam, programs, omega, start)
    model = with_usual(model, validation, config)
    if folder is not None:
        model.save(folder.model)
    return model


def programs_for(
    config: RunConfig, train: Cohort, programs: Programs | None, **own: Any
) -> Programs:
    """New programs with objects of the caller, or the given ones after a check."""
    ndim, channels = train.images.ndim - 2, train.images.shape[-1]
    if programs is None:
        return Programs(config, ndim, channels=channels, **own)
    if any(value is not None for value in own.values()):
        raise ValueError("give network, objective and estimator to Programs(...).")
    if not programs.fits(config, ndim, channels):
        raise ValueError("the programs are of another network, objective or images.")
    return programs


def training_task(  # noqa: PLR0913
    train: Cohort,
    config: RunConfig,
    network: Network,
    lam: Mapping[str, float],
    programs: Programs,
    *,
    validation: Cohort | None = None,
    name: str = "train",
    devices: Placement = ONE_DEVICE,
    initial: RegistrationModel | None = None,
    budget: Budget = Budget(),  # noqa: B008 - frozen
) -> Task:
    """The loop of a training, `config.train.steps` long.

    Without validation subjects the last weights are kept.
    """
    is_labelled = learns_from_labels(train, lam, config.train.augment)
    known = {"with_labels": is_labelled, "with_landmarks": "landmarks" in lam}
    split = split_images(train, config, devices, **known)
    weights = devices.everywhere(make_lambda(lam))
    key = None
    if config.train.augment.is_used:
        key = jax.random.fold_in(jax.random.key(config.seed), Stream.TRAIN)
        key = devices.everywhere(key)
    settings = rated(config.train, initial)
    settings = replace(settings, augment=on_grid(settings.augment, train))
    if validation is None:
        settings = replace(settings, keep="last")
    algorithm = programs.training(network, settings)
    told = len(train.structures), told_of(config, initial)
    training = training_steps(programs, network, settings, split.outline, *told)
    steps, log_every = config.train.steps, config.train.log_every
    pairs = pair_sampler(
        len(train.names),
        roles_of(train, config.pairs),
        (config.seed, Stream.TRAIN, 0),
        config.train.batch_size * config.train.accumulate,
    )
    asked = config.train.steps_per_call
    chunk, size = chunk_sizes(asked, training.chunk, (split, pairs))
    images = PairImages(split, pairs, steps, chunk)
    rate = f"learning rate {settings.learning_rate:.3g}"
    judge = make_validation(config, network, lam, programs, validation, devices)

    def start() -> Any:
        return algorithm.init(first_weights(config, network, programs, initial))

    def advance(state: Any, steps: range, passed: float) -> tuple[Any, Any]:
        cohort, rows = images.chunk(steps)
        rows = stacked_rows(rows, size)
        used = budget.used(passed)
        used = None if used is None else np.float32(used)
        data = TrainingData(cohort, weights, key, used)
        return training.run(state, rows, len(steps), data)

    def is_scored(step: int) -> bool:
        if judge is None:
            return False
        before = (step - 1) // log_every * log_every
        return step // judge.every > before // judge.every or step == steps

    def named(step: int) -> str:
        return pair_names(train, pairs[step - 1])

    def describe(state: Any, infos: list[Any], step: int) -> dict[str, Any]:
        del state
        fields = training_record(
            name, infos, step, pairs=named, rate=rate, keep=settings.keep
        )
        return fields | waiting(images)

    def show(fields: dict[str, Any]) -> dict[str, Any]:
        shown = {"loss": fields.get("loss"), "dice": fields.get("validation_dice")}
        found = fields.get("validation_loss")
        return shown if found is None else shown | {"validation": found}

    return Task(
        name,
        steps,
        start,
        advance,
        describe,
        show,
        log_every,
        chunk=chunk,
        is_end=is_scored,
        devices=devices,
        judge=judge,
        stop=budget.rule(),
        check=checks_of(
            name,
            config.divergence,
            keep=settings.keep,
            is_fresh=initial is None,
            about=rate,
        ),
        rollback=rollback_of(config.divergence),
        inputs=partial(_inputs, train, validation, lam, network, config.seed),
    )


def _inputs(
    train: Cohort,
    validation: Cohort | None,
    lam: Mapping[str, float],
    network: Network,
    seed: int,
) -> dict[str, Any]:
    """What the states of a training depend on; others are refused when it resumes."""
    return {
        **of_splits(train, validation),
        "loss weights": {term: float(lam[term]) for term in lam},
        "architecture": str(getattr(network, "genotype", "")),
        "seed": seed,
    }
