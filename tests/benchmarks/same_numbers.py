"""Whether two versions of the project compute the same numbers, bit for bit.

    python -m tests.benchmarks.same_numbers COMMIT [COMMIT]

makes the same small runs with both versions (the second is the working tree unless it
is named): search and training in 2-D and in 3-D, the same with the search resumed after
its α and the training repeated, the evaluation, and registrations with and without a
model. Both versions are called by the command line alone, one after the other, on this
machine. It prints a line for each compared value and ends with 1 if α, λ, ω, the
architecture, a loss or a score differ.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage

ROOT = Path(__file__).parents[2]
SETTINGS = (
    "network.width=0.125",
    "network.num_steps=3",
    "network.operations=[conv_1,conv_3]",  # so that α is searched
    "objective.windows=[5,3,3]",
    "search.hypergradient.name=finite_difference",
    "search.feature.steps=4",
    "search.feature.warm_up=2",
    "search.deformation.steps=4",
    "search.deformation.warm_up=2",
    "search.lam.steps=5",
    "search.lam.warm_up=2",
    "train.steps=12",
    "train.log_every=3",
    "evaluate.pairs=2",
    "evaluate.refine.steps=3",
)
# Numbers of a clock.
CLOCKS = ("seconds",)
PARTS = ("feature", "deformation")


def make_subjects(folder: Path, shape: tuple[int, ...]) -> Path:
    """Blobs in different places with labels, and their dataset.csv."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(len(shape))
    lines = ["subject,image,labels,split"]
    splits = ("train",) * 4 + ("validation",) * 3 + ("test",) * 3
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    grid = np.indices(shape)
    for number, split in enumerate(splits):
        image, labels = np.zeros(shape, np.float32), np.zeros(shape, np.int16)
        for structure, part in ((1, 0.28), (2, 0.15)):
            centre = np.array(shape) * rng.uniform(0.42, 0.55, len(shape))
            squares = (grid - centre.reshape(-1, *[1] * len(shape))) ** 2
            inside = np.sum(squares, axis=0) < (part * min(shape)) ** 2
            image[inside], labels[inside] = 40.0 * structure, structure
        image = ndimage.gaussian_filter(image, 0.7) + rng.normal(0, 0.5, shape)
        image = image[..., None] if len(shape) == 2 else image
        labels = labels[..., None] if len(shape) == 2 else labels
        for name, array in (("image", image), ("labels", labels)):
            path = folder / f"s{number}_{name}.nii.gz"
            nibabel.save(nibabel.Nifti1Image(array, affine), path)
        lines.append(
            f"s{number},s{number}_image.nii.gz,s{number}_labels.nii.gz,{split}"
        )
    (folder / "dataset.csv").write_text("\n".join(lines) + "\n")
    return folder / "dataset.csv"


def make_runs(version: Path, folder: Path, subjects: dict[int, Path]) -> None:
    """All small runs of one version."""
    environment = os.environ | {"PYTHONPATH": str(version)}

    def autoreg(*words: object) -> None:
        command = [sys.executable, "-m", "autoreg_jax.cli.__main__", *map(str, words)]
        done = subprocess.run(
            command, cwd=version, env=environment, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"{version}: {' '.join(map(str, words))}\n{done.stderr}")

    for ndim, table in subjects.items():
        run, again = folder / f"{ndim}d", folder / f"{ndim}d-resumed"
        settings = [word for one in SETTINGS for word in ("--set", one)]
        autoreg("auto", table, "-o", run, *settings)
        shutil.copytree(run, again)
        forget_lambda(again)
        autoreg("auto", table, "-o", again, *settings, "--resume")
        fixed, moving = (table.parent / f"s{n}_image.nii.gz" for n in (7, 8))
        pair = ("-f", fixed, "-m", moving)
        for name, words in (
            ("network", ("--model", run, "--affine", "none")),
            ("refined", ("--model", run, "--affine", "none", "--refine", 3)),
            ("classical", ("--affine", "affine", "--refine", 4)),
        ):
            autoreg("register", *pair, "-o", f"{run}-{name}_", *words)


def forget_lambda(run: Path) -> None:
    """Bring a run back to where it was after the search of α."""
    records = (run / "metrics.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in records if json.loads(line)["stage"] in PARTS]
    (run / "metrics.jsonl").write_text("".join(kept))
    for name in ("checkpoints/lam", "checkpoints/train", "model"):
        shutil.rmtree(run / name)
    for name in ("objective.json", "evaluation.json"):
        (run / name).unlink()


def values_of(folder: Path) -> dict[str, np.ndarray | str]:
    """Every number of the runs of one version by its name."""
    found: dict[str, np.ndarray | str] = {}
    for run in sorted(path for path in folder.iterdir() if path.is_dir()):
        genotype = json.loads((run / "genotype.json").read_text())
        for name in ("format", "sha256"):
            genotype.pop(name, None)
        found[f"{run.name} genotype"] = json.dumps(genotype)
        lam = json.loads((run / "objective.json").read_text())["lam"]
        found |= {f"{run.name} λ {k}": np.float64(v) for k, v in lam.items()}
        for line in (run / "metrics.jsonl").read_text().splitlines():
            record = json.loads(line)
            place = f"{run.name} {record.pop('stage')} {record.pop('step')}"
            found |= flat(record, place)
        with np.load(run / "model" / "weights.npz") as weights:
            found |= {f"{run.name} ω {k}": weights[k] for k in weights.files}
        for name in ("evaluation.csv", "evaluation_pairs.csv"):
            with (run / name).open() as file:
                for row in csv.DictReader(file):
                    key = [row.pop(k) for k in ("fixed", "moving")]
                    place = " ".join([run.name, name, *key, row.pop("structure", "")])
                    found |= {
                        f"{place} {k}": np.float64(v or "nan") for k, v in row.items()
                    }
    for path in sorted(folder.glob("*.nii.gz")):
        found[path.name] = np.asarray(nibabel.load(path).dataobj)
    return found


def flat(value: object, place: str) -> dict[str, np.ndarray]:
    """The numbers of a record."""
    if isinstance(value, dict):
        parts = [flat(part, f"{place} {key}") for key, part in value.items()]
        return {name: number for part in parts for name, number in part.items()}
    return {place: np.asarray(value, np.float64)}


def main() -> int:
    """Compare, and say what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commits", nargs="+", help="one or two commits")
    parser.add_argument(
        "--expected",
        nargs="*",
        default=[],
        metavar="WORD",
        help="count values with this word in their name, but let them differ",
    )
    options = parser.parse_args()
    commits = [*options.commits, None][:2]
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        shapes = {2: (24, 20), 3: (16, 18, 14)}
        subjects = {
            d: make_subjects(scratch / f"data{d}", s) for d, s in shapes.items()
        }
        found = []
        for number, commit in enumerate(commits):
            version = ROOT
            if commit is not None:
                version = scratch / f"version{number}"
                words = ("worktree", "add", "--quiet", "--detach", version, commit)
                subprocess.run(("git", *words), cwd=ROOT, check=True)
            try:
                (scratch / f"runs{number}").mkdir()
                make_runs(version, scratch / f"runs{number}", subjects)
            finally:
                if commit is not None:
                    words = ("worktree", "remove", "--force", version)
                    subprocess.run(("git", *words), cwd=ROOT, check=True)
            found.append(values_of(scratch / f"runs{number}"))
    return report(*found, options.expected)


def report(before: dict, after: dict, expected: list[str]) -> int:
    """Print what differs and how many numbers are the same."""
    same, allowed, wrong = 0, 0, []
    for name in sorted(before.keys() | after.keys()):
        if any(clock in name for clock in CLOCKS):
            continue
        if name not in before or name not in after:
            wrong.append(f"{name}: in one version alone")
            continue
        one, other = before[name], after[name]
        if np.array_equal(one, other, equal_nan=not isinstance(one, str)):
            same += 1
        elif any(word in name for word in expected):
            allowed += 1
        else:
            wrong.append(f"{name}: {one!r:.60} and {other!r:.60}")
    print(*wrong, sep="\n")
    print(
        f"{same} values are the same bit for bit, {allowed} differ as expected, "
        f"{len(wrong)} differ otherwise"
    )
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
