"""Why a search does not help, and what would: searches in several ways, each trained.

    python -m tests.benchmarks.remedies --data oasis4 -o remedies
    python -m tests.benchmarks.remedies --data oasis4 -o remedies --only pairs lam_pairs

The dataset needs labels. Each line is the mean Dice on the pairs to evaluate.

- `smooth_half` to `quarter_none` train the hand-made network under other weights of the
  loss: the truth about which way λ should have gone.
- `lam...` search λ for the hand-made network.
- The others search α twice, from two seeds, and train the genotype of the first with
  the λ of the start. `agreement` is the share of edges on which both choose the same
  operation, `correlation` that of both α: what is noise has 1/8 and 0.
- `alpha_mean` takes the mean α of six seeds; its correlation is that of three to three.

A repeated command takes what is finished as it is.
"""

import argparse
import json
from pathlib import Path

import jax
import numpy as np

from autoreg_jax import config, files, runtime, workflows
from autoreg_jax.search_space import OPERATIONS, decode
from autoreg_jax.studies.reproduce._ablation import HAND_MADE

# What is small enough for a CPU.
BASE = {
    "network": {"width": 0.5},
    "search": {
        "hypergradient": {"name": "finite_difference"},
        "feature": {"steps": 120, "warm_up": 60, "learning_rate": 0.03},
        "deformation": {"steps": 120, "warm_up": 60, "learning_rate": 0.03},
        "lam": {"steps": 120, "warm_up": 60, "learning_rate": 0.03},
        "shrink": 2,
    },
    "train": {"steps": 400, "learning_rate": 0.03},
    "evaluate": {"pairs": 30, "refine": {"steps": 0}},
}


def both(**settings):
    """Settings of both stages of α."""
    return {"feature": settings, "deformation": settings}


ALPHA = {
    "alpha": {},
    "alpha_normalised": {"network": {"normalise": True}},
    "alpha_full_size": {"search": {"shrink": 1}},
    "alpha_pairs": {"search": both(valid_pairs=4)},
    "alpha_long": {"search": both(steps=400, warm_up=300)},
    "alpha_sharp": {"search": both(learning_rate=0.1)},
    "alpha_exact": {"search": {"hypergradient": {"name": "one_step_unroll"}}},
    "alpha_joint": {"search": {"joint": True}},
    "alpha_mean": {},
}
# The stage of λ is left out.
NO_LAM = {"search": {"lam": {"steps": 0, "warm_up": 0}}}
LAM = {
    "lam": {},
    "lam_pairs": {"search": {"lam": {"valid_pairs": 4}}},
    "lam_slow": {"search": {"lam": {"learning_rate": 0.01}}},
    "lam_warm": {"search": {"lam": {"steps": 300, "warm_up": 240}}},
    "lam_long": {"search": {"lam": {"steps": 300}}},
    "lam_far": {"search": {"look_ahead_learning_rate": 1e-2}},
}
# Factors on full, smooth, half and quarter.
WEIGHTS = {
    "smooth_half": (1, 0.5, 1, 1),
    "smooth_double": (1, 2, 1, 1),
    "smooth_fourfold": (1, 4, 1, 1),
    "full_double": (2, 1, 1, 1),
    "full_double_smooth_double": (2, 2, 1, 1),
    "half_none": (1, 1, 0, 1),
    "quarter_none": (1, 1, 1, 0),
}
NAMES = ("full", "smooth", "half", "quarter")


class Remedies:
    """One dataset, on which everything is tried."""

    def __init__(self, data: Path, folder: Path, changes: dict) -> None:
        """Load the subjects.

        Args:
            data: dataset.csv or its folder.
            folder: For runs and results.
            changes: To the settings of all.
        """
        self.folder = folder
        given = config.merge(config.load("table2"), BASE)
        given = config.merge(given, changes)
        prepared = workflows.prepare(data, folder, given, "train", "validation", "test")
        folder.mkdir(parents=True, exist_ok=True)
        prepared.write_plan(folder)
        self.train, self.validation, self.test = prepared.cohorts
        self.config = prepared.config
        objective = self.config.objective
        self.start = {name: getattr(objective, name) for name in NAMES}

    def dice(self, name, genotype, lam):
        """Mean Dice of a network that is trained for it."""
        run = self.folder / name
        model = workflows.train(
            self.train, self.config, genotype, lam, run=run, resume=True
        )
        found = workflows.evaluate(self.test, model, self.config)
        return found.summary["dice"]["mean"]

    def search(self, name, changes, seed=0, genotype=None):
        """A search with other settings; of λ alone where there is a genotype."""
        given = self.config if genotype else config.merge(self.config, NO_LAM)
        return workflows.search(
            self.train,
            self.validation,
            config.merge(given, {"seed": seed, **changes}),
            genotype=genotype,
            run=self.folder / f"{name}_search{seed}",
            resume=True,
        )

    def try_one(self, name):
        """Everything that is printed of a name."""
        if name == "hand_made":
            return {"dice": self.dice(name, HAND_MADE, self.start)}
        if name in WEIGHTS:
            lam = dict(zip(NAMES, WEIGHTS[name], strict=True))
            lam = {key: factor * self.start[key] for key, factor in lam.items()}
            return {"dice": self.dice(name, HAND_MADE, lam)}
        if name in LAM:
            found = self.search(name, LAM[name], genotype=HAND_MADE)
            return {"dice": self.dice(name, HAND_MADE, found.lam), "lam": found.lam}
        changes, seeds = ALPHA[name], range(2)
        if name == "alpha_mean":
            name, seeds = "alpha", range(6)
        found = [self.search(name, changes, seed) for seed in seeds]
        middle = len(found) // 2
        halves = [mean_alpha(some) for some in (found[:middle], found[middle:])]
        genotype = found[0].genotype
        if len(found) > 2:
            name, genotype = "alpha_mean", decode(mean_alpha(found))
        flat = [np.stack(half).reshape(-1, len(OPERATIONS)) for half in halves]
        centred = [alpha - alpha.mean(-1, keepdims=True) for alpha in flat]
        choices = [alpha.argmax(-1) for alpha in flat]
        return {
            "dice": self.dice(name, genotype, self.start),
            "agreement": float(np.mean(choices[0] == choices[1])),
            "correlation": float(np.corrcoef(*(x.ravel() for x in centred))[0, 1]),
            "genotype": json.loads(genotype.to_json()),
        }


def mean_alpha(found):
    """Mean of the α of several searches."""
    return jax.tree.map(lambda *all_: np.mean(all_, 0), *(one.alpha for one in found))


def main() -> None:
    """Print a line for each name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    every = ("hand_made", *WEIGHTS, *LAM, *ALPHA)
    parser.add_argument("--only", nargs="+", choices=every, default=every)
    parser.add_argument("--set", type=json.loads, default={}, help="settings as JSON")
    options = parser.parse_args()
    runtime.enable_compilation_cache()
    remedies = Remedies(options.data, options.output, options.set)
    for name in options.only:
        path = options.output / f"{name}.json"
        if not path.is_file():
            found = remedies.try_one(name)
            files.write_json(path, found)
        print(name, path.read_text(), flush=True)


if __name__ == "__main__":
    main()
