"""Evaluation: scores that are known beforehand, files, data without labels or truth."""

import csv
import dataclasses
import math

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax import config, data
from autoreg_jax.errors import ArtifactError
from autoreg_jax.files import read_json
from autoreg_jax.inference import ModelDescription, RegistrationModel
from autoreg_jax.networks import Registration
from autoreg_jax.spatial import Pyramid
from autoreg_jax.workflows import evaluate, read_evaluation
from autoreg_jax.workflows.evaluation import mean_and_sd
from autoreg_jax.workflows.evaluation._evaluate import choose_examples

SPACING = (2.0, 3.0)
SHIFTS = np.array([[0, 0], [1, 2], [2, 1]])


ABOUT = ModelDescription(
    genotype="Centroid",
    width=1.0,
    num_steps=2,
    matching=None,
    orientation="RAS",
    spacing=SPACING,
    lam={"full": 1.0, "smooth": 1.0, "half": 0.0, "quarter": 0.0},
    similarity="ncc",
    windows=(5, 3, 3),
)


class Centroid(nn.Module):
    """Shifts the moving image until the centres of gravity agree, times a factor."""

    factor: float

    def __call__(self, moving, fixed):
        shape = moving.shape[1:-1]
        grid = jnp.stack(jnp.meshgrid(*map(jnp.arange, shape), indexing="ij"), -1)
        centres = [
            jnp.sum(image[0] * grid, (0, 1)) / jnp.sum(image)
            for image in (moving, fixed)
        ]
        shift = self.factor * (centres[0] - centres[1]).reshape(1, 1, 1, 2)
        half = (1, shape[0] // 2, shape[1] // 2, 2)
        full = jnp.broadcast_to(shift, (1, *shape, 2))
        velocity = jnp.broadcast_to(shift / 2, half)
        return Registration(velocity, Pyramid(full, velocity, velocity))


def centroid_model(factor=1.0, description=ABOUT):
    return RegistrationModel(description, {}, network=Centroid(factor))


@pytest.fixture(scope="module")
def shifted():
    """One picture in three places: labels, true velocities, everything is known."""
    rng = np.random.default_rng(0)
    image = np.zeros((20, 20), np.float32)
    image[6:12, 6:12] = rng.uniform(0.2, 1, (6, 6))
    labels = np.zeros((20, 20), np.int32)
    labels[6:9, 6:12], labels[9:12, 6:12] = 1, 2
    rolled = [
        [np.roll(array, shift, (0, 1)) for shift in SHIFTS] for array in (image, labels)
    ]
    fields = np.broadcast_to(-SHIFTS[:, None, None, :], (3, 20, 20, 2))
    return data.Cohort(
        names=("a", "b", "c"),
        images=np.stack(rolled[0])[..., None],
        labels=np.stack(rolled[1]),
        structures=("upper", "lower"),
        affine=np.diag([2.0, 3.0, 1.0, 1.0]),
        spacing=SPACING,
        velocity=fields.astype(np.float32),
    )


@pytest.fixture(scope="module")
def settings():
    """All six pairs, a short refinement."""
    return config.merge(
        config.RunConfig(), {"evaluate": {"pairs": 6, "refine": {"steps": 3}}}
    )


@pytest.fixture(scope="module")
def done(shifted, settings, tmp_path_factory):
    """The evaluation of a model that is always right, and its folder."""
    folder = tmp_path_factory.mktemp("evaluate") / "run"
    return evaluate(shifted, centroid_model(), settings, run=folder), folder


def test_perfect_model_gets_perfect_scores(done):
    summary = done[0].summary
    assert summary["pairs"] == 6
    assert summary["simulated"] is True
    assert summary["dice"] == {"mean": 1.0, "sd": 0.0}
    assert summary["dice_refined"]["mean"] == 1.0
    assert summary["dice_before"]["mean"] < 0.75
    assert summary["displacement_error"]["mean"] < 1e-4
    assert summary["displacement_error_refined"]["mean"] < 0.5
    assert summary["folding_fraction"]["mean"] == 0
    assert summary["log_jacobian_std"]["mean"] < 1e-5
    assert summary["learn2reg_log_jacobian_std"]["mean"] < 1e-5
    assert summary["correlation"]["mean"] == pytest.approx(1, abs=1e-5)
    assert summary["hd95"] == summary["assd"] == {"mean": 0.0, "sd": 0.0}
    assert summary["hd95_before"]["mean"] > summary["assd_before"]["mean"] > 1
    assert summary["structures_without_distance"] == 0
    assert summary["inverse_consistency_error"]["mean"] < 1e-3
    assert "inverse_consistency_error_refined" not in summary
    assert summary["ncc"]["mean"] > summary["ncc_before"]["mean"]
    assert summary["seconds_per_pair_refined"]["mean"] > 0
    assert summary["peak_memory_bytes"] > 1e7


def test_trust_is_that_of_each_pair_and_names_what_is_unusual(done):
    found = done[0]
    trusts = {(row["fixed"], row["moving"]): row["trust"] for row in found.pairs}
    assert all(0 <= trust <= 1 for trust in trusts.values())
    assert found.summary["trust"]["mean"] == pytest.approx(np.mean([*trusts.values()]))
    flagged = {
        (r["fixed"], r["moving"]): r["flags"] for r in found.summary["trust_flags"]
    }
    assert {pair for pair, trust in trusts.items() if trust <= 0.5} == set(flagged)
    assert all(flags and all(flags) for flags in flagged.values())


def test_error_before_is_the_distance_in_millimetres(done):
    distances = [
        np.linalg.norm((SHIFTS[i] - SHIFTS[j]) * SPACING)
        for i in range(3)
        for j in range(3)
        if i != j
    ]
    found = done[0].summary["displacement_error_before"]
    assert found["mean"] == pytest.approx(np.mean(distances), rel=1e-4)
    assert found["sd"] == pytest.approx(np.std(distances, ddof=1), rel=1e-4)


def test_rows_name_the_pair_and_its_structures(done):
    rows = done[0].rows
    assert len(rows) == 12
    assert {row["structure"] for row in rows} == {"upper", "lower"}
    assert {(row["fixed"], row["moving"]) for row in rows} == {
        (i, j) for i in "abc" for j in "abc" if i != j
    }
    # "upper" has rows 6 to 8: a is 1 of 3 rows and 2 of 6 columns away from b.
    row = next(r for r in rows if (r["fixed"], r["moving"]) == ("a", "b"))
    assert row["dice_before"] == pytest.approx((2 / 3) * (4 / 6), rel=1e-6)
    assert row["dice"] == 1.0


def test_every_pair_has_its_row(done):
    evaluation = done[0]
    assert len(evaluation.pairs) == 6
    for pair in evaluation.pairs:
        of_pair = [
            row
            for row in evaluation.rows
            if (row["fixed"], row["moving"]) == (pair["fixed"], pair["moving"])
        ]
        for name in ("dice_before", "hd95_before", "assd", "dice_refined"):
            assert pair[name] == pytest.approx(np.mean([r[name] for r in of_pair]))
        assert pair["seconds_per_pair_refined"] > pair["seconds_per_pair"] > 0
        assert "folding_fraction_before" not in pair
    errors = [pair["displacement_error"] for pair in evaluation.pairs]
    mean = evaluation.summary["displacement_error"]["mean"]
    assert np.mean(errors) == pytest.approx(mean)


class Counted(Centroid):
    """Counts how often it is traced."""

    traces = []  # noqa: RUF012

    def __call__(self, moving, fixed):
        self.traces.append(moving.shape)
        return super().__call__(moving, fixed)


def test_pairs_share_one_program(shifted, settings):
    settings = config.merge(settings, {"evaluate": {"refine": {"steps": 0}}})
    model = RegistrationModel(ABOUT, {}, network=Counted(1.0))
    evaluate(shifted, model, settings)
    assert len(Counted.traces) == 1


def test_landmarks_are_scored_in_millimetres(shifted, settings):
    points = np.array([[7.0, 7.0], [10.5, 8.25], [8.0, 11.0]], np.float32)
    marked = dataclasses.replace(
        shifted, landmarks=points + SHIFTS[:, None].astype(np.float32)
    )
    alone = config.merge(settings, {"evaluate": {"refine": {"steps": 0}}})
    summary = evaluate(marked, centroid_model(), alone).summary
    expected = summary["displacement_error_before"]["mean"]
    assert summary["tre_before"]["mean"] == pytest.approx(expected, rel=1e-4)
    assert summary["tre"]["mean"] < 1e-3


def test_files_parse_and_agree(done):
    evaluation, folder = done
    again = read_evaluation(folder)
    assert again.summary == read_json(folder / "evaluation.json")
    assert again.summary == evaluation.summary
    with (folder / "evaluation.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 12
    pairs = [(again.rows, evaluation.rows), (again.pairs, evaluation.pairs)]
    for one, other in (rows for p in pairs for rows in zip(*p, strict=True)):
        assert one == pytest.approx(other, abs=1e-6)


def test_panels_hold_registered_pairs(done, shifted):
    with np.load(done[1] / "panels.npz") as panels:
        names = panels["names"].tolist()
        assert len(set(names)) == 3
        for name in names:
            assert set(name.split(" to ")) <= set(shifted.names)
        assert panels["structures"].tolist() == ["upper", "lower"]
        np.testing.assert_array_equal(panels["affine"], shifted.affine)
        np.testing.assert_array_equal(panels["spacing"], SPACING)
        for i in range(3):
            fixed = panels[f"fixed_{i}"]
            assert np.abs(fixed - panels[f"moving_{i}"]).max() > 0.1
            np.testing.assert_allclose(panels[f"moved_{i}"], fixed, atol=1e-5)
            assert panels[f"moved_refined_{i}"].shape == fixed.shape
            assert panels[f"displacement_{i}"].shape == (*fixed.shape, 2)
            assert panels[f"moved_labels_{i}"].dtype == np.int16
            moved, wanted = panels[f"moved_labels_{i}"], panels[f"fixed_labels_{i}"]
            np.testing.assert_array_equal(moved, wanted)


def test_bare_images_are_enough(shifted, settings, tmp_path):
    bare = dataclasses.replace(shifted, labels=None, structures=(), velocity=None)
    alone = config.merge(settings, {"evaluate": {"refine": {"steps": 0}}})
    evaluation = evaluate(bare, centroid_model(), alone, run=tmp_path)
    assert evaluation.rows == []
    summary = evaluation.summary
    assert summary["simulated"] is False
    assert not [name for name in summary if name.startswith(("dice", "displacement"))]
    assert not [name for name in summary if name.endswith("_refined")]
    assert summary["ncc"]["mean"] > summary["ncc_before"]["mean"]
    assert read_evaluation(tmp_path).rows == []
    with np.load(tmp_path / "panels.npz") as panels:
        assert "moved_refined_0" not in panels
        assert "fixed_labels_0" not in panels


def test_wrong_model_is_called_wrong(shifted, settings):
    summary = evaluate(shifted, centroid_model(factor=-1.0), settings).summary
    assert summary["dice"]["mean"] < summary["dice_before"]["mean"]
    error = summary["displacement_error_before"]["mean"]
    assert summary["displacement_error"]["mean"] == pytest.approx(2 * error, rel=1e-4)


def test_structure_that_a_pair_lacks_does_not_count(shifted, settings):
    third = dataclasses.replace(shifted, structures=("upper", "lower", "nowhere"))
    alone = config.merge(settings, {"evaluate": {"refine": {"steps": 0}}})
    evaluation = evaluate(third, centroid_model(), alone)
    assert evaluation.summary["dice"]["mean"] == 1.0
    missing = [row for row in evaluation.rows if row["structure"] == "nowhere"]
    assert all(math.isnan(row["dice"]) for row in missing)
    assert all(math.isnan(row["hd95"]) for row in missing)
    assert evaluation.summary["structures_without_distance"] == len(missing) == 6
    assert evaluation.summary["hd95"]["mean"] == 0.0


def test_missing_evaluation_is_named(tmp_path):
    with pytest.raises(ArtifactError, match=r"evaluation\.json: no such file"):
        read_evaluation(tmp_path)


def test_spread_needs_two_values():
    assert mean_and_sd([2.0, math.nan]) == {"mean": 2.0, "sd": None}
    assert mean_and_sd([1.0, 3.0]) == {"mean": 2.0, "sd": pytest.approx(math.sqrt(2))}
    assert mean_and_sd([]) == {"mean": None, "sd": None}


def test_examples_are_different_pairs():
    assert choose_examples([0.1, 0.4]) == {"best": 1, "median": 0}
    assert choose_examples([0.3, 0.1, 0.2, 0.5]) == {"best": 3, "median": 2, "worst": 1}
