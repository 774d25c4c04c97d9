"""A trained network on disk and in memory."""

import logging
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import traverse_util
from flax.errors import FlaxError
from jax import Array

from autoreg_jax.errors import ArtifactError, ConfigError
from autoreg_jax.inference._description import SMOOTH, Described, ModelDescription
from autoreg_jax.inference._stored import (
    DESCRIPTION,
    WEIGHTS,
    digest,
    read_model,
    read_weights,
    write_model,
)
from autoreg_jax.inference.optimisation import SMOOTHNESS, Refined, register_pair
from autoreg_jax.losses import Similarity
from autoreg_jax.networks import Registration
from autoreg_jax.runtime import RunFolder, in_single_precision
from autoreg_jax.search_space import Genotype

logger = logging.getLogger(__name__)

_INCLUDED = Path(__file__).parents[1] / "models"
_UNREADABLE = (
    ArithmeticError,
    AttributeError,
    ConfigError,
    LookupError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, repr=False)
class RegistrationModel(Described):
    """A trained registration network.

    Attributes:
        description: Everything besides the weights.
        params: The weights ω, a nested dictionary.
        path: The folder that it was read from; None if it was never on disk.
        network: A hashable Flax module, `apply({"params": params}, moving, fixed)` of
            which is a `networks.Registration`. Default: as the description names it.
        smoothness: Factor on the weight of the smoothness under which it registers, see
            `with_smoothness`; it is not stored.

    Raises:
        ArtifactError: If no network is given and the description names none of this
            package, or if the given one cannot be told what the description says.

    Examples:
        A network of your own is named in the description, and given again when the
        model is loaded::

            description = ModelDescription(genotype="MyNetwork", ...)
            RegistrationModel(description, params, network=MyNetwork()).save("folder")
            model = load_model("folder", network=MyNetwork())
    """

    description: ModelDescription
    params: Any
    path: Path | None = None
    network: Any = None
    smoothness: float = 1.0

    def __post_init__(self) -> None:
        """Build the network of the description, unless one is given."""
        object.__setattr__(self, "network", self.description.network(self.network))

    def with_smoothness(self, factor: float) -> "RegistrationModel":
        """The model under another weight of the smoothness, with the same programs.

        Args:
            factor: On the weight `smooth` of λ; > 1 for smoother displacements. A
                refinement takes the same factor.

        Raises:
            ConfigError: If the network was not trained for this, or the factor is out
                of the range for which it was.
        """
        conditions = self.description.conditions
        if conditions is None or not self.description.is_told_smoothness:
            raise ConfigError(
                f"{self.path or 'the model'}: was trained for one smoothness alone; "
                "train one with network.conditions=[smooth], or refine (--refine N)."
            )
        told = replace(self, smoothness=factor)
        conditions.told(told._factors)
        return told

    @property
    def _factors(self) -> dict[str, float]:
        """On the weights of the loss of the training, but for those that are 1."""
        return {} if self.smoothness == 1 else {SMOOTH: self.smoothness}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the weights, their names and shapes, as hexadecimal digits."""
        return digest(traverse_util.flatten_dict(self.params, sep="/"))

    @in_single_precision
    def __call__(self, moving: Array, fixed: Array) -> Registration:
        """Predict for a batch; compiled once a shape for all models of equal networks.

        Args:
            moving: `(b, *space, c)` in [0, 1], in the model's orientation and spacing.
            fixed: The same shape.

        Returns:
            Velocity and displacements, in voxels.

        Raises:
            ArtifactError: If the weights do not fit the network.
            ConfigError: If it was trained on other numbers of images.
        """
        self.check_channels(fixed.shape[-1])
        told, terms = {}, self.description.conditions
        if terms is not None:
            told = {"condition": jnp.asarray(terms.told(self._factors), jnp.float32)}
        try:
            return _predict(self.network, self.params, moving, fixed, **told)
        except FlaxError as error:
            raise ArtifactError(
                f"{self.path or 'the model'}: the weights ({WEIGHTS}) do not fit the "
                f"network ({DESCRIPTION}); copy the whole folder again or train the "
                "model again."
            ) from error

    def start(self, found: Registration) -> Array:
        """The displacement that a refinement starts from: at half resolution.

        The full displacement is interpolated from that one, but for networks of your
        own, networks at full resolution and some of `quirks`.
        """
        about = self.description
        is_interpolated = (
            isinstance(about.genotype, Genotype)
            and about.structure.resolution == "half"
            and not (about.wiring.is_integrated_twice or about.wiring.is_nominal)
        )
        fields = found.displacements
        return fields.half if is_interpolated else fields.full

    @in_single_precision
    def refine(
        self,
        moving: Array,
        fixed: Array,
        start: Array | None = None,
        *,
        steps: int,
        learning_rate: float = 0.2,
        similarity: str | Similarity | None = None,
        smoothness: float | None = None,
        **pair: Any,
    ) -> Refined:
        """Optimise the prediction for one pair, see `register_pair`.

        The similarity is that of the training. The smoothness is in proportion to what
        λ gave it there, or what validation pairs have decided, see
        `ModelDescription.smoothness`; further terms of the training have no part in it.

        Args:
            moving: `(1, *space, 1)` in [0, 1], in the model's orientation and spacing.
            fixed: The same shape.
            start: Displacement `(1, *grid, d)`, in voxels of any grid that covers the
                images; default: the `start` of the prediction.
            steps: Most steps at half resolution, ≥ 1; at full resolution a third.
            learning_rate: Initial learning rate, voxels of half resolution per step.
            similarity: To optimise instead of the one of the training.
            smoothness: Factor on the weight of the smoothness (> 0); default: that of
                the model.
            pair: `fixed_mask`, `moving_mask` and `guidance` of `register_pair`.

        Returns:
            The best iterate, the start at half resolution included.

        Raises:
            ArtifactError: If the weights do not fit the network.
        """
        about = self.description
        factor = self.smoothness if smoothness is None else smoothness
        if start is None:
            start = self.start(self(moving, fixed))
        return register_pair(
            moving,
            fixed,
            jnp.asarray(about.spacing, moving.dtype),
            num_iterations=steps,
            learning_rate=learning_rate,
            smoothness=factor * SMOOTHNESS * about.smoothness,
            similarity=similarity or about.similarity,
            start=start,
            **pair,
        )

    def save(self, folder: Path | str) -> Path:
        """Write `model.json` and `weights.npz`; the network itself is not written.

        Args:
            folder: Created if it does not exist; a model in it is replaced.

        Returns:
            The folder.
        """
        folder = Path(folder)
        flat = traverse_util.flatten_dict(self.params, sep="/")
        write_model(folder, self.description, flat)
        return folder


@partial(jax.jit, static_argnames="network")
def _predict(network: Any, params: Any, *images: Array, **told: Array) -> Registration:
    """The network of a model; the weights and what it is told are arguments."""
    return network.apply({"params": params}, *images, **told)


def stored_digest(run: Path | str) -> str | None:
    """The `digest` of the model of a run, whatever its network; None without one.

    Raises:
        ArtifactError: If its weights cannot be read.
    """
    path = RunFolder(run).model / WEIGHTS
    try:
        return digest(read_weights(path)) if path.is_file() else None
    except _UNREADABLE as error:
        raise ArtifactError(
            f"{path}: cannot be read ({_reason(error)}); train the model again."
        ) from error


def included_models() -> tuple[str, ...]:
    """Names of the models that come with this package, each with a README.md."""
    folders = _INCLUDED.iterdir() if _INCLUDED.is_dir() else ()
    return tuple(sorted(f.name for f in folders if (f / DESCRIPTION).is_file()))


def load_model(path: Path | str, *, network: Any = None) -> RegistrationModel:
    """Read a model.

    Args:
        path: A model folder, or a run folder with one in `model/`; or the name of a
            model that comes with this package, see `included_models`, if there is no
            folder of that name.
        network: Flax module of a model with a network of your own, see
            `RegistrationModel`.

    Returns:
        The model.

    Raises:
        ArtifactError: If there is no complete model of a known format, or if its
            network is not part of this package and none is given.
    """
    folder = Path(path)
    if str(path) in included_models():
        if folder.is_dir():
            logger.warning(
                "The model is that of the folder %s here, not the included one of that "
                "name.",
                folder,
            )
        else:
            folder = _INCLUDED / str(path)
    if not (folder / DESCRIPTION).is_file() and RunFolder(folder).model.is_dir():
        folder = RunFolder(folder).model
    for name in (DESCRIPTION, WEIGHTS):
        if not (folder / name).is_file():
            raise ArtifactError(
                f"no model in {path}: {folder / name} is missing; give a run folder in "
                "which training has finished, its `model` folder, or the name of an "
                f"included model ({', '.join(included_models())})."
            )
    try:
        description, weights = read_model(folder)
        params = traverse_util.unflatten_dict(weights, sep="/")
        return RegistrationModel(description, params, folder, network)
    except _UNREADABLE as error:
        raise ArtifactError(
            f"the model in {folder} cannot be read ({_reason(error)}); copy the whole "
            "folder again or train the model again."
        ) from error


def _reason(error: BaseException) -> str:
    """What was wrong, on one line; an error without words by its name."""
    return " ".join(str(error).split())[:300] or type(error).__name__
