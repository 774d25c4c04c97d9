"""Dice of validation pairs against the steps of a training, for ours and VoxelMorph.

    python -m tests.benchmarks.curve --data hippocampus -o curve --steps 5000

One training each, with a learning rate that falls to zero at its end: the preset
`compact` with convolutions of three taps, orthogonal steps and averaged weights;
VoxelMorph with the Adam steps of 0.001 of its paper, and averaged weights, too. An
interrupted command is resumed. It writes curve.csv and curve.png.
"""

import argparse
import csv
import json
from pathlib import Path

import matplotlib.pyplot as plt

from autoreg_jax import config, workflows
from autoreg_jax.programs import make_structure
from autoreg_jax.search_space import Genotype

LAM = ("full", "smooth", "half", "quarter")
ORTHOGONAL = {"omega_steps": "orthogonal", "learning_rate": 0.03}
ABSOLUTE = {"omega_steps": "absolute", "schedule": "cosine", "learning_rate": 1e-3}
TRAININGS = {
    "AutoReg, compact": (None, ORTHOGONAL),
    "VoxelMorph": ("voxelmorph", ABSOLUTE),
    "VoxelMorph-diff": ("voxelmorph_diff", ABSOLUTE),
}


def points(options: argparse.Namespace, name: str) -> list[tuple[int, float, float]]:
    """Step, seconds and Dice of each validation."""
    rival, settings = TRAININGS[name]
    every = max(1, options.steps // options.points)
    settings |= {"steps": options.steps, "average": 0.99, "validate_every": every}
    settings |= {"validate_pairs": options.pairs, "log_every": every}
    given = config.merge(config.load("compact"), {"train": settings})
    folder = options.output / name.replace(", ", "_")
    prepared = workflows.prepare(options.data, folder, given, "train", "validation")
    folder.mkdir(parents=True, exist_ok=True)
    prepared.write_plan(folder)
    (train, validation), run = prepared.cohorts, prepared.config
    lam = {part: getattr(run.objective, part) for part in LAM}
    genotype = rival or Genotype.uniform("conv_3", make_structure(run).cells)
    workflows.train(
        train, run, genotype, lam, validation=validation, run=folder, resume=True
    )
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    return [
        (record["step"], record["seconds"], record["validation_dice"])
        for record in records
        if "validation_dice" in record
    ]


def main() -> None:
    """Train, and draw what was recorded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--only", nargs="*", choices=TRAININGS, default=list(TRAININGS))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    with (options.output / "curve.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["method", "step", "seconds", "dice"])
        for name in options.only:
            found = points(options, name)
            table.writerows((name, *point) for point in found)
            axes.plot(*zip(*[(a, c) for a, _, c in found], strict=True), label=name)
            print(name, *(f"{step}: {dice:.3f}" for step, _, dice in found[::4]))
    axes.set(xscale="log", xlabel="steps", ylabel="Dice of validation pairs")
    shown = [options.steps * part // 20 for part in (1, 2, 4, 8, 20)]
    axes.set_xticks(shown, [str(step) for step in shown])
    axes.minorticks_off()
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(options.output / "curve.png", dpi=120)


if __name__ == "__main__":
    main()
