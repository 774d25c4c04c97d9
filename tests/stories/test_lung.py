"""A lung researcher: two breaths, masks of the lungs, and landmarks to judge by."""

import csv
import json

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from autoreg_jax.data import read_image, write_volume
from autoreg_jax.geometry import Volume
from autoreg_jax.transforms import Transform

SPACING = 3.0
AFFINE = np.diag([SPACING, SPACING, SPACING, 1.0])


def write_points(path, points):
    np.savetxt(path, points, "%.4f", ",", header="x,y,z", comments="")
    return path


def error_of(transform, landmarks):
    """Target registration error of each landmark, mm."""
    fixed, moving = landmarks
    return np.linalg.norm(transform(fixed) - moving, axis=-1)


@pytest.fixture
def slices(tmp_path):
    """A breath in a coronal slice: vessels move down inside walls that stay."""
    shape = (48, 56)
    places = np.moveaxis(np.indices(shape), 0, -1).astype(float)
    lung = (((places - [23.5, 28]) / [15, 22]) ** 2).sum(-1) < 1
    fade = np.clip(ndimage.distance_transform_edt(lung) / 6, 0, 1)
    breath = np.zeros((*shape, 2))
    breath[..., 1] = -4.0 * fade * places[..., 1] / 28  # voxels

    def vessels(at):
        noise = np.random.default_rng(4).random((64, 72))
        image = ndimage.gaussian_filter(noise, 1.4)
        image = (image - image.min()) / np.ptp(image)
        return ndimage.map_coordinates(image, np.moveaxis(at + 6, -1, 0), order=3)

    # fixed(x) = moving(x + u): the vessels of the moving slice stay where they are.
    walls = np.where((places[..., 0] // 4) % 2, 200.0, 160.0)
    scans = {
        "fixed": np.where(lung, 10 + 60 * vessels(places + breath), walls),
        "moving": np.where(lung, 10 + 60 * vessels(places), walls),
    }
    for name, array in scans.items():
        write_volume(tmp_path / f"{name}.nii.gz", Volume(array.astype("f4"), AFFINE))
        mask = Volume(lung.astype(np.int32), AFFINE)
        write_volume(tmp_path / f"{name}_mask.nii.gz", mask)
    index = np.argwhere(fade == 1)[::23]
    fixed = np.pad(index * SPACING, ((0, 0), (0, 1)))
    moving = fixed.copy()
    moving[:, :2] += SPACING * breath[tuple(index.T)]
    return tmp_path, (fixed, moving)


def test_a_breath_in_a_slice_is_followed_inside_of_masks(command, slices):
    folder, landmarks = slices
    for side, points in zip(("fixed", "moving"), landmarks, strict=True):
        write_points(folder / f"{side}.csv", points)
    words = ["--affine", "none", "--refine", 60, "-o", folder / "out_"]
    for side in ("fixed", "moving"):
        letter, image = side[0], folder / f"{side}.nii.gz"
        words += [f"-{letter}", image, f"--{side}-mask", folder / f"{side}_mask.nii.gz"]
        words += [f"--{side}-landmarks", folder / f"{side}.csv"]
    code, out, errors = command("register", *words)
    assert code == 0, errors
    assert "landmarks apart, mm" in out
    summary = json.loads((folder / "out_summary.json").read_text())
    found = Transform.read(folder / "out_displacement.nii.gz")
    error = error_of(found, landmarks).mean()
    assert summary["landmark_error"] == pytest.approx(error, abs=0.01)
    assert summary["landmark_error_before"] > 8
    assert error < SPACING / 2
    # Lungs are dark, and yet the result is trusted.
    assert summary["trust"] > 0.5, summary["trust_flags"]


def test_landmarks_in_voxels_are_not_taken_for_millimetres(command, slices):
    folder, landmarks = slices
    for side, points in zip(("fixed", "moving"), landmarks, strict=True):
        write_points(folder / f"{side}.csv", points)
    (folder / "fixed.csv").write_text("fixed_i,fixed_j,fixed_k\n3,4,0\n")
    words = ["-f", folder / "fixed.nii.gz", "-m", folder / "moving.nii.gz"]
    for side in ("fixed", "moving"):
        words += [f"--{side}-landmarks", folder / f"{side}.csv"]
    code, _, errors = command("register", *words, "-o", folder / "out_")
    assert code == 2
    assert "Voxel indices have to become mm: nibabel" in " ".join(errors.split())


@pytest.fixture
def lung(shared, tmp_path):
    """A baseline and a follow-up CT at 4 mm, masks, and the landmarks in mm."""
    source = shared / "data" / "lung"
    for side in ("fixed", "moving"):
        for name in (f"lung_{side}", f"lung_{side}_mask"):
            image = nibabel.load(source / f"{name}.nii.gz")
            array = np.asarray(image.dataobj, np.float32)
            blocks = array.reshape([x for n in array.shape for x in (n // 2, 2)])
            affine = image.affine @ np.diag([2.0, 2, 2, 1])
            affine[:3, 3] = image.affine @ [0.5, 0.5, 0.5, 1] @ np.eye(4)[:, :3]
            mean = blocks.mean((1, 3, 5))
            mean = mean > 0.5 if "mask" in name else mean
            stored = nibabel.Nifti1Image(mean.astype(np.float32), affine)
            stored.to_filename(tmp_path / f"{name}.nii.gz")
    with (source / "landmarks_voxel.csv").open() as file:
        rows = np.array([*csv.reader(file)][1:], float)
    landmarks = []
    for side, at in (("fixed", slice(0, 3)), ("moving", slice(3, 6))):
        grid = read_image(source / f"lung_{side}.nii.gz").grid
        landmarks.append(grid.to_world(rows[:, at]))
    return tmp_path, landmarks


@pytest.mark.slow
@pytest.mark.optimised
def test_held_out_landmarks_of_a_real_pair(command, lung):
    """Without a guide, and with every second landmark as a guide."""
    folder, landmarks = lung
    pair = []
    for side in ("fixed", "moving"):
        image = folder / f"lung_{side}.nii.gz"
        mask = folder / f"lung_{side}_mask.nii.gz"
        pair += [f"-{side[0]}", image, f"--{side}-mask", mask]
    error, held_out = {}, np.arange(len(landmarks[0])) % 2 == 1
    for name in ("plain", "guided"):
        words = []
        if name == "guided":
            for side, points in zip(("fixed", "moving"), landmarks, strict=True):
                path = write_points(folder / f"{side}.csv", points[~held_out])
                words += [f"--{side}-landmarks", path]
            words += ["--guide", "landmarks"]
        out = folder / f"{name}_"
        code, _, errors = command("register", *pair, *words, "-o", out)
        assert code == 0, errors
        found = Transform.read(f"{out}displacement.nii.gz")
        error[name] = error_of(found, landmarks)
        summary = json.loads((folder / f"{name}_summary.json").read_text())
        assert summary["folding_fraction"] == 0
        assert summary["trust"] > 0.5, summary["trust_flags"]
    for name, each in error.items():
        print(f"{name}: {each[~held_out].mean():.2f}, {each[held_out].mean():.2f} mm")
    before = np.linalg.norm(landmarks[0] - landmarks[1], axis=-1)
    assert before.mean() == pytest.approx(5.04, abs=0.01)
    # Half a voxel of 4 mm; what guides is met, and what lies between does not suffer.
    assert error["plain"].mean() < 2.0
    assert error["guided"][~held_out].mean() < 0.8
    assert error["guided"][held_out].mean() < error["plain"][held_out].mean() + 0.1
