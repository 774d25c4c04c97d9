"""What each ingredient of network and training is worth, in equal minutes.

    python -m tests.benchmarks.ablation --data hippocampus -o ablation --minutes 3
    python -m tests.benchmarks.ablation --data hippocampus -o ablation --only base wide
    python -m tests.benchmarks.ablation --data oasis30 -o oasis --steps 900 --split test
    python -m tests.benchmarks.ablation --data hippocampus -o ablation --priced 200

The base is the preset `compact`, with averaged weights; each row changes what its name
says. `two_scale` is the network of the paper with matching, half of its channels,
convolutions of three taps and Adam's steps.
Every row is trained for the same minutes, in which nothing is compiled, or steps, and
scored on the same pairs by the network alone. `--priced` gives every row the steps that
it can do while the base does so many: minutes that stay equal on a machine that other
work slows down, since both steps are timed one after the other. A repeated command
takes what is finished as it is; other choices of a folder need another folder. Choose
on validation, report on test.
"""

import argparse
import csv
import json
import tempfile
from pathlib import Path

import jax
import numpy as np

from autoreg_jax import config, runtime, workflows
from autoreg_jax.files import write_json
from autoreg_jax.programs import make_structure
from autoreg_jax.search_space import Genotype

BASE = {
    "train": {
        "steps": 100_000,
        "omega_steps": "orthogonal",
        "average": 0.99,
        "log_every": 20,
    },
    "evaluate": {"pairs": 40, "refine": {"steps": 0}},
}
ROWS = (
    {
        "base": {},
        "two_scale": {
            "network": vars(config.load("table2").network) | {"width": 0.5},
            "train": {"omega_steps": "relative", "average": None},
        },
        "adam": {"train": {"omega_steps": "relative"}},
        "no_average": {"train": {"average": None}},
        "composed": {"network": {"velocities": "composed"}},
        "summed": {"network": {"velocities": "summed"}},
        "two_scales": {"network": {"scales": 2}},
        "three_scales": {"network": {"scales": 3}},
        "five_scales": {"network": {"scales": 5}},
        "strided": {"network": {"encoder": "strided"}},
        "concatenation": {"network": {"fusion": "concatenation"}},
        "no_matching": {"network": {"matching": None}},
        "matching_2": {"network": {"matching": [2]}},
        "correlation": {"network": {"matching": None, "correlation": [1]}},
        "iterations": {"network": {"iterations": [1, 1, 2, 2]}},
        "context": {"network": {"context": True}},
        "normalised": {"network": {"normalise_features": True}},
        "wide": {"network": {"width": 2.0}},
        "narrow": {"network": {"width": 0.5}},
        "both": {"train": {"directions": "both"}},
        "cycles": {"train": {"cycles": 4}},
        "cosine": {"train": {"schedule": "cosine"}},
        "best": {"train": {"keep": "best"}},
        "rate_half": {"train": {"learning_rate": 0.015}},
        "rate_double": {"train": {"learning_rate": 0.06}},
        "batch_2": {"train": {"batch_size": 2}},
        "full_resolution": {"network": {"resolution": "full"}},
        "eighth": {"objective": {"extra": {"eighth": 0.4}}},
        "inverse": {
            "train": {"directions": "both"},
            "objective": {"extra": {"inverse_consistency": 1.0}},
        },
        "bending": {"objective": {"extra": {"bending": 10.0}}},
    }
    | {
        name: {"train": {"augment": {name: {"probability": 0.5, "strength": strength}}}}
        for name, strength in (
            ("affine", 0.05),
            ("deform", 2.0),
            ("monotone", 1.0),
            ("remap", 1.0),
            ("gamma", 0.3),
            ("bias", 0.3),
            ("blur", 1.0),
            ("slices", 3.0),
            ("noise", 0.05),
            ("dropout", 0.3),
        )
    }
    | {
        "flip": {"train": {"augment": {"flip": ["left_right"]}}},
        "dice": {"objective": {"extra": {"dice": 10.0}}},
    }
)


class Ablation:
    """One dataset and budget."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Load the subjects."""
        self.folder, self.options = options.output, options
        self.compiled: set[str] = set()
        self.prices: dict[str, float] = {}
        given = config.merge(config.load("default"), BASE)
        prepared = workflows.prepare(
            options.data, self.folder, given, "train", "validation", "test"
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        prepared.write_plan(self.folder)
        self.train, self.validation, self.test = prepared.cohorts
        self.config = prepared.config

    def settings(self, name: str, seed: int) -> config.RunConfig:
        """The settings of one row."""
        steps = self.options.steps or self.options.priced
        budget = {"minutes": self.options.minutes, "steps": steps}
        changes = {"seed": seed, "train": {k: v for k, v in budget.items() if v}}
        found = config.merge(self.config, changes)
        preset = config.load("compact").network
        found = config.merge(found, {"network": vars(preset)})
        return config.merge(found, ROWS[name])

    def row(self, name: str, seed: int) -> dict:
        """Train and score, or read what was scored before."""
        folder = self.folder / f"{name}_{seed}"
        scores = folder / f"{self.options.split}.json"
        if scores.is_file():
            return json.loads(scores.read_text())
        run, price = self.settings(name, seed), 1.0
        if self.options.priced:
            price = self.price(name)
            run = config.merge(
                run, {"train": {"steps": round(run.train.steps / price)}}
            )
        genotype, lam = self.given(run)
        given = {"validation": self.validation}
        if self.options.minutes and name not in self.compiled:
            # Ends at the first record: its program is then in the cache.
            moment = config.merge(run, {"train": {"minutes": 1e-3}})
            workflows.train(self.train, moment, genotype, lam, **given)
            self.compiled.add(name)
        model = workflows.train(
            self.train, run, genotype, lam, **given, run=folder, resume=True
        )
        cohort = {"validation": self.validation, "test": self.test}
        found = workflows.evaluate(cohort[self.options.split], model, run)
        last = records(folder)[-1]
        result = {
            "dice": [pair["dice"] for pair in found.pairs if pair["dice"] is not None],
            "folding": 100 * found.summary["folding_fraction"]["mean"],
            "steps": last["step"],
            "seconds": last["seconds"],
            "price": price,
            "parameters": sum(x.size for x in jax.tree.leaves(model.params)),
        }
        write_json(scores, result)
        return result

    def given(self, run: config.RunConfig) -> tuple[Genotype, dict[str, float]]:
        """Its cells, each a convolution of three taps, and its weights."""
        extra = vars(run.objective.extra)
        lam = {n: w for n, w in vars(run.objective).items() if isinstance(w, float)}
        lam = {n: lam[n] for n in ("full", "smooth", "half", "quarter")}
        lam |= {n: w for n, w in extra.items() if w}
        return Genotype.uniform("conv_3", make_structure(run).cells), lam

    def price(self, name: str) -> float:
        """Seconds of a step in units of those of the base, one after the other."""
        if name == "base":
            return 1.0
        if name not in self.prices:
            self.prices[name] = self.seconds(name) / self.seconds("base")
        return self.prices[name]

    def seconds(self, name: str) -> float:
        """Of forty steps, after ten that are not counted, and nothing judged."""
        steps = {"steps": 50, "log_every": 10, "validate_every": 50}
        run = config.merge(self.settings(name, 0), {"train": steps})
        with tempfile.TemporaryDirectory() as folder:
            given = {"validation": self.validation, "run": Path(folder)}
            workflows.train(self.train, run, *self.given(run), **given)
            first, *_, last = records(Path(folder))
        return last["seconds"] - first["seconds"]


def records(folder: Path) -> list[dict]:
    """What was written down during a training."""
    return [json.loads(s) for s in (folder / "metrics.jsonl").read_text().splitlines()]


def interval(gains: np.ndarray) -> tuple[float, float]:
    """95 % of the mean over pairs, by 10,000 draws of pairs."""
    rng = np.random.default_rng(0)
    draws = rng.choice(gains, (10_000, len(gains))).mean(1)
    return tuple(np.quantile(draws, (0.025, 0.975)))


def main() -> None:
    """Print a line for each row as soon as it is finished."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--priced", type=int, metavar="STEPS")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--split", choices=("validation", "test"), default="validation")
    parser.add_argument("--only", nargs="*", choices=ROWS, default=list(ROWS))
    options = parser.parse_args()
    if not (options.minutes or options.steps or options.priced):
        parser.error("give --minutes, --steps or --priced")
    runtime.enable_compilation_cache()
    ablation, base = Ablation(options), None
    print("| row | Dice | seeds | gain, 95 % over pairs | folding, % | steps | M |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with (options.output / f"{options.split}.csv").open("a", newline="") as file:
        table = csv.writer(file)
        for name in options.only:
            rows = [ablation.row(name, seed) for seed in range(options.seeds)]
            dice = np.array([row["dice"] for row in rows])
            pairs = dice.mean(0)
            base = pairs if name == "base" else base
            gain = ""
            if base is not None and name != "base":
                low, high = interval(pairs - base)
                gain = f"{(pairs - base).mean():+.4f} ({low:+.4f} to {high:+.4f})"
            seeds = " ".join(f"{mean:.4f}" for mean in dice.mean(1))
            cells = [name, f"{pairs.mean():.4f}", seeds, gain]
            cells += [f"{np.mean([row['folding'] for row in rows]):.4f}"]
            cells += [f"{np.mean([row['steps'] for row in rows]):.0f}"]
            cells += [f"{rows[0]['parameters'] / 1e6:.3f}"]
            print(f"| {' | '.join(cells)} |", flush=True)
            table.writerow(cells)
            file.flush()


if __name__ == "__main__":
    main()
