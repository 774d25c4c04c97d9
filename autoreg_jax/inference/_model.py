"""A trained network on disk and in memory."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import traverse_util
from flax.errors import FlaxError
from jax import Array

from autoreg_jax.baselines import BASELINES, make_baseline
from autoreg_jax.config import Intensity
from autoreg_jax.errors import ArtifactError, ConfigError
from autoreg_jax.files import write_bytes, write_json
from autoreg_jax.networks import Registration, RegistrationNetwork, Wiring
from autoreg_jax.runtime import RunFolder
from autoreg_jax.search_space import Genotype

_FORMAT = 2
# Format 1 knows neither `wiring` nor `is_dimmed`: both are the defaults. So is
# `intensity` where it is missing.
_READABLE = (1, _FORMAT)
_DESCRIPTION, _WEIGHTS = "model.json", "weights.npz"
_UNREADABLE = (
    AttributeError,  # a description that is JSON, but no object
    ConfigError,
    KeyError,
    OSError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
)


@dataclass(frozen=True)
class ModelDescription:
    """Everything that a model is besides its weights.

    Attributes:
        genotype: The chosen operations, or the name of one of `baselines.BASELINES`,
            or of the class of a network of your own.
        width: Factor on the published channel numbers; a rival has its own in any case.
        num_steps: Squarings of the velocity field.
        matching: Radius of the feature matching at half and quarter resolution; None
            for the network of the paper.
        orientation: Axis letters of the training images, as "RAS".
        spacing: Voxel size of the training images in mm; its length is the dimension.
        lam: Weights of the training loss: full, smooth, half, quarter, further terms.
        similarity: "ncc" or "mind".
        windows: Windows of the local correlation at the three resolutions.
        wiring: What happens between the cells.
        is_dimmed: Whether the training loss dims coarse images, `registration_loss`.
        intensity: How grey values become what the network sees.
    """

    genotype: Genotype | str
    width: float
    num_steps: int
    matching: tuple[int, int] | None
    orientation: str
    spacing: tuple[float, ...]
    lam: dict[str, float]
    similarity: str
    windows: tuple[int, int, int]
    wiring: Wiring = field(default_factory=Wiring)
    is_dimmed: bool = False
    intensity: Intensity = field(default_factory=Intensity)


@dataclass(frozen=True)
class RegistrationModel:
    """A trained registration network, ready to be called.

    Attributes:
        description: What it is.
        params: Its weights ω, a nested dictionary.
        path: Where it was read from, if it was.
        network: A Flax module of your own, called as `networks.RegistrationNetwork`;
            default: the network of the description.
    """

    description: ModelDescription
    params: Any
    path: Path | None = None
    network: Any = None

    @cached_property
    def _predict(self) -> Callable[..., Registration]:
        network = self.network or _network_of(self.description)
        return jax.jit(
            lambda w, moving, fixed: network.apply({"params": w}, moving, fixed)
        )

    def __call__(self, moving: Array, fixed: Array) -> Registration:
        """Predict velocity and displacements of a batch; compiled once a shape.

        Args:
            moving: `(b, *space, 1)` in [0, 1], in the model's orientation and spacing.
            fixed: The same shape.

        Returns:
            What the network says, in voxels.

        Raises:
            ArtifactError: If the weights are not those of the described network.
        """
        try:
            return self._predict(self.params, moving, fixed)
        except FlaxError as error:
            raise ArtifactError(
                f"{self.path or 'the model'}: {_WEIGHTS} and {_DESCRIPTION} are not of "
                "one model; copy the whole folder again or train the model again."
            ) from error

    def save(self, folder: Path | str) -> Path:
        """Write `model.json` and `weights.npz`.

        Args:
            folder: Made if it is not there; a model in it is replaced.

        Returns:
            The folder.
        """
        folder = Path(folder)
        flat = traverse_util.flatten_dict(self.params, sep="/")
        weights: dict[str, Any] = {name: np.asarray(flat[name]) for name in flat}
        # Without its description a model counts as incomplete: an interruption here
        # leaves the old model, none or the new one, never a mixture.
        content = io.BytesIO()
        np.savez(content, **weights)
        (folder / _DESCRIPTION).unlink(missing_ok=True)
        write_bytes(folder / _WEIGHTS, content.getvalue())
        description = asdict(self.description)
        genotype = self.description.genotype
        if isinstance(genotype, Genotype):
            description["genotype"] = json.loads(genotype.to_json())
        write_json(folder / _DESCRIPTION, {"format": _FORMAT, **description})
        return folder


def _network_of(about: ModelDescription) -> Any:
    """The Flax module that a description means."""
    if isinstance(about.genotype, str):
        if about.genotype not in BASELINES:
            raise ArtifactError(
                f"the model has a network of its own, {about.genotype}; give it, too: "
                "load_model(folder, network=...)."
            )
        return make_baseline(about.genotype, about.num_steps)
    return RegistrationNetwork(
        about.genotype,
        about.width,
        about.num_steps,
        about.matching,
        wiring=about.wiring,
    )


def load_model(path: Path | str, *, network: Any = None) -> RegistrationModel:
    """Read a model.

    Args:
        path: A model folder, or a run folder that holds one in `model/`.
        network: The Flax module of a model with a network of your own.

    Returns:
        The model.

    Raises:
        ArtifactError: If there is no complete model of this format.
    """
    folder = Path(path)
    if not (folder / _DESCRIPTION).is_file() and RunFolder(folder).model.is_dir():
        folder = RunFolder(folder).model
    for name in (_DESCRIPTION, _WEIGHTS):
        if not (folder / name).is_file():
            raise ArtifactError(
                f"no model in {path}: {folder / name} is missing; give a run folder in "
                "which training has finished, or its `model` folder."
            )
    try:
        description = _read_description(folder / _DESCRIPTION)
        # From memory: NumPy leaves the file open where it is no archive.
        with np.load(io.BytesIO((folder / _WEIGHTS).read_bytes())) as weights:
            flat = {name: weights[name] for name in weights.files}
        params = traverse_util.unflatten_dict(flat, sep="/")
    except _UNREADABLE as error:
        raise ArtifactError(
            f"the model in {folder} cannot be read ({error}); copy the whole folder "
            "again or train the model again."
        ) from error
    return RegistrationModel(description, params, folder, network)


def _read_description(path: Path) -> ModelDescription:
    """Read `model.json`; any error that it may raise is one of `_UNREADABLE`."""
    content = json.loads(path.read_text(encoding="utf-8"))
    found = content.pop("format", None)
    if found not in _READABLE:
        raise ArtifactError(
            f"{path}: model format {found!r}, but this version reads up to {_FORMAT}; "
            "train the model again or install the version that wrote it."
        )
    if not isinstance(content["genotype"], str):
        content["genotype"] = Genotype.from_json(json.dumps(content["genotype"]))
    content["spacing"] = tuple(content["spacing"])
    content["windows"] = tuple(content["windows"])
    if content["matching"] is not None:
        content["matching"] = tuple(content["matching"])
    content["wiring"] = Wiring(**content.get("wiring", {}))
    content["intensity"] = Intensity(**content.get("intensity", {}))
    return ModelDescription(**content)
