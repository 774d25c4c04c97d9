"""What the choice of operations is worth: the largest logits, or perturbation.

    python -m tests.benchmarks.choice -o choice --seeds 2

Simulated 2-D brains at 4 mm with the preset `table2`. Each seed trains one mixture, of
which both rules choose (that of `darts` is the largest logit), and then each chosen
network and `conv_3` on every edge in the same way; Dice is that of test pairs, by the
network alone. `--still` lets ω learn alone while the mixture is trained. A repeated
command takes what is finished as it is.
"""

import argparse
import itertools
import json
from pathlib import Path

from autoreg_jax import config, workflows
from autoreg_jax.data import write_population
from autoreg_jax.files import write_json
from autoreg_jax.search_space import Genotype, decode

NO_STAGE = {"steps": 0, "warm_up": 0}


def settings_of(options: argparse.Namespace, seed: int) -> config.RunConfig:
    """The run of a seed."""
    stage = {"steps": options.steps, "warm_up": options.steps // 2}
    changes = {
        "seed": seed,
        "search": {
            "strategy": "perturbation",
            "feature": stage,
            "deformation": stage,
            "lam": NO_STAGE,
            "perturbation": {
                "alpha": not options.still,
                "pairs": options.pairs,
                "fine_tune_steps": options.fine_tune,
            },
        },
        "train": {"steps": options.train},
    }
    return config.merge(config.load("table2"), changes)


def searched(cohorts, run, folder: Path) -> dict:
    """Both genotypes, the margins and the seconds of a seed."""
    found = workflows.search(*cohorts[:2], run, run=folder, resume=True)
    seconds = {r["stage"]: round(r["seconds"]) for r in found.records}
    choices = [r for r in found.records if r["stage"] == "perturbation"]
    return {
        "perturbation": found.genotype,
        "darts": decode(found.alpha),
        "conv_3": Genotype.uniform("conv_3"),
        "seconds": seconds,
        "choices": {
            f"{r['kind']} {r['scale']} {r['edge']}": (
                r["operation"],
                r["margin"] / r["standard_error"],
                r["mixture_loss"],
            )
            for r in sorted(choices, key=lambda r: r["step"])
        },
    }


def trained(cohorts, run, genotype: Genotype, folder: Path) -> float:
    """Dice on test pairs of a network that is trained from scratch."""
    lam = {n: getattr(run.objective, n) for n in ("full", "smooth", "half", "quarter")}
    model = workflows.train(cohorts[0], run, genotype, lam, run=folder, resume=True)
    return workflows.evaluate(cohorts[2], model, run).summary["dice"]["mean"]


def main() -> None:
    """Search, train and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=100, help="of each stage of α")
    parser.add_argument("--train", type=int, default=400)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--fine-tune", type=int, default=10)
    parser.add_argument("--still", action="store_true")
    options = parser.parse_args()
    table = options.output / "data" / "dataset.csv"
    if not table.is_file():
        write_population(table.parent, spacing=4.0, dimensions=2)
    rows = []
    for seed in range(options.seeds):
        folder, scores = options.output / str(seed), {}
        run = settings_of(options, seed)
        prepared = workflows.prepare(
            table, options.output, run, "train", "validation", "test"
        )
        found = searched(prepared.cohorts, prepared.config, folder / "search")
        for name in ("darts", "perturbation", "conv_3"):
            place = folder / name
            result = place / "dice.json"
            if not result.is_file():
                dice = trained(prepared.cohorts, prepared.config, found[name], place)
                write_json(result, {"dice": dice})
            scores[name] = json.loads(result.read_text())["dice"]
        clear = [edge for edge, row in found["choices"].items() if row[1] > 2]
        same = sum(
            one == other
            for kind in ("feature", "deformation")
            for one, other in zip(
                itertools.chain(*getattr(found["darts"], kind)),
                itertools.chain(*getattr(found["perturbation"], kind)),
                strict=True,
            )
        )
        total = len(found["choices"])
        print(f"seed {seed}: {len(clear)} of {total} choices above 2 SE")
        print(f"  edges on which both rules agree: {same}")
        for edge, (name, ratio, loss) in found["choices"].items():
            print(f"  {edge}: {name}, margin {ratio:.1f} SE, mixture {loss:.3f}")
        print(f"  Dice {scores}")
        print(f"  seconds {found['seconds']}", flush=True)
        rows.append({"choices": found["choices"], "clear": clear})
    for one, other in itertools.combinations(rows, 2):
        equal = {
            edge
            for edge, row in one["choices"].items()
            if row[0] == other["choices"][edge][0]
        }
        both = set(one["clear"]) & set(other["clear"])
        print(
            f"two seeds: {len(equal)} equal choices of {len(one['choices'])}; ", end=""
        )
        print(f"clear in both {len(both)}, of these equal {len(both & equal)}")


if __name__ == "__main__":
    main()
