"""What landmarks in the loss of a training are worth, on simulated slices.

    python -m tests.benchmarks.landmarks -o FOLDER --seeds 0 1 2

Training subjects have 20 landmarks each, whose places follow from their velocities. For
each weight of `objective.extra.landmarks` it prints, of test pairs by the network
alone, Dice, the mean error of the displacement in mm and the distance of the same 20
landmarks, which test subjects do not show to the network.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_erosion, map_coordinates

from autoreg_jax import config, data, workflows
from autoreg_jax.data import Cohort
from autoreg_jax.programs import Programs, cells_of
from autoreg_jax.search_space import Genotype

WEIGHTS = (0.0, 0.3, 1.0, 3.0)
COUNT = 20


def with_landmarks(cohorts: list[Cohort]) -> list[Cohort]:
    """Places in the first subject of each split, and where they are in the others."""
    found = []
    for cohort in cohorts:
        rng = np.random.default_rng(0)
        inside = np.argwhere(binary_erosion(cohort.images[0][..., 0] > 0, iterations=3))
        first = inside[rng.choice(len(inside), COUNT, replace=False)].astype(np.float32)
        places = [first]
        for subject in range(1, len(cohort.names)):
            u = cohort.true_displacement(subject, 0)
            moved = [
                map_coordinates(u[..., axis], first.T, order=1)
                for axis in range(u.shape[-1])
            ]
            places.append((first + np.stack(moved, -1)).astype(np.float32))
        found.append(replace(cohort, landmarks=np.stack(places)))
    return found


def measure(train: Cohort, test: Cohort, seed: int, weight: float) -> dict[str, float]:
    """The means of the test pairs of one training."""
    settings = config.merge(
        config.RunConfig(),
        {
            "seed": seed,
            "objective": {"extra": {"landmarks": weight or None}},
            "train": {"steps": 400, "log_every": 100},
            "evaluate": {"pairs": 40, "refine": {"steps": 0}},
        },
    )
    weights = {"full": 10.0, "smooth": 15.0, "half": 3.2, "quarter": 0.8}
    if weight:
        weights["landmarks"] = weight
    programs = Programs(settings, len(train.spacing))
    genotype = Genotype.uniform("conv_3", cells_of(programs.mixed))
    model = workflows.train(train, settings, genotype, weights, programs=programs)
    found = workflows.evaluate(test, model, settings).summary
    return {k: found[k]["mean"] for k in ("dice", "displacement_error", "tre")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    table = options.output / "dataset.csv"
    if not table.is_file():
        data.write_population(options.output, spacing=4.0, dimensions=2)
    dataset = data.read_dataset(table)
    train, test = with_landmarks(data.load_cohorts(dataset, ("train", "test")))
    for weight in WEIGHTS:
        rows = [measure(train, test, seed, weight) for seed in options.seeds]
        means = {
            key: " ".join(f"{row[key]:.4f}" for row in rows)
            + f" (mean {np.mean([row[key] for row in rows]):.4f})"
            for key in rows[0]
        }
        print(weight, *(f"{key}: {value};" for key, value in means.items()), flush=True)


if __name__ == "__main__":
    main()
