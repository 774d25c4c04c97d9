"""Two modalities of each person, as in studies of the prostate, and label maps."""

import csv
import json
import shutil

import numpy as np
import pytest
from scipy import ndimage

from autoreg_jax.data import read_image, read_labels, write_volume
from autoreg_jax.geometry import Volume
from autoreg_jax.transforms import Transform

NAMES = ("anna", "bo", "cy", "dee", "eve", "fay", "gil", "hal")
WITHIN = ("pairs.within=person", "pairs.moving_modality=t2", "pairs.fixed_modality=t1")


def deformation(grid, seed):
    """What lies between two examinations: a smooth flow of up to 16 mm."""
    rng = np.random.default_rng((7, seed))
    noise = rng.normal(size=(*grid.shape, grid.ndim))
    flow = np.stack([ndimage.gaussian_filter(x, 5) for x in np.moveaxis(noise, -1, 0)])
    return Transform.velocity(np.moveaxis(16 * flow / np.abs(flow).max(), 0, -1), grid)


@pytest.fixture(scope="module")
def people(simulate, tmp_path_factory):
    """Each person in t1, and deformed in t2: folders of images and of label maps."""
    top = tmp_path_factory.mktemp("study")
    sources = [simulate(len(NAMES), contrast=kind) for kind in ("t1", "t2")]
    for number, name in enumerate(NAMES):
        for kind, source in zip(("t1", "t2"), sources, strict=True):
            for role, read in (("images", read_image), ("labels", read_labels)):
                given = read(source / role / f"sim{number:03}.nii.gz")
                array = given.array
                if kind == "t2":
                    how = "linear" if role == "images" else "label"
                    there = deformation(given.grid, number)
                    array = there.apply(array, given.grid, given.grid, how)
                path = top / role / f"{name}_{kind}.nii.gz"
                write_volume(path, Volume(array, given.affine))
    return top


def table(path, columns, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def pairs_of(people, folder):
    rows = [
        [people / role / f"{name}_{kind}.nii.gz" for role, kind in COLUMNS.values()]
        for name in NAMES
    ]
    return table(folder / "pairs.csv", [*COLUMNS], rows)


COLUMNS = {
    "fixed": ("images", "t1"),
    "moving": ("images", "t2"),
    "fixed_labels": ("labels", "t1"),
    "moving_labels": ("labels", "t2"),
}


def interval(differences):
    """Mean and the middle 95 % of the means of resamples."""
    rng = np.random.default_rng(0)
    means = rng.choice(differences, (10_000, len(differences))).mean(1)
    return np.mean(differences), *np.quantile(means, (0.025, 0.975))


def test_the_plan_pairs_each_person_and_compares_structure(command, people, tmp_path):
    code, out, errors = command("plan", people, "--set", *WITHIN)
    assert code == 0, errors
    words = " ".join((out + errors).replace("#", " ").split())
    assert "Taken for images of one person: anna_t1 and anna_t2" in words
    assert "metric: mind" in words
    # Or a list says who belongs to whom; it is a dataset by itself.
    splits = ["train"] * 4 + ["validation"] * 2 + ["test"] * 2
    with pairs_of(people, tmp_path).open() as file:
        (columns, *rows) = csv.reader(file)
    rows = [[*row, split] for row, split in zip(rows, splits, strict=True)]
    listed = table(tmp_path / "listed.csv", [*columns, "split"], rows)
    code, out, errors = command("plan", listed)
    assert code == 0, errors
    words = " ".join((out + errors).replace("#", " ").split())
    assert "4 train, 2 validation, 2 test" in words
    assert "metric: mind" in words


def test_pairs_are_registered_without_a_model(command, people, tmp_path):
    """Nothing is said of two contrasts: it looks, and takes MIND."""
    words = ("--affine", "none", "--json", "-o", f"{tmp_path}/moved/")
    code, out, errors = command(
        "register", "--pairs", pairs_of(people, tmp_path), *words
    )
    assert code == 0, errors
    found = json.loads(out)["pairs"]
    assert len(found) == len(NAMES)
    assert {one["compared_by"] for one in found.values()} == {"mind"}
    gains = [one["dice"] - one["dice_before"] for one in found.values()]
    before, after = (
        np.mean([one[key] for one in found.values()]) for key in ("dice_before", "dice")
    )
    words = "gain {:.3f}, 95 % from {:.3f} to {:.3f}".format(*interval(gains))
    print(f"Dice {before:.3f} to {after:.3f}, {words}")
    assert interval(gains)[1] > 0.05
    apart, left = [], []
    for number, name in enumerate(NAMES):
        moving, fixed = (f"{name}_{kind}" for kind in ("t2", "t1"))
        path = tmp_path / "moved" / f"{moving}_to_{fixed}_displacement.nii.gz"
        grid = read_image(people / "images" / f"{fixed}.nii.gz").grid
        inside = read_labels(people / "labels" / f"{fixed}.nii.gz").array > 0
        points = grid.points()[inside]
        truth = deformation(grid, number).inverse()(points)
        apart.append(np.linalg.norm(truth - points, axis=-1).mean())
        error = np.linalg.norm(Transform.read(path)(points) - truth, axis=-1)
        left.append(error.mean())
    print(f"displacement {np.mean(apart):.2f} mm, error {np.mean(left):.2f} mm")
    assert np.mean(left) < 0.6 * np.mean(apart)


@pytest.mark.slow
@pytest.mark.optimised
def test_a_network_is_trained_and_evaluated_within_people(command, people, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(people, tmp_path / "study")
    none = ["search.lam.steps=0", "search.lam.warm_up=0"]
    lean = ["train.steps=300", "network.scales=3", "evaluate.refine.steps=40"]
    words = ["--strategy", "darts", "--set", *WITHIN, *none, *lean]
    code, _, errors = command("auto", tmp_path / "study", "-o", run, *words)
    assert code == 0, errors
    with (run / "evaluation_pairs.csv").open() as file:
        rows = [*csv.DictReader(file)]
    people_of = [
        [row[side].rsplit("_", 1) for side in ("moving", "fixed")] for row in rows
    ]
    assert all(moving[0] == fixed[0] for moving, fixed in people_of)
    assert {(m[1], f[1]) for m, f in people_of} == {("t2", "t1")}
    scores = json.loads((run / "evaluation.json").read_text())
    for name in ("dice_before", "dice", "dice_refined"):
        print(f"{name}: {scores[name]['mean']:.3f}, {len(rows)} pairs")
    assert scores["dice"]["mean"] > scores["dice_before"]["mean"] + 0.02
    assert scores["dice_refined"]["mean"] > scores["dice"]["mean"]
    assert scores["folding_fraction"]["mean"] < 1e-3
    assert (run / "report.html").stat().st_size > 10_000
