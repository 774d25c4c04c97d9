"""Listed pairs of the bench: the truth in voxels of any grid, in its mask."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from autoreg_jax.config import PairsConfig, RunConfig
from autoreg_jax.data import Cohort, write_volume
from autoreg_jax.errors import ConfigError
from autoreg_jax.geometry import Volume
from autoreg_jax.studies.bench import Limits
from autoreg_jax.studies.bench._pairs import ListedPair
from autoreg_jax.studies.bench._session import BenchProtocol, Session
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


def test_the_pairs_of_a_run_are_those_of_its_bench(tmp_path):
    """Rivals are trained and all are scored on listed pairs; other ones are refused."""
    images = np.random.default_rng(2).uniform(0, 9, (6, 8, 8)).astype(np.float32)
    lines = ["fixed,moving,split"]
    for number, image in enumerate(images):
        write_volume(tmp_path / f"{number}.nii.gz", Volume(image, np.eye(4)))
    splits = ("train", "validation", "test")
    for place, split in zip(range(0, 6, 2), splits, strict=True):
        lines.append(f"{place + 1}.nii.gz,{place}.nii.gz,{split}")
    (tmp_path / "dataset.csv").write_text("\n".join(lines))
    (tmp_path / "turned.csv").write_text("\n".join([*lines, "4,5,"]))

    def session(pairs):
        protocol = BenchProtocol(
            dataset=tmp_path,
            methods=("none",),
            config=RunConfig(pairs=PairsConfig(list=pairs)),
            limits=Limits.checked(60.0, None, None),
        )
        return Session(tmp_path / "bench", protocol)

    listed = session(None)
    assert listed.named_pairs() == [("4", "5")]
    assert [cohort.pairs for cohort in listed._subjects] == [((1, 0),), ((1, 0),)]
    listed.claim()
    session(None).claim()
    turned = session(str(tmp_path / "turned.csv"))
    assert sorted(turned.named_pairs()) == [("4", "5"), ("5", "4")]
    with pytest.raises(ConfigError, match="belongs to other subjects, pairs"):
        turned.claim()
