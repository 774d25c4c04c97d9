"""The subjects of one split on one grid, in memory or read on demand."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from autoreg_jax.config import Intensity
from autoreg_jax.data.cohort._stored import StoredArray
from autoreg_jax.data.simulation import true_displacement
from autoreg_jax.display import by
from autoreg_jax.errors import DataError

__all__ = ["Cohort"]


@dataclass(frozen=True, eq=False)
class Cohort:
    """Subjects of one split.

    Images, labels and velocities of a large dataset are `StoredArray`s: an index of
    subjects reads them.

    Attributes:
        names: Names of the n subjects.
        images: `(n, *space, c)` float32 in [0, 1], c images of each subject.
        labels: `(n, *space)` int32, 0 for the background and 1..K for `structures`;
            None without label maps.
        structures: Names of the K structures.
        affine: Voxel indices to world millimetres, RAS+, `(4, 4)`.
        spacing: Millimetres along each axis.
        velocity: `(n, *space, d)` float32, voxels; only for simulated subjects.
        landmarks: `(n, k, d)` float32, voxels, k corresponding points; None without.
            NaN where an image has fewer than others.
        intensity: How the first channel of `images` was scaled; others were scaled by
            their percentiles.
        modalities: Modality of each subject, None where unknown; may be empty.
        label_values: Values of the K structures in the label maps.
        people: Who the image of each subject shows; may be empty.
        pairs: Indices of the moving and the fixed subject of the only pairs that are
            registered, in order; None: any that a run asks for.
        landmark_groups: A number for each subject, if landmarks correspond between
            subjects of the same number alone, such as the images of a person.
    """

    names: tuple[str, ...]
    images: Float[np.ndarray, "n *space c"] | StoredArray
    labels: Int[np.ndarray, "n *space"] | StoredArray | None
    structures: tuple[str, ...]
    affine: Float[np.ndarray, "4 4"]
    spacing: tuple[float, ...]
    velocity: Float[np.ndarray, "n *space d"] | StoredArray | None = None
    landmarks: Float[np.ndarray, "n k d"] | None = None
    intensity: Intensity = field(default_factory=Intensity)
    modalities: tuple[str | None, ...] = ()
    label_values: tuple[int, ...] = ()
    people: tuple[str | None, ...] = ()
    pairs: tuple[tuple[int, int], ...] | None = None
    landmark_groups: tuple[int, ...] | None = None

    def __repr__(self) -> str:
        size = f"{by(self.images.shape[1:-1])} voxels of {by(self.spacing)} mm"
        parts = [f"{len(self.names)} subjects", size]
        if self.images.shape[-1] > 1:
            parts.append(f"{self.images.shape[-1]} images each")
        if self.labels is not None:
            parts.append(f"{len(self.structures)} structures")
        if self.landmarks is not None:
            parts.append(f"{self.landmarks.shape[1]} landmarks")
        if self.velocity is not None:
            parts.append("simulated")
        if self.pairs is not None:
            parts.append(f"{len(self.pairs)} listed pairs")
        return f"Cohort({', '.join(parts)})"

    @property
    def nbytes(self) -> int:
        """Bytes of images and label maps once they are in memory."""
        return self.images.nbytes + (0 if self.labels is None else self.labels.nbytes)

    def true_displacement(
        self, moving: int, fixed: int
    ) -> Float[np.ndarray, "*space d"]:
        """The true deformation between two simulated subjects.

        Args:
            moving: Index of the moving subject.
            fixed: Index of the fixed subject.

        Returns:
            u of ψ(x) = x + u(x), voxels, float32; moving(ψ(x)) shows the anatomy of
            fixed(x).

        Raises:
            DataError: If the subjects are not simulated.
        """
        if self.velocity is None:
            raise DataError(
                f"the true deformation of {self.names[moving]!r} and "
                f"{self.names[fixed]!r} is not known: it exists for simulated subjects "
                "only, those with the column 'velocity' in their dataset CSV."
            )
        return true_displacement(self.velocity[moving], self.velocity[fixed])
