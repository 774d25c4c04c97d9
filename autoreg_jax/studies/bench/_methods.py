"""Methods by name: what runs, with what settings, and what tells it from another."""

import zlib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import jax

from autoreg_jax.baselines import BASELINES
from autoreg_jax.baselines.adapters import ADAPTERS
from autoreg_jax.errors import ConfigError
from autoreg_jax.inference import load_model

NONE, OURS, REFINED = "none", "autoreg", "autoreg_refined"
CLASSICAL = "autoreg_classical"
_NETWORK = "autoreg_jax.studies.bench._network"
_CLASSICAL = "autoreg_jax.studies.bench._classical"
_DISTRIBUTIONS = {
    "ants": "antspyx",
    "convexAdam": "convexadam",
    "itk": "itk-elastix",
    "torch": "torch",
    "voxelmorph": "voxelmorph",
}


class Method(NamedTuple):
    """A method of the bench.

    Attributes:
        name: As on the command line.
        module: What its process opens; empty for no registration at all.
        settings: For the process.
        identity: What its results depend on besides the pairs; no paths.
        source: How to get it where it is missing.
        parameters: Of its network; None without one.
        is_limited: Whether its address space may be limited: that of a program that
            talks to an accelerator is without bounds.
    """

    name: str
    module: str
    settings: Mapping[str, Any]
    identity: Mapping[str, Any]
    source: str = ""
    parameters: int | None = None
    is_limited: bool = True


def method_names() -> tuple[str, ...]:
    """All names, parameter sets that are not the default with a dot behind."""
    programs = [
        name if place == 0 else f"{name}.{kind}"
        for name, adapter in sorted(ADAPTERS.items())
        for place, kind in enumerate(adapter.settings)
    ]
    return NONE, OURS, REFINED, CLASSICAL, *BASELINES, *programs


def check_names(names: tuple[str, ...], *, has_model: bool) -> None:
    """Refuse what there is not.

    Raises:
        ConfigError: If a name is unknown or comes twice, or a model is missing.
    """
    known = method_names()
    for name in names:
        if name not in known:
            raise ConfigError(f"methods: {name!r} is unknown; known are {known}.")
    if len(set(names)) < len(names) or not names:
        raise ConfigError(f"methods: name some, each once; got {list(names)}.")
    if not has_model and {OURS, REFINED} & set(names):
        raise ConfigError(
            f"methods: {OURS} and {REFINED} need a trained network; name its run with "
            "--model RUN."
        )


def nothing() -> Method:
    """No registration: the state before."""
    return Method(NONE, "", {}, {})


def classical(steps: int, learning_rate: float, *, is_multimodal: bool) -> Method:
    """Registration without a model.

    Args:
        steps: At most, at each resolution.
        learning_rate: Of the steps.
        is_multimodal: Whether the images have several contrasts.

    Raises:
        ConfigError: If there are no steps.
    """
    if steps < 1:
        raise ConfigError(
            f"methods: {CLASSICAL} needs steps; set evaluate.refine.steps=60, say."
        )
    similarity = "mind" if is_multimodal else "ncc"
    how = {"steps": steps, "learning_rate": learning_rate, "similarity": similarity}
    return Method(CLASSICAL, _CLASSICAL, how, how, is_limited=False)


def network(name: str, run: Path, refine: Mapping[str, Any] | None = None) -> Method:
    """A trained network.

    Args:
        name: Of the method.
        run: Its run or model folder.
        refine: `steps` and `learning_rate` of the optimisation on each pair.

    Raises:
        ArtifactError: If there is no complete model.
    """
    model = load_model(run)
    place = Path(str(model.path))
    weights = zlib.crc32((place / "weights.npz").read_bytes())
    steps = {"refine": refine["steps"] if refine else 0}
    steps |= {"learning_rate": refine["learning_rate"] if refine else 0.0}
    parameters = sum(leaf.size for leaf in jax.tree.leaves(model.params))
    settings = {"model": str(place.resolve()), **steps}
    identity = {"weights": weights, **steps}
    return Method(name, _NETWORK, settings, identity, "", parameters, False)


def program(name: str, *, is_multimodal: bool, weights: Path | None = None) -> Method:
    """A program of others, `NAME` or `NAME.SETTINGS`.

    Args:
        name: Of the method.
        is_multimodal: Whether the images have several contrasts.
        weights: Run of the network that the program takes its weights from.
    """
    key, _, kind = name.partition(".")
    adapter = ADAPTERS[key]
    settings = dict(adapter.settings[kind or "default"])
    identity: dict[str, Any] = {"settings": dict(settings)}
    identity["versions"] = {
        package: _version(_DISTRIBUTIONS[package]) for package in adapter.packages
    }
    parameters = None
    if weights is not None:
        trained = network(name, weights)
        path = Path(trained.settings["model"]) / "weights.npz"
        settings["weights"] = str(path)
        identity["weights"] = trained.identity["weights"]
        parameters = trained.parameters
    else:
        settings["is_multimodal"] = is_multimodal
        identity["is_multimodal"] = is_multimodal
    return Method(name, adapter.module, settings, identity, adapter.source, parameters)


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
