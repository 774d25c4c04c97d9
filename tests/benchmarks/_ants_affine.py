"""The affine registration of ANTs with its defaults, as a world matrix."""

import tempfile
from pathlib import Path

import ants
import numpy as np
import pandas

from autoreg_jax.data import write_volume
from autoreg_jax.geometry import Volume


def ants_matrix(fixed: Volume, moving: Volume, kind: str) -> np.ndarray:
    """Find the map with `ants.registration`, rigid or affine (mutual information).

    Args:
        fixed: The fixed image.
        moving: The moving image.
        kind: "rigid" or "affine".

    Returns:
        World of the fixed image to world of the moving one, mm, RAS+, `(4, 4)`.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [
            write_volume(Path(folder) / f"{name}.nii.gz", volume)
            for name, volume in (("fixed", fixed), ("moving", moving))
        ]
        images = [ants.image_read(str(path)) for path in paths]
        result = ants.registration(*images, type_of_transform=kind.capitalize())
        corners = np.concatenate([np.zeros((1, 3)), 100 * np.eye(3)])
        # ITK counts to the left and to the back.
        flip = np.array([-1, -1, 1])
        points = pandas.DataFrame(corners * flip, columns=["x", "y", "z"])
        moved = ants.apply_transforms_to_points(3, points, result["fwdtransforms"])
    places = moved[["x", "y", "z"]].to_numpy() * flip
    matrix = np.eye(4)
    matrix[:3, :3] = (places[1:] - places[0]).T / 100
    matrix[:3, 3] = places[0]
    return matrix
