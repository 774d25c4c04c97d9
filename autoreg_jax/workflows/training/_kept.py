"""What a training keeps of an earlier one, or of the model that it starts from."""

import logging
from collections.abc import Mapping
from typing import Any

from autoreg_jax.config import RunConfig, merge
from autoreg_jax.errors import ArtifactError, ConfigError, GeometryError
from autoreg_jax.inference import RegistrationModel
from autoreg_jax.losses import PAPER_WEIGHTS, image_terms, in_order
from autoreg_jax.programs import weights_of
from autoreg_jax.runtime import RunFolder
from autoreg_jax.workflows.training._initial import like_model

logger = logging.getLogger(__name__)

# How the network is computed, not what.
_COMPUTED = ("precision", "rematerialise")


def check_continued(
    stored: RunConfig, config: RunConfig, folder: RunFolder, *, more: bool
) -> None:
    """Refuse to continue with another network, or to resume a finished training.

    Args:
        stored: The settings of the training so far.
        config: Those with which it is to go on.
        folder: Of the run.
        more: Whether it is finished and continued.

    Raises:
        ConfigError: If the network is another one.
        ArtifactError: If it is finished, and `config` asks for another training.
    """
    records = [record for record in folder.records() if record["stage"] == "train"]
    if not records:
        return
    for part in ("network", "quirks"):
        before, now = vars(getattr(stored, part)), vars(getattr(config, part))
        for name in before:
            if name not in _COMPUTED and now[name] != before[name]:
                raise ConfigError(
                    f"{part}.{name}: is {_text(now[name])}, but the training had "
                    f"{_text(before[name])}; keep the settings of its training, or "
                    "start another one."
                )
    last, train = records[-1], config.train
    is_stopped = "stopped" in last and last["step"] > stored.train.restart
    is_over = is_stopped or last["step"] >= stored.train.steps
    is_same = train == stored.train or train.restart != stored.train.restart
    if is_over and not (more or is_same):
        raise ArtifactError(
            f"the training is finished after {last['step']} steps; to continue it with "
            "other settings use `autoreg train RUN --more N`, with --minutes N where "
            "time limits it."
        )


def settings_from(config: RunConfig, model: RegistrationModel) -> RunConfig:
    """The settings of a training that starts from a model, whose network stays.

    The log names each setting that differs from what is used.
    """
    kept, usual = like_model(config, model), RunConfig()
    for part in ("network", "quirks"):
        asked, used = vars(getattr(config, part)), vars(getattr(kept, part))
        default = vars(getattr(usual, part))
        for name in asked:
            if asked[name] not in (used[name], default[name]):
                logger.warning(
                    "%s.%s: %s is not used: the network is that of the model, %s.",
                    *(part, name, _text(asked[name]), _text(used[name])),
                )
    return kept


def weights_from(config: RunConfig, model: RegistrationModel) -> dict[str, float]:
    """λ of a training that starts from a model: of the model, but for what is set.

    A weight is set if it is not that of the default settings. Terms beyond the images,
    such as `dice`, are there only if they are set.
    """
    own, usual = weights_of(config.objective), weights_of(RunConfig().objective)
    given = {name: own[name] for name in own if own[name] != usual.get(name)}
    lam = model.description.lam
    kept = image_terms(lam) | given
    for name in in_order({**lam, **given}):
        is_changed = kept.get(name) != lam.get(name)
        if is_changed:
            now = f"{given[name]:g}, as set" if name in given else "left out"
            before = f"{lam[name]:.4g}" if name in lam else "none"
            logger.info("λ %s is %s; the model has %s.", name, now, before)
    return in_order(kept)


def with_weights(config: RunConfig, lam: Mapping[str, float]) -> RunConfig:
    """The settings with the weights that are used, but for terms of your own."""
    four = {name: lam.get(name, 0.0) for name in PAPER_WEIGHTS}
    extra = {name: lam.get(name) for name in vars(config.objective.extra)}
    return merge(config, {"objective": four | {"extra": extra}})


def check_axes(model: RegistrationModel, ndim: int, name: object) -> None:
    """Refuse a model of images with another number of axes.

    Raises:
        GeometryError: If it is.
    """
    own = len(model.description.spacing)
    if own != ndim:
        raise GeometryError(
            f"{name}: was trained on images of {own} axes, but those of the dataset "
            f"have {ndim}; use a model of that dimension."
        )


def _text(value: Any) -> str:
    return str(list(value) if isinstance(value, tuple) else value)
