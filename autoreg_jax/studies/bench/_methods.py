"""The methods that a bench can compare, by name."""

import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

from autoreg_jax.baselines import NETWORKS
from autoreg_jax.baselines.adapters import ADAPTERS
from autoreg_jax.config import RunConfig
from autoreg_jax.errors import ConfigError
from autoreg_jax.inference import load_model

NONE, OURS, REFINED = "none", "autoreg", "autoreg_refined"
CLASSICAL = "autoreg_classical"
_OWN = "autoreg_jax.studies.bench._own"


@dataclass(frozen=True, kw_only=True)
class Method:
    """A registration method that runs in a process of its own.

    Attributes:
        name: In tables, and of the files of its results: letters, digits, `_.-`.
        module: Importable module with `open_method(settings)`, as described in
            `baselines.adapters`; empty for no registration at all.
        settings: Argument of `open_method`, of types that JSON knows.
        identity: What the results depend on besides the pairs, without paths; results
            of another identity are not mixed. Default: the settings.
        source: How to install the method where it is missing.
        parameters: Number of weights of its network; None without one.
        is_limited: Whether the limit of memory applies; it cannot for a program that
            uses an accelerator, whose address space has no bounds.
    """

    name: str
    module: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    identity: Mapping[str, Any] | None = None
    source: str = ""
    parameters: int | None = None
    is_limited: bool = True


@dataclass(frozen=True, kw_only=True)
class RivalNetwork:
    """A network of your own, which the bench trains on the training split.

    Attributes:
        name: In tables, and of its run and results: letters, digits, `_.-`.
        network: Class or function without arguments that makes a Flax module, called as
            `networks.RegistrationNetwork` is. It must be importable: each method runs
            in a process of its own.
        config: Settings of the training; default: those of the bench.

    Raises:
        ConfigError: If no other process can import the class or function.
    """

    name: str
    network: Callable[[], Any]
    config: RunConfig | None = None

    @property
    def reference(self) -> str:
        """`module:name` of the class or function."""
        return f"{self.network.__module__}:{self.network.__qualname__}"

    def __post_init__(self) -> None:
        module, _, name = self.reference.partition(":")
        if module == "__main__" or not name.isidentifier():
            raise ConfigError(
                f"methods: {self.name}: another process cannot import {module}:{name}; "
                "define it at the top level of a module."
            )


def method_names() -> tuple[str, ...]:
    """Names of all built-in methods; other settings of a program follow a dot."""
    programs = [
        name if place == 0 else f"{name}.{kind}"
        for name, adapter in sorted(ADAPTERS.items())
        for place, kind in enumerate(adapter.settings)
    ]
    return NONE, OURS, REFINED, CLASSICAL, *NETWORKS, *programs


def default_methods(*, has_model: bool) -> tuple[str, ...]:
    """Names of the methods that `autoreg bench` compares by default."""
    ours = (OURS, REFINED) if has_model else ()
    programs = ("ants_syn", "elastix", "niftyreg")
    return NONE, *ours, "multipropreg", "voxelmorph", "voxelmorph_diff", *programs


def in_order(names: Iterable[str]) -> list[str]:
    """Built-in names in the order of `method_names`, then all others by alphabet."""
    places = {name: place for place, name in enumerate(method_names())}
    return sorted(names, key=lambda name: (places.get(name, len(places)), name))


def checked_names(
    methods: Sequence[str | Method | RivalNetwork], *, has_model: bool
) -> list[str]:
    """The names of some methods, each known or usable and given once."""
    known = method_names()
    names = [one if isinstance(one, str) else one.name for one in methods]
    for one in methods:
        if isinstance(one, str) and one not in known:
            raise ConfigError(f"methods: {one!r} is unknown; known are {known}.")
        if not isinstance(one, str) and not re.fullmatch(r"\w[\w.-]*", one.name):
            raise ConfigError(
                f"methods: {one.name!r} is no file name; use letters, digits and _.-"
            )
    if len(set(names)) < len(names) or not names:
        raise ConfigError(f"methods: name at least one, each once; got {names}.")
    if not has_model and {OURS, REFINED} & {one for one in methods if one in known}:
        raise ConfigError(
            f"methods: {OURS} and {REFINED} need a trained network; name its run with "
            "--model RUN."
        )
    return names


def classical(steps: int, *, is_multimodal: bool) -> Method:
    """Registration without a model, `steps` at each resolution."""
    if steps < 1:
        raise ConfigError(
            f"methods: {CLASSICAL} needs steps; set for example "
            "evaluate.refine.steps=60."
        )
    similarity = "mind" if is_multimodal else "ncc"
    settings = {"steps": steps, "similarity": similarity}
    return Method(name=CLASSICAL, module=_OWN, settings=settings, is_limited=False)


def network(
    name: str,
    run: Path,
    *,
    steps: int = 0,
    learning_rate: float = 0.0,
    rival: RivalNetwork | None = None,
    orientation: str | None = None,
) -> Method:
    """A trained network, from its run or model folder.

    `steps` refine each pair; `rival` made the network, if this package did not;
    `orientation` is that of the pairs, by default that of the training.
    """
    model = load_model(run, network=rival and rival.network())
    place = Path(str(model.path))
    refine = {"refine": steps, "learning_rate": learning_rate}
    factor = model.description.refine_smoothness
    own = {"refine_smoothness": factor} if steps and factor != 1 else {}
    weights = zlib.crc32((place / "weights.npz").read_bytes())
    return Method(
        name=name,
        module=_OWN,
        settings={
            "model": str(place.resolve()),
            "network": rival and rival.reference,
            "orientation": orientation,
            **refine,
        },
        identity={"weights": weights, **refine, **own},
        parameters=sum(leaf.size for leaf in jax.tree.leaves(model.params)),
        is_limited=False,
    )


def program(name: str, *, is_multimodal: bool, weights: Path | None = None) -> Method:
    """A third-party program, `NAME` or `NAME.SETTINGS`.

    `weights` is the run of the network whose weights the program uses, if it needs one.
    """
    key, _, kind = name.partition(".")
    adapter = ADAPTERS[key]
    settings = dict(adapter.settings[kind or "default"])
    versions = {module: _version(name) for module, name in adapter.packages.items()}
    identity = {"settings": dict(settings), "versions": versions}
    parameters = None
    if weights is None:
        settings["is_multimodal"] = identity["is_multimodal"] = is_multimodal
    else:
        trained = network(name, weights)
        settings["weights"] = str(Path(trained.settings["model"]) / "weights.npz")
        identity["weights"] = dict(trained.identity or {})["weights"]
        parameters = trained.parameters
    return Method(
        name=name,
        module=adapter.module,
        settings=settings,
        identity=identity,
        source=adapter.source,
        parameters=parameters,
    )


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
