"""A trained network on disk and in memory."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import traverse_util
from jax import Array

from autoreg_jax.errors import ArtifactError
from autoreg_jax.networks import Registration, RegistrationNetwork
from autoreg_jax.search_space import Genotype

_FORMAT = 1
_DESCRIPTION, _WEIGHTS = "model.json", "weights.npz"


@dataclass(frozen=True)
class ModelDescription:
    """Everything that a model is besides its weights.

    Attributes:
        genotype: The chosen operations.
        width: Factor on the published channel numbers.
        num_steps: Squarings of the velocity field.
        orientation: Axis letters of the training images, as "RAS".
        spacing: Voxel size of the training images in mm; its length is the dimension.
        lam: Weights of the training loss: full, smooth, half, quarter.
        similarity: "ncc" or "mind".
        windows: Windows of the local correlation at the three resolutions.
    """

    genotype: Genotype
    width: float
    num_steps: int
    orientation: str
    spacing: tuple[float, ...]
    lam: dict[str, float]
    similarity: str
    windows: tuple[int, int, int]


@dataclass(frozen=True)
class RegistrationModel:
    """A trained registration network, ready to be called.

    Attributes:
        description: What it is.
        params: Its weights ω, a nested dictionary.
        path: Where it was read from, if it was.
    """

    description: ModelDescription
    params: Any
    path: Path | None = None

    @cached_property
    def _predict(self) -> Callable[..., Registration]:
        about = self.description
        network = RegistrationNetwork(about.genotype, about.width, about.num_steps)
        return jax.jit(lambda p, moving, fixed: network.apply({"params": p}, moving, fixed))

    def __call__(self, moving: Array, fixed: Array) -> Registration:
        """Predict velocity and displacements of a batch; compiled once a shape.

        Args:
            moving: `(b, *space, 1)` in [0, 1], in the model's orientation and spacing.
            fixed: The same shape.

        Returns:
            What the network says, in voxels.
        """
        return self._predict(self.params, moving, fixed)

    def save(self, folder: Path | str) -> Path:
        """Write `model.json` and `weights.npz`.

        Args:
            folder: Made if it is not there.

        Returns:
            The folder.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        flat = traverse_util.flatten_dict(self.params, sep="/")
        partial = folder / f"partial_{_WEIGHTS}"
        np.savez(partial, **{name: np.asarray(value) for name, value in flat.items()})
        partial.replace(folder / _WEIGHTS)
        content = asdict(self.description)
        content["genotype"] = json.loads(self.description.genotype.to_json())
        content["format"] = _FORMAT
        partial = folder / f"partial_{_DESCRIPTION}"
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        partial.replace(folder / _DESCRIPTION)
        return folder


def load_model(path: Path | str) -> RegistrationModel:
    """Read a model.

    Args:
        path: A model folder, or a run folder that holds one in `model/`.

    Returns:
        The model.

    Raises:
        ArtifactError: If there is no complete model of this format.
    """
    folder = Path(path)
    if not (folder / _DESCRIPTION).is_file() and (folder / "model").is_dir():
        folder = folder / "model"
    for name in (_DESCRIPTION, _WEIGHTS):
        if not (folder / name).is_file():
            raise ArtifactError(
                f"no model in {path}: {folder / name} is missing; give a run folder in "
                "which training has finished, or its `model` folder."
            )
    try:
        content = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        found = content.pop("format", None)
        if found != _FORMAT:
            raise ArtifactError(
                f"{folder / _DESCRIPTION}: model format {found!r}, but this version reads "
                f"{_FORMAT}; train the model again or install the version that wrote it."
            )
        content["genotype"] = Genotype.from_json(json.dumps(content["genotype"]))
        content["spacing"] = tuple(content["spacing"])
        content["windows"] = tuple(content["windows"])
        description = ModelDescription(**content)
        with np.load(folder / _WEIGHTS) as weights:
            flat = {name: weights[name] for name in weights.files}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ArtifactError(
            f"the model in {folder} cannot be read ({error}); copy the whole folder again "
            "or train the model again."
        ) from error
    params = traverse_util.unflatten_dict(flat, sep="/")
    return RegistrationModel(description, params, folder)
