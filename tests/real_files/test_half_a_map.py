"""Half of a map is not taken for a whole one, and no half of an earlier run stays."""

import warnings

import nibabel
import numpy as np
import pytest

from autoreg_jax.cli import main
from autoreg_jax.data import PairFiles, write_volume
from autoreg_jax.errors import TransformError
from autoreg_jax.geometry import Grid, Volume
from autoreg_jax.inference import Registered, register_files
from autoreg_jax.studies.bench._pairs import ListedPair
from autoreg_jax.transforms import Displacement, Transform

# The shape of other tests, whose programs it shares.
GRID = Grid((16, 14, 12), np.diag([-3.0, 3, 3, 1]))
SHIFT = np.eye(4)
SHIFT[:3, 3] = [3.0, 0, -6]


@pytest.fixture
def images(tmp_path):
    values = np.random.default_rng(0).uniform(1, 9, GRID.shape).astype("f4")
    fixed = write_volume(tmp_path / "f.nii.gz", Volume(values, GRID.affine))
    moving = write_volume(tmp_path / "m.nii.gz", Volume(values, SHIFT @ GRID.affine))
    return fixed, moving


def registered(*links):
    volume = Volume(np.ones(GRID.shape, "f4"), GRID.affine)
    return Registered(volume, volume, Transform(links), 0.0, 0.0, 1.0, 0.0)


def displacement(followed_by=""):
    return Displacement(np.ones((*GRID.shape, 3), "f4"), GRID, followed_by)


def test_a_true_displacement_without_its_affine_map_is_refused(tmp_path, images):
    path = tmp_path / "out_displacement.nii.gz"
    Transform((displacement("out_affine.mat"),)).write(path)
    message = r"out_displacement.*without the affine map out_affine\.mat"
    with pytest.raises(TransformError, match=message):
        register_files(PairFiles(*images, displacement=path), tmp_path / "x_")
    assert not list(tmp_path.glob("x_*"))
    one = ListedPair(0, 0, path)
    cohort = type("Cohort", (), {"images": np.ones((1, *GRID.shape, 1))})()
    cohort.affine = GRID.affine
    with pytest.raises(TransformError, match=message):
        one.judged(None, cohort)


@pytest.mark.parametrize("name", ["true.npz", "true.mat", "true.tfm", "flirt.mat"])
def test_a_true_map_in_any_format_is_compared(tmp_path, images, name):
    path = tmp_path / name
    if name == "flirt.mat":
        # The voxels agree, and so do the millimetres of FSL.
        np.savetxt(path, np.eye(4))
    else:
        Transform.affine(SHIFT).write(path, grid=GRID)
    pair = PairFiles(*images, displacement=path)
    with warnings.catch_warnings(action="ignore"):
        summary = register_files(pair, tmp_path / "x_", affine="none", refine=1)
    assert summary["displacement_error_before"] == pytest.approx(np.sqrt(45), abs=1e-3)


def test_no_affine_map_of_an_earlier_run_stays_beside_a_whole_map(tmp_path):
    affine, field = Transform.affine(SHIFT).links[0], displacement()
    both = registered(affine, field)
    both.save(tmp_path / "x_")
    assert (tmp_path / "x_affine.mat").is_file()
    whole = tmp_path / "x_displacement.nii.gz"
    both.save(tmp_path / "x_", displacement=whole)
    assert not (tmp_path / "x_affine.mat").exists()
    right = both.transform.displacement_on(GRID)
    np.testing.assert_allclose(
        Transform.read(whole).displacement_on(GRID), right, atol=1e-5
    )


def test_an_earlier_pair_of_files_stays_beside_a_map_of_another_name(tmp_path):
    both = registered(Transform.affine(SHIFT).links[0], displacement())
    both.save(tmp_path / "x_")
    both.save(tmp_path / "x_", displacement=tmp_path / "x.h5")
    assert (tmp_path / "x_affine.mat").is_file()
    assert (tmp_path / "x_displacement.nii.gz").is_file()


@pytest.mark.parametrize("value", ["-1e3", "-1000", "-1.0E+3", "-.1e4"])
def test_fill_takes_numbers_with_an_exponent(tmp_path, images, value):
    path = Transform.affine(SHIFT).write(tmp_path / "s.mat")
    out = tmp_path / "o.nii.gz"
    words = ["apply", "-i", images[0], "-r", images[0], "-t", path, "-o", out]
    assert main([*map(str, words), "--fill", value]) == 0
    assert nibabel.load(out).get_fdata().min() == -1000


def test_fill_says_what_it_takes(tmp_path, images, capsys):
    words = ["apply", "-i", str(images[0]), "-o", "o.nii", "-t", "a.mat"]
    assert main([*words, "--fill", "AUTO"]) == 2
    assert "--fill: must be a number or auto, got 'AUTO'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["lines.vtk", "folder", "scan.dcm"])
def test_an_input_of_an_unknown_kind_is_said_to_be_so(tmp_path, images, capsys, name):
    path = Transform.affine(SHIFT).write(tmp_path / "s.mat")
    words = ["apply", "-i", str(tmp_path / name), "-t", str(path), "-o", "o.vtk"]
    for more in ([], ["-r", str(images[0])]):
        assert main([*words, *more]) == 2
        message = f"{name}: is neither an image (.nii.gz"
        assert message in capsys.readouterr().err
