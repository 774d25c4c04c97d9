"""The average brain from which the virtual population is made.

The ICBM 152 2009 nonlinear template (T1, grey and white matter, skull-stripped), an
average of 152 people, comes inside the package `nilearn`; nothing is downloaded.

References:
    Fonov et al., NeuroImage 54, 2011. Fonov et al., NeuroImage 47, 2009. Collins et
    al., "ANIMAL+INSECT", IPMI 1999.
"""

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter

from autoreg_jax.data.simulation._flow import sample
from autoreg_jax.errors import DataError

__all__ = ["Template", "Tissues", "load_template"]

# The template is stored at 1 mm; blocks of 2 × 2 × 2 voxels keep all the detail that a
# grid of 2 mm or more can show.
BLOCK = 2


class Tissues(NamedTuple):
    """Tissues of each voxel.

    Attributes:
        grey: Fraction of grey matter.
        white: Fraction of white matter.
        fluid: Fraction of cerebrospinal fluid inside the brain mask.
        detail: T1 intensity that the three fractions do not explain.
    """

    grey: Float[np.ndarray, "..."]
    white: Float[np.ndarray, "..."]
    fluid: Float[np.ndarray, "..."]
    detail: Float[np.ndarray, "..."]


@dataclass(frozen=True, eq=False)
class Template:
    """Tissue maps in MNI space.

    Attributes:
        tissues: Maps on one grid.
        affine: Their voxel indices to MNI millimetres, RAS+.
    """

    tissues: Tissues
    affine: Float[np.ndarray, "4 4"]

    def at(self, points_mm: Float[np.ndarray, "3 ..."]) -> Tissues:
        """Linearly interpolated tissues at points, MNI millimetres, RAS+."""
        offset = points_mm - self.affine[:3, 3].reshape(3, *(1,) * (points_mm.ndim - 1))
        voxels = np.tensordot(np.linalg.inv(self.affine[:3, :3]), offset, 1)
        return Tissues(*(sample(tissue, voxels) for tissue in self.tissues))


def load_template(spacing: float) -> Template:
    """Load the template, smoothed for sampling at a spacing in mm without aliasing.

    Raises:
        DataError: If nilearn is not installed.
    """
    intensity, grey, white, affine = _load()
    brain = (intensity > 0.05).astype(np.float64)
    # The mean over a block and this blur together are that over a coarse voxel.
    sigma = 0.4 * np.sqrt(max((spacing / BLOCK) ** 2 - 1, 0.25))
    brain, intensity, grey, white = (
        gaussian_filter(array, sigma) for array in (brain, intensity, grey, white)
    )
    fluid = np.clip(brain - grey - white, 0, 1)
    fractions = np.stack([grey, white, fluid], -1)
    means, *_ = np.linalg.lstsq(
        fractions[brain > 0.99], intensity[brain > 0.99], rcond=None
    )
    detail = np.where(brain > 0.99, intensity - fractions @ means, 0)
    return Template(Tissues(grey, white, fluid, detail), affine)


def _load() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Intensity, grey and white matter and the affine."""
    with warnings.catch_warnings():
        # nilearn and its imports announce future changes.
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            from nilearn import datasets
        except ImportError as error:
            raise DataError(
                "the virtual population is made from the ICBM 152 template in the "
                f"package nilearn, which cannot be imported ({error}); install it with "
                '`pip install "autoreg_jax[demo]"`.'
            ) from error
        images = [
            load(resolution=1)
            for load in (
                datasets.load_mni152_template,
                datasets.load_mni152_gm_template,
                datasets.load_mni152_wm_template,
            )
        ]
    intensity, grey, white = (_block_means(np.asarray(i.dataobj)) for i in images)
    affine = np.asarray(images[0].affine, np.float64)
    to_fine = np.diag([BLOCK, BLOCK, BLOCK, 1.0])
    to_fine[:3, 3] = (BLOCK - 1) / 2
    return intensity, grey, white, affine @ to_fine


def _block_means(
    array: Float[np.ndarray, "x y z"],
) -> Float[np.ndarray, "x2 y2 z2"]:
    """Means over blocks; the remainder at the upper ends, empty, is dropped."""
    x, y, z = (size // BLOCK for size in array.shape)
    whole = array[: x * BLOCK, : y * BLOCK, : z * BLOCK].astype(np.float64)
    return whole.reshape(x, BLOCK, y, BLOCK, z, BLOCK).mean((1, 3, 5))
