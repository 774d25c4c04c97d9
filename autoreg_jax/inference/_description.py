"""What a model is besides its weights: `model.json`."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from autoreg_jax.baselines import NETWORKS
from autoreg_jax.config import Intensity
from autoreg_jax.display import by
from autoreg_jax.errors import ArtifactError, ConfigError
from autoreg_jax.geometry import Volume
from autoreg_jax.inference._seen import Seen
from autoreg_jax.inference.trust import Usual
from autoreg_jax.losses import PAPER_WEIGHTS, Objective
from autoreg_jax.networks import Conditions, RegistrationNetwork, Structure, Wiring
from autoreg_jax.search_space import Genotype

# The term of the loss on whose weight a smoothness is a factor.
SMOOTH = "smooth"
_LEVELS = ("full", "half", "quarter")
_OF_SIMILARITY = (
    *(*_LEVELS, "eighth", "sixteenth"),
    *(f"{kind}_{level}" for kind in ("ncc", "mind") for level in _LEVELS),
)


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """Everything that a model is besides its weights.

    Attributes:
        genotype: The chosen operations; or the name of a network, one of
            `baselines.NETWORKS` or that of a network of your own.
        width: Factor on the published numbers of channels; only with a `Genotype`.
        num_steps: Squarings of the velocity field.
        matching: Radius of the feature matching at each scale from half resolution on;
            None for the network of the paper.
        orientation: Axis letters of the training images, e.g. "RAS".
        spacing: Voxel size of the training images in mm, one number for each axis.
        lam: Weights of the training loss: full, smooth, half, quarter, further terms.
        similarity: A name in `losses.SIMILARITIES`, by which a refinement compares.
        windows: Windows of the local correlation at the three resolutions.
        wiring: What happens between the cells.
        is_dimmed: Whether the training loss dims coarse images, see `Objective`.
        intensity: How grey values are scaled before the network sees them.
        structure: Scales and cells; only with a `Genotype`.
        seen: What the images of the training were like; None if that is not known.
        loss_similarity: What the loss of the training compared, to which λ belongs;
            None: `similarity`.
        conditions: Terms of the loss whose weights the network is told; None: none.
        refine_smoothness: Factor on the smoothness of a refinement that validation
            pairs have decided; 1: that of λ.
        channels: Images of each subject that the network sees; `intensity` is that of
            the first, the others are scaled by their percentiles.
        usual: What the network did to validation pairs; None if that is not known.
    """

    genotype: Genotype | str
    width: float = 1.0
    num_steps: int = 7
    matching: tuple[int, ...] | None = None
    orientation: str
    spacing: tuple[float, ...]
    lam: dict[str, float]
    similarity: str
    windows: tuple[int, int, int]
    wiring: Wiring = field(default_factory=Wiring)
    is_dimmed: bool = False
    intensity: Intensity = field(default_factory=Intensity)
    structure: Structure = field(default_factory=Structure)
    seen: Seen | None = None
    loss_similarity: str | None = None
    conditions: Conditions | None = None
    refine_smoothness: float = 1.0
    channels: int = 1
    usual: Usual | None = None

    @property
    def objective(self) -> Objective:
        """What a refinement or another loss compares, without weights."""
        return Objective(self.similarity, self.windows, is_dimmed=self.is_dimmed)

    @property
    def smoothness(self) -> float:
        """Smoothness of a refinement, 1 for λ of the released code.

        λ_smooth / sum of λ of the similarities, in units of the released code; 1 where
        λ has none, as with `dice` alone or terms of your own. Times the factor
        `refine_smoothness`.
        """

        def share(lam: Mapping[str, Any]) -> float:
            compared = sum(lam.get(name, 0.0) for name in _OF_SIMILARITY)
            return lam.get("smooth", 0.0) / compared if compared > 0 else math.nan

        found = share(self.lam) / share(PAPER_WEIGHTS)
        return self.refine_smoothness * (1.0 if math.isnan(found) else found)

    @property
    def is_told_smoothness(self) -> bool:
        """Whether the network registers under any smoothness within a range."""
        return self.conditions is not None and SMOOTH in self.conditions.terms

    def doubts(
        self,
        images: Iterable[Volume],
        arrays: Iterable[Float[np.ndarray, "*space"]],
        spacing: tuple[float, ...],
    ) -> list[str]:
        """Sentences on what makes images unlike those of the training.

        Args:
            images: As they were read.
            arrays: They in [0, 1], in the orientation of the model.
            spacing: Of the arrays, mm.
        """
        if self.seen is None:
            return []
        pairs = zip(images, arrays, strict=True)
        found = (self.seen.doubts(*pair, spacing, self.orientation) for pair in pairs)
        return [sentence for sentences in found for sentence in sentences]

    def network(self, own: Any = None) -> Any:
        """Build the Flax module that `genotype` names.

        Args:
            own: A network of your own, which is returned, told what it is to be.

        Raises:
            ArtifactError: If it is a network of your own and none is given, or if the
                given one has no field `conditions` and is to be told something.
        """
        terms = () if self.conditions is None else self.conditions.terms
        told = len(terms)
        if own is not None and getattr(own, "conditions", 0) == told:
            return own
        if own is not None and not hasattr(own, "conditions"):
            raise ArtifactError(
                "the network of this model is told weights of the loss "
                f"({', '.join(terms)}), but {type(own).__name__} has "
                "no field `conditions`; give the network that was trained."
            )
        if own is not None:
            return own.clone(conditions=told)
        if isinstance(self.genotype, Genotype):
            return RegistrationNetwork(
                self.genotype,
                self.width,
                self.num_steps,
                self.matching,
                wiring=self.wiring,
                structure=self.structure,
                conditions=told,
            )
        if self.genotype not in NETWORKS:
            raise ArtifactError(
                f"the network {self.genotype!r} of this model is not part of this "
                "package; pass the network: load_model(folder, network=...)."
            )
        return NETWORKS[self.genotype](self.num_steps)


class Described:
    """A model that prints without its weights."""

    description: ModelDescription
    params: Any
    path: Path | None

    def check_channels(self, count: int) -> None:
        """Refuse subjects with more or fewer images than those of the training.

        Args:
            count: Of the images of each subject.

        Raises:
            ConfigError: If it is another number.
        """
        wanted = self.description.channels
        if count != wanted:
            images = "1 image" if wanted == 1 else f"{wanted} images"
            raise ConfigError(
                f"{self.path or 'the model'}: was trained on {images} of each subject, "
                f"got {count}; give as many, or register without a model."
            )

    def __repr__(self) -> str:
        about = self.description
        named = about.genotype if isinstance(about.genotype, str) else "searched cells"
        weights = sum(leaf.size for leaf in jax.tree.leaves(self.params))
        place = f", {self.path}" if self.path else ""
        images = f"{about.channels} images each, " if about.channels > 1 else ""
        return (
            f"RegistrationModel({named}, {weights} weights, {images}for voxels of "
            f"{by(about.spacing)} mm, {about.orientation}{place})"
        )
