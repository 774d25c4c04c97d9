"""External validation: other grids, a folder of their own, what is refused."""

import csv
from dataclasses import replace

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax import config, data, workflows
from autoreg_jax.config import Intensity
from autoreg_jax.data import read_dataset
from autoreg_jax.errors import ArtifactError, ConfigError, DataError, GeometryError
from autoreg_jax.files import read_json
from autoreg_jax.geometry import Volume
from autoreg_jax.inference import ModelDescription, RegistrationModel, Seen
from autoreg_jax.networks import Registration
from autoreg_jax.report import write_report
from autoreg_jax.spatial import Pyramid
from autoreg_jax.workflows.evaluation import _external
from autoreg_jax.workflows.planning import _for_model, plan_for_model
from autoreg_jax.workflows.planning._choices import Choice

SPACING = (2.0, 3.0)
SHIFTS = ((0, 0), (1, 2), (2, 1))
ABOUT = ModelDescription(
    genotype="Centroid",
    num_steps=2,
    orientation="RAS",
    spacing=SPACING,
    lam={"full": 1.0, "smooth": 1.0, "half": 0.0, "quarter": 0.0},
    similarity="ncc",
    windows=(5, 3, 3),
    # So many grey values of these files become 0 and 1.
    intensity=Intensity(rule="window", low=0.0, high=500.0),
    seen=Seen(((50.0, 60.0), (50.0, 60.0))),
)


class Centroid(nn.Module):
    """Shifts the moving image until the centres of gravity agree."""

    def __call__(self, moving, fixed):
        shape = moving.shape[1:-1]
        grid = jnp.stack(jnp.meshgrid(*map(jnp.arange, shape), indexing="ij"), -1)
        centres = [
            jnp.sum(image[0] * grid, (0, 1)) / jnp.sum(image)
            for image in (moving, fixed)
        ]
        full = jnp.broadcast_to(centres[0] - centres[1], (1, *shape, 2))
        half = full[:, ::2, ::2] / 2
        return Registration(half, Pyramid(full, half, half))


@pytest.fixture(autouse=True)
def _model(monkeypatch):
    """The model that every path means."""
    model = RegistrationModel(ABOUT, {}, network=Centroid())
    monkeypatch.setattr(_external, "load_model", lambda path: model)
    # A small picture: its places would call for an alignment, which is not tested here.
    trusted = Choice("none", "The headers are right.")
    monkeypatch.setattr(_for_model, "choose_affine", lambda found: trusted)


@pytest.fixture
def other(tmp_path):
    """One picture in three places, in voxels of half the size and turned by 180°."""
    image, labels = np.zeros((20, 20), np.float32), np.zeros((20, 20), np.int32)
    image[6:12, 6:12] = np.random.default_rng(0).uniform(100, 500, (6, 6))
    labels[6:9, 6:12], labels[9:12, 6:12] = 11, 12
    affine = np.diag([-1.0, -1.5, 1, 1])
    affine[:2, 3] = 70, 90
    rows = [["subject", "image", "labels"]]
    for name, shift in zip("abc", SHIFTS, strict=True):
        for array, kind in ((image, "image"), (labels, "labels")):
            fine = np.roll(array, shift, (0, 1)).repeat(2, 0).repeat(2, 1)[::-1, ::-1]
            path = tmp_path / "other" / f"{name}_{kind}.nii.gz"
            data.write_volume(path, Volume(fine, affine))
        rows.append([name, f"{name}_image.nii.gz", f"{name}_labels.nii.gz"])
    return write_table(tmp_path / "other" / "dataset.csv", rows)


def write_table(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def changed_table(path, change, kept=("subject", *"abc")):
    """The table with every row changed, beside it."""
    with path.open(newline="") as file:
        rows = [change(row) for row in csv.reader(file) if row[0] in kept]
    return write_table(path.with_name("changed.csv"), rows)


SETTINGS = config.merge(
    config.RunConfig(), {"evaluate": {"pairs": 6, "refine": {"steps": 0}}}
)


def test_other_grids_are_seen_as_in_training(other, tmp_path, caplog):
    folder = tmp_path / "validation"
    found = workflows.evaluate_dataset("model", other, folder, SETTINGS)
    # As many voxels of the model apart as the closed form of its own grid says.
    assert found.summary["pairs"] == 6
    assert found.summary["dice"] == {"mean": 1.0, "sd": 0.0}
    row = next(r for r in found.rows if (r["fixed"], r["moving"]) == ("a", "b"))
    assert row["structure"] == "11"
    assert row["dice_before"] == pytest.approx((2 / 3) * (4 / 6), rel=1e-6)
    assert {path.name for path in folder.iterdir()} == {
        *("config.yaml", "evaluation.csv", "evaluation.json", "evaluation_pairs.csv"),
        *("panels.npz", "plan.yaml", "provenance.json"),
    }
    with np.load(folder / "panels.npz") as panels:
        np.testing.assert_allclose(panels["spacing"], SPACING)
        assert np.all(np.diag(panels["affine"])[:2] > 0)
        # By the window of the model, not by percentiles of each image.
        image = data.read_image(other.parent / "a_image.nii.gz").array
        expected = image.sum() / 4 / 500
        assert panels["fixed_0"].sum() == pytest.approx(expected, rel=0.01)
    summary = read_json(folder / "evaluation.json")
    assert "12 mm along R (50 to 60)" in summary["warnings"][0]
    assert len(summary["warnings"]) == 3
    assert "And 2 more, see evaluation.json" in caplog.text
    assert read_json(folder / "provenance.json")["dataset"] == "../other/dataset.csv"
    # The page tells what was found, not how the model came about.
    page = write_report(folder).read_text()
    assert "Overlap by structure" in page
    assert "Hypergradients" not in page
    with pytest.raises(ArtifactError, match=r"not empty \(config.yaml\); name a new"):
        workflows.evaluate_dataset("model", other, folder, SETTINGS)


def test_without_labels_there_are_similarity_and_time(other, tmp_path):
    bare = changed_table(other, lambda row: row[:2])
    found = workflows.evaluate_dataset("model", bare, tmp_path / "new", SETTINGS)
    assert found.rows == []
    assert found.summary["ncc"]["mean"] > found.summary["ncc_before"]["mean"]
    assert {"folding_fraction", "seconds_per_pair"} <= found.summary.keys()


def test_a_test_split_is_used_and_else_everyone(other):
    subjects = read_dataset(other, held_out=True).subjects
    assert [subject.split for subject in subjects] == ["test"] * 3
    named = [
        replace(subject, name=f"{subject.name}{k}", split=split)
        for k, split in enumerate(("train", "test"))
        for subject in subjects[:2]
    ]
    table = data.Dataset(other, tuple(named))
    chosen, split = _external._evaluated(table, SETTINGS)
    assert ([s.name for s in chosen.subjects], split) == (["a1", "b1"], "test")
    atlas = config.merge(SETTINGS, {"pairs": {"fixed": "b0"}})
    chosen, _ = _external._evaluated(table, atlas)
    assert [subject.name for subject in chosen.subjects] == ["b0", "a1", "b1"]
    for_choosing = config.merge(SETTINGS, {"evaluate": {"split": "validation"}})
    chosen, split = _external._evaluated(table, for_choosing)
    assert (len(chosen.subjects), split) == (4, "all")


def test_what_cannot_be_evaluated_leaves_no_folder(other, tmp_path, monkeypatch):
    def refused(error, message, table=other, settings=SETTINGS):
        with pytest.raises(error, match=message) as raised:
            workflows.evaluate_dataset("model", table, tmp_path / "new", settings)
        assert "\n" not in str(raised.value)
        assert not (tmp_path / "new").exists()

    asked = config.merge(SETTINGS, {"pairs": {"moving_modality": "t2"}})
    refused(DataError, "no pair .*moving_modality=t2", settings=asked)
    atlas = config.merge(SETTINGS, {"pairs": {"fixed": "mean"}})
    refused(DataError, "'mean', but pairs.fixed asks .* or to null", settings=atlas)
    with pytest.raises(ConfigError, match="trained for one smoothness alone"):
        workflows.smoothness_dataset("model", [2.0], other, tmp_path / "new", SETTINGS)
    labels = data.read_labels(other.parent / "a_labels.nii.gz")
    values = (0, 0, 1000)
    for name, add in zip("abc", values, strict=True):
        moved = np.where(labels.array > 0, labels.array + add, 0).astype(np.int32)
        path = other.parent / f"{name}_labels.nii.gz"
        data.write_volume(path, Volume(moved, labels.affine))
    kept = ["subject", "a", "c"]
    only = changed_table(other, lambda row: row, kept)
    refused(DataError, "2 of 2 pairs .* a has 11, 12 and c has 1011, 1012", only)
    about = replace(ABOUT, orientation="RAS", spacing=(2.0, 2.0, 2.0))
    volumes = RegistrationModel(about, {}, network=Centroid())
    monkeypatch.setattr(_external, "load_model", lambda path: volumes)
    refused(GeometryError, "images of 3 axes, but those of the dataset have 2")


def test_the_grid_covers_images_of_several_grids(other):
    image = data.read_image(other.parent / "b_image.nii.gz")
    part = Volume(image.array[5:, :33], image.affine @ _moved_by(5, 0))
    data.write_volume(other.parent / "b_image.nii.gz", part)
    bare = changed_table(other, lambda row: row[:2])
    table = read_dataset(bare, held_out=True)
    about = replace(ABOUT, orientation="LPS")
    plan, text = plan_for_model(table, other.parent, SETTINGS, about)
    assert (plan.grid.orientation, plan.grid.spacing) == ("LPS", SPACING)
    assert plan.intensity == ABOUT.intensity
    assert "covers what the 3" in text
    # The picture lies between these places in all three images.
    low = np.array(plan.grid.centre[:2]) - np.multiply(plan.grid.shape, SPACING) / 2
    high = np.array(plan.grid.centre[:2]) + np.multiply(plan.grid.shape, SPACING) / 2
    middle = image.grid.to_world(np.argwhere(image.array > 0))[:, :2]
    assert np.all(low < middle.min(0))
    assert np.all(high > middle.max(0))


def _moved_by(*voxels):
    matrix = np.eye(4)
    matrix[:2, 3] = voxels
    return matrix
