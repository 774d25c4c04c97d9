"""Simulated people, and what is known about them."""

import nibabel
import numpy as np
import pytest

from autoreg_jax import data
from autoreg_jax.transforms import Transform


@pytest.fixture(scope="session")
def simulate(tmp_path_factory):
    """Simulated subjects, each kind once: `simulate(6, spacing=8.0)` is their folder.

    Plane slices, unless other options of `write_population` are given.
    """
    pytest.importorskip("nilearn", reason="the template comes with nilearn")
    made = {}

    def simulate(num_subjects, **options):
        options = {"num_subjects": num_subjects, "dimensions": 2} | options
        key = tuple(sorted(options.items()))
        if key not in made:
            folder = tmp_path_factory.mktemp("people")
            data.write_population(folder, **options)
            made[key] = folder
        return made[key]

    return simulate


@pytest.fixture(scope="session")
def to_template():
    """The known map of a simulated subject to the template it was made of."""

    def read(folder, name):
        grid = data.read_image(folder / "images" / f"{name}.nii.gz").grid
        stored = nibabel.load(folder / "velocity" / f"{name}.nii.gz")
        velocity = np.squeeze(np.asarray(stored.dataobj))
        return Transform.velocity(velocity, grid, voxels=True)

    return read
