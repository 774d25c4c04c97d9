"""Listed pairs of the bench: the truth in voxels of any grid, in its mask."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from autoreg_jax.data import Cohort, write_volume
from autoreg_jax.geometry import Volume
from autoreg_jax.studies.bench._pairs import ListedPair
from autoreg_jax.transforms import Grid, Transform
from autoreg_jax.workflows.evaluation import pair_of, score

SHAPE, SPACING = (6, 7, 5), (1.0, 2.0, 3.0)


@pytest.fixture
def cohort():
    """Two subjects on an oblique grid, its first axis reversed."""
    affine = np.eye(4)
    turn = Rotation.from_euler("xyz", [20, -30, 50], degrees=True).as_matrix()
    affine[:3, :3] = turn @ np.diag([-1, 1, 1]) * SPACING
    affine[:3, 3] = 10, -20, 30
    images = np.random.default_rng(0).uniform(0.1, 1, (2, *SHAPE, 1))
    images = images.astype(np.float32)
    return Cohort(("a", "b"), images, None, (), affine, SPACING)


@pytest.mark.parametrize("name", ["truth.nii.gz", "truth.h5", "truth.npz"])
def test_the_truth_is_read_in_voxels(cohort, tmp_path, name):
    vectors = np.random.default_rng(1).normal(size=(*SHAPE, 3)).astype(np.float32)
    truth = Transform.displacement(vectors, Grid(SHAPE, cohort.affine), voxels=True)
    truth.write(tmp_path / name)
    pair = ListedPair(0, 1, tmp_path / name)
    judged = pair.judged(pair_of(cohort, 0, 1), cohort)
    half = 2e-3 if name.endswith("npz") else 1e-5  # Learn2Reg stores 16 bits
    np.testing.assert_allclose(judged.truth[0], vectors, atol=half)
    assert pair.files == [name]


def test_the_error_counts_in_the_mask(cohort, tmp_path):
    """Millimetres along the axes of the grid, where the mask is."""
    vectors = np.zeros((*SHAPE, 3), np.float32)
    vectors[:3] = 0, 0, 1
    vectors[3:] = 5, 0, 0
    truth = Transform.displacement(vectors, Grid(SHAPE, cohort.affine), voxels=True)
    truth.write(tmp_path / "truth.nii.gz")
    mask = np.zeros(SHAPE, np.int32)
    mask[:3] = 2
    write_volume(tmp_path / "mask.nii.gz", Volume(mask, cohort.affine))
    errors = []
    for file in (tmp_path / "mask.nii.gz", None):
        pair = ListedPair(0, 1, tmp_path / "truth.nii.gz", file)
        judged = pair.judged(pair_of(cohort, 0, 1), cohort)
        still = np.zeros((1, *SHAPE, 3), np.float32)
        found = score(judged, still, num_structures=0, spacing=SPACING, window=3)
        errors.append(float(found["displacement_error"]))
    assert errors == pytest.approx([3.0, (3.0 + 5.0) / 2], rel=1e-5)
