"""The average of a cohort: closed forms, files, and rounds that are not lost."""

import json

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from autoreg_jax import data, inference
from autoreg_jax.cli import main
from autoreg_jax.errors import ConfigError, DataError
from autoreg_jax.geometry import Grid, Volume
from autoreg_jax.networks import Registration
from autoreg_jax.spatial import Pyramid
from autoreg_jax.transforms import Transform
from autoreg_jax.workflows import build_template
from autoreg_jax.workflows.cohorts import _deformable
from autoreg_jax.workflows.cohorts._average import Average
from autoreg_jax.workflows.cohorts._linear import mean_stretch
from autoreg_jax.workflows.cohorts._rounds import UNFINISHED

GRID = Grid((40, 40), np.diag([2.0, 2.0, 2.0, 1.0]))
QUICK = {"affine": "none", "refine": 40}
SIGNS = {"here": 1, "there": -1}


def smooth(rng, width):
    field = ndimage.gaussian_filter(rng.normal(size=GRID.shape), width)
    return field / np.abs(field).max()


@pytest.fixture(scope="module")
def known():
    """A picture that fades to the border, a velocity of up to 6 mm, and where."""
    rng = np.random.default_rng(0)
    radius = np.linalg.norm(np.indices(GRID.shape) - 19.5, axis=0)
    fade = 1 / (1 + np.exp(radius - 13))
    picture = (fade * (1 + 0.7 * smooth(rng, 2))).astype(np.float32)
    velocity = np.stack([6 * fade * smooth(rng, 5) for _ in range(2)], -1)
    return Volume(picture, GRID.affine), velocity, fade > 0.5


@pytest.fixture(scope="module")
def dataset(known, tmp_path_factory):
    """The picture displaced by a velocity and by its opposite, with labels."""
    folder = tmp_path_factory.mktemp("cohort")
    picture, velocity, _ = known
    regions = (picture.array > 0.5).astype(np.int32)
    lines = ["subject,image,labels"]
    for name, sign in SIGNS.items():
        there = Transform.velocity(sign * velocity, GRID)
        image = there.apply(picture.array, GRID, GRID)
        labels = there.apply(regions, GRID, GRID, "label")
        data.write_volume(folder / f"{name}.nii.gz", Volume(image, GRID.affine))
        data.write_volume(folder / f"{name}_seg.nii.gz", Volume(labels, GRID.affine))
        lines.append(f"{name},{name}.nii.gz,{name}_seg.nii.gz")
    (folder / "dataset.csv").write_text("\n".join(lines))
    return folder / "dataset.csv"


@pytest.fixture(scope="module")
def found(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("template") / "found"
    return build_template(dataset, folder, rounds=3, **QUICK)


def length(vectors, inside):
    return np.linalg.norm(vectors, axis=-1)[inside].mean()


def test_opposite_displacements_leave_the_picture(known, found):
    picture, velocity, inside = known
    places, apart = [], []
    for name, sign in SIGNS.items():
        path = found.folder / "subjects" / f"{name}_displacement.nii.gz"
        whole = Transform.velocity(sign * velocity, GRID) @ Transform.read(path)
        places.append(whole.displacement_on(GRID))
        apart.append(length(sign * velocity, inside))
    # Displaced by more than a voxel; the average is off by a sixth of one.
    assert min(apart) > 2.3
    assert length(np.mean(places, 0), inside) < 0.33
    assert all(length(one, inside) < 0.5 * min(apart) for one in places)
    truth = data.normalize_intensity(picture.array)
    first = np.mean([moved(found, name, round_zero=True) for name in SIGNS], 0)
    errors = [np.abs(one - truth)[inside].mean() for one in (found.image.array, first)]
    assert errors[0] < 0.6 * errors[1]


def moved(found, name, *, round_zero=False):
    about = found.summary["subjects"][name]
    if round_zero:
        return data.normalize_intensity(data.read_image(about["image"]).array)
    return data.read_image(found.folder / "subjects" / f"{name}_moved.nii.gz").array


def test_the_rounds_converge_and_the_outputs_agree(found, tmp_path):
    rounds = found.summary["rounds"]
    assert [one["kind"] for one in rounds] == ["headers", *["deformable"] * 3]
    assert rounds[3]["shape_change_mm"] < 0.6 * rounds[1]["shape_change_mm"]
    assert rounds[3]["intensity_change"] < 0.6 * rounds[1]["intensity_change"]
    both = np.stack([moved(found, name) for name in SIGNS])
    # At the border some voxels are shown by one of the two.
    inside = np.s_[4:-4, 4:-4]
    mean, variance = found.image.array[inside], found.variance.array[inside]
    np.testing.assert_allclose(mean, both.mean(0)[inside], atol=1e-6)
    np.testing.assert_allclose(variance, both.var(0)[inside], atol=1e-6)
    # The transforms do to the image what the template is made of.
    where = found.folder / "subjects" / "here_displacement.nii.gz"
    reference = found.folder / "template.nii.gz"
    image = data.read_image(found.summary["subjects"]["here"]["image"])
    scaled = Volume(data.normalize_intensity(image.array), image.affine)
    data.write_volume(tmp_path / "scaled.nii.gz", scaled)
    out = tmp_path / "out.nii.gz"
    inference.apply_files(
        [tmp_path / "scaled.nii.gz"], [where], out, reference=reference
    )
    np.testing.assert_allclose(data.read_image(out).array, both[0], atol=1e-5)
    labels = data.read_labels(found.folder / "labels.nii.gz").array
    share = data.read_image(found.folder / "probabilities" / "label_1.nii.gz").array
    np.testing.assert_array_equal(labels == 1, share > 0.5)
    assert 0.9 < (share == 1).sum() / (share > 0).sum() < 1


def test_equal_images_are_their_own_template(known, tmp_path):
    image, _, inside = known
    found = build_template([image] * 3, tmp_path / "t", rounds=1, **QUICK)
    truth = data.normalize_intensity(image.array)
    np.testing.assert_allclose(found.image.array, truth, atol=2e-3)
    assert found.variance.array.max() < 1e-5
    for number in range(3):
        path = tmp_path / "t" / "subjects" / f"image00{number}_displacement.nii.gz"
        field = Transform.read(path).displacement_on(GRID)
        assert length(field, inside) < 0.02


class Biased(nn.Module):
    """Moves every image by the same vector, whatever it shows."""

    def __call__(self, moving, fixed):
        full = jnp.broadcast_to(jnp.array([1.3, -0.7]), (*moving.shape[:-1], 2))
        half = full[:, ::2, ::2] / 2
        return Registration(half, Pyramid(full, half, half))


def test_what_a_model_does_to_every_image_does_not_move_the_template(dataset, tmp_path):
    about = inference.ModelDescription(
        genotype="Biased",
        num_steps=2,
        orientation="RAS",
        spacing=(2.0, 2.0),
        lam={"full": 1.0, "smooth": 1.0, "half": 0.0, "quarter": 0.0},
        similarity="ncc",
        windows=(5, 3, 3),
    )
    model = inference.RegistrationModel(about, {}, network=Biased())
    found = build_template(
        dataset, tmp_path / "t", affine="none", rounds=1, model=model
    )
    assert found.summary["rounds"][1]["shape_change_mm"] == pytest.approx(
        2 * np.hypot(1.3, 0.7), abs=1e-3
    )
    for name in SIGNS:
        path = tmp_path / "t" / "subjects" / f"{name}_displacement.nii.gz"
        assert np.abs(Transform.read(path).displacement_on(GRID)).max() < 1e-3
    images = [about["image"] for about in found.summary["subjects"].values()]
    scaled = [data.normalize_intensity(data.read_image(one).array) for one in images]
    np.testing.assert_allclose(found.image.array, np.mean(scaled, 0), atol=1e-3)


def test_a_finished_round_and_finished_registrations_are_not_lost(
    dataset, found, tmp_path, monkeypatch
):
    calls = []
    register = _deformable.register

    def killed(*images, **options):
        calls.append(images)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return register(*images, **options)

    monkeypatch.setattr(_deformable, "register", killed)
    folder = tmp_path / "t"
    with pytest.raises(KeyboardInterrupt):
        build_template(dataset, folder, rounds=3, **QUICK)
    kept = json.loads((folder / "summary.json").read_text())
    assert len(kept["rounds"]) == 2
    assert (folder / UNFINISHED / "round_2" / "here.npz").is_file()
    again = build_template(dataset, folder, rounds=2, resume=True, **QUICK)
    assert len(calls) == 5
    assert len(again.summary["rounds"]) == 3
    again = build_template(dataset, folder, rounds=3, resume=True, **QUICK)
    assert len(calls) == 7
    np.testing.assert_array_equal(again.image.array, found.image.array)
    assert not (folder / UNFINISHED).exists()
    with pytest.raises(ConfigError, match="results already"):
        build_template(dataset, folder, rounds=3, **QUICK)
    other = {**QUICK, "refine": 41, "smoothness": 2.0}
    with pytest.raises(ConfigError, match="begun with other refine, smoothness"):
        build_template(dataset, folder, resume=True, **other)
    images = [about["image"] for about in kept["subjects"].values()]
    with pytest.raises(ConfigError, match="begun with other images"):
        build_template(images, folder, resume=True, **QUICK)


def test_sizes_are_averaged_and_the_command_writes_them(known, tmp_path, capsys):
    image = known[0]
    middle = GRID.centre
    for name, size in (("large", 1.1), ("small", 1 / 1.1)):
        affine = np.diag([size, size, 1.0, 1.0]) @ image.affine
        affine[:2, 3] += (1 - size) * middle[:2]
        data.write_volume(tmp_path / f"{name}.nii.gz", Volume(image.array, affine))
    data.write_volume(tmp_path / "same.nii.gz", image)
    paths = [str(tmp_path / f"{name}.nii.gz") for name in ("large", "same", "small")]
    words = ["template", *paths, "-o", str(tmp_path / "t"), "--affine-only"]
    words += ["--rounds", "1", "--spacing", "2", "--reference", paths[0]]
    assert main([*words, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    sizes = {
        name: np.sqrt(np.linalg.det(np.array(about["matrix"])[:2, :2]))
        for name, about in summary["subjects"].items()
    }
    wanted = {"large": 1.1, "same": 1.0, "small": 1 / 1.1}
    assert sizes == pytest.approx(wanted, abs=0.01)
    # The reference is ten per cent too large for the mean.
    assert (
        summary["rounds"][0]["shape_change_mm"]
        > 5 * (summary["rounds"][1]["shape_change_mm"])
    )
    assert (tmp_path / "t" / "subjects" / "small_affine.mat").is_file()
    assert main([*words, "--resume", "--spacing", "3"]) == 2
    assert "begun with other spacing" in capsys.readouterr().err


def test_mean_stretch_ignores_the_pose_and_balances_what_does_not_commute():
    rng = np.random.default_rng(1)
    matrices = []
    for turn in Rotation.random(5, rng=rng).as_matrix():
        matrix = np.eye(4)
        root = np.eye(3) + 0.2 * rng.normal(size=(3, 3))
        matrix[:3, :3] = turn @ root @ root.T
        matrix[:3, 3] = 50 * rng.normal(size=3)
        matrices.append(matrix)
    centre = np.array([3.0, -4.0, 5.0])
    mean = mean_stretch(matrices, centre)
    np.testing.assert_allclose(mean @ [*centre, 1], [*centre, 1])
    left = [matrix @ np.linalg.inv(mean) for matrix in matrices]
    np.testing.assert_allclose(mean_stretch(left, centre), np.eye(4), atol=1e-8)
    assert np.abs(mean - np.eye(4)).max() > 0.05


def test_shares_of_labels_and_parts_that_some_images_do_not_show():
    average = Average(Grid((2, 2), np.eye(4)))
    for labels in ([[1, 1], [0, 2]], [[1, 2], [0, 2]], [[1, 2], [3, 0]]):
        average.add_labels(np.array(labels))
    np.testing.assert_array_equal(average.majority(), [[1, 2], [0, 2]])
    shares = average.probabilities()
    np.testing.assert_allclose(shares[2], [[0, 2 / 3], [0, 2 / 3]])
    assert sorted(shares) == [1, 2, 3]
    for image in ([[1.0, 2], [np.nan, 4]], [[3.0, 2], [np.nan, np.nan]]):
        average.add(np.array(image))
    np.testing.assert_array_equal(average.mean, [[2, 2], [0, 4]])
    np.testing.assert_array_equal(average.variance, [[1, 0], [0, 0]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": 0}, "rounds: must be at least 1"),
        ({"affine": "some"}, "affine: must be"),
        ({"affine": "none", "deformable": False}, "nothing to do"),
        ({"refine": 0}, "0 steps and no model"),
        ({"spacing": -1.0}, "spacing: must be above 0"),
        ({"sharpen": -1.0}, "sharpen: must be at least 0"),
        ({"labels": [None]}, "1 label maps for 2 images"),
        ({"similarity": "some"}, "similarity: must be one of auto, ncc"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_read(options, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        build_template(["a.nii.gz", "b.nii.gz"], tmp_path / "t", **options)
    assert not (tmp_path / "t").exists()


def test_what_is_no_cohort_is_refused(known, tmp_path):
    with pytest.raises(DataError, match="at least 2 images"):
        build_template([known[0]], tmp_path / "t")
    names = ["a/scan.nii.gz", "b/scan.nii.gz"]
    with pytest.raises(DataError, match="2 images have the name 'scan'"):
        build_template(names, tmp_path / "t")
