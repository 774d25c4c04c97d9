"""One model for many smoothnesses, beside a model trained for each of them.

    python -m tests.benchmarks.smoothness -o smoothness

Simulated brains (2-D, 4 mm). One network is trained with `network.conditions: [smooth]`
and registers the test pairs under several factors; for each factor another network is
trained with that weight of the smoothness alone. A repeated command takes what is
finished as it is.
"""

import argparse
import time
from pathlib import Path

from autoreg_jax import config, data, runtime, workflows
from autoreg_jax.files import write_json
from autoreg_jax.programs import make_structure, weights_of
from autoreg_jax.search_space import Genotype

SHOWN = {
    "dice": (1, "{:.4f}"),
    "ncc": (1, "{:.4f}"),
    "folding_fraction": (100, "{:.3f}"),
    "log_jacobian_std": (1, "{:.4f}"),
}


class Comparison:
    """The subjects and settings of one seed."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Simulate the subjects, once."""
        self.folder = options.output
        brains = self.folder / "brains"
        if not (brains / "dataset.csv").is_file():
            data.write_population(brains, spacing=4.0, dimensions=2)
        settings = {
            "seed": options.seed,
            "train": {"steps": options.steps},
            "evaluate": {"pairs": options.pairs, "refine": {"steps": 0}},
        }
        given = config.merge(config.load("default"), settings)
        prepared = workflows.prepare(
            brains / "dataset.csv", self.folder, given, "train", "validation", "test"
        )
        self.cohorts, self.config = prepared.cohorts, prepared.config

    def model(self, name: str, factor: float, conditions: list[str] | None):
        """Train under a factor on the smoothness, or read what was trained before."""
        smooth = factor * self.config.objective.smooth
        changes = {
            "objective": {"smooth": smooth},
            "network": {"conditions": conditions},
        }
        run = config.merge(self.config, changes)
        genotype = Genotype.uniform("conv_3", make_structure(run).cells)
        folder, begin = self.folder / f"{name}_{run.seed}", time.perf_counter()
        model = workflows.train(
            self.cohorts[0],
            run,
            genotype,
            weights_of(run.objective),
            run=folder,
            resume=True,
        )
        print(f"{name}: {time.perf_counter() - begin:.0f} s", flush=True)
        return model

    def row(self, name: str, model) -> None:
        """Score on the test pairs, and print a line of the table."""
        found = workflows.evaluate(self.cohorts[2], model, self.config).summary
        write_json(self.folder / f"{name}_{self.config.seed}.json", found)
        cells = [
            form.format(scale * found[score]["mean"])
            for score, (scale, form) in SHOWN.items()
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Train, score and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--factors", type=float, nargs="+", default=[0.1, 1.0, 10.0])
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    runtime.enable_compilation_cache()
    comparison = Comparison(options)
    told = comparison.model("told", 1.0, ["smooth"])
    print(f"| model | {' | '.join(SHOWN)} |")
    for factor in options.factors:
        comparison.row(f"told {factor:g}", told.with_smoothness(factor))
    for factor in options.factors:
        plain = comparison.model(f"plain {factor:g}", factor, None)
        comparison.row(f"plain {factor:g}", plain)


if __name__ == "__main__":
    main()
