"""Horizon of the search of λ against its result, from bad starts.

    python -m tests.benchmarks.horizon -o horizon [--only branches_30] [--starts 10]

Simulated 2-D brains at 4 mm, the default network. λ is searched from smoothness times
30, 10 and a tenth, then a network is trained under it. It writes horizon.csv, a line
for each, and horizon.png. The cost is in trainings, by the CPU time of a step, without
compilation and without the final training. A repeated command goes on.
"""

import argparse
import csv
import time
from dataclasses import replace
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
import yaml

from autoreg_jax import config, data, workflows
from autoreg_jax.config import RunConfig
from autoreg_jax.programs import Programs, make_structure
from autoreg_jax.search_space import Genotype
from autoreg_jax.workflows.strategies import STRATEGIES

WARM_UP, STARTS = 60, (30.0, 10.0, 0.1)
ONE_STEP = {"lam": {"steps": WARM_UP + 240, "warm_up": WARM_UP}}


def far(method, horizon, **options):
    """Settings of a search with a longer horizon than one step."""
    settings = {"method": method, "horizon": horizon} | options
    return {"lam": {"steps": WARM_UP + 1, "warm_up": WARM_UP}, "lam_search": settings}


# Whole and shortened trainings under single values of the smoothness.
BLACK_BOX = {"strategy": "optuna", "trainings": 4.0, "judge": "dice"}
GRID = [0.02, 0.05, 0.15, 0.5, 1.5, 5.0, 15.0, 50.0]

METHODS = {
    "start": None,
    "branches_30": far("branches", 30),
    "one_step": ONE_STEP,
    "forward_30": far("forward", 30),
    "branches_10": far("branches", 10),
    "amortised": far("amortised", 10, moves=34),
    "one_step_ratios": ONE_STEP | {"positive": "log_ratio"},
    "branches_30_apart": far("branches", 30, go_on="apart"),
    "forward_30_apart": far("forward", 30, go_on="apart"),
    "branches_100": far("branches", 100),
    "black_box": BLACK_BOX,
}
HORIZON = {"one_step": 1, "branches_10": 10, "branches_30": 30, "branches_100": 100}
FIELDS = ("smooth_times", "method", "seed", "full", "smooth", "half", "quarter")
FIELDS = (*FIELDS, "dice_test", "dice_validation", "soft_loss", "cost")


def rate(records, first):
    """CPU seconds of a step behind the first ones, which are compiled."""
    steps, seconds = zip(*[(r["step"], r["seconds"]) for r in records], strict=True)
    begin = np.searchsorted(steps, first)
    return (seconds[-1] - seconds[begin]) / (steps[-1] - steps[begin])


def dice_of(programs, network, omega, cohort, pairs):
    """Mean Dice of the network alone."""
    dice = programs.dice(network, len(cohort.structures))
    omega = programs.layout(network).to_vector(omega)
    images, labels = map(jax.numpy.asarray, (cohort.images, cohort.labels))
    sides = [(np.array([m]), np.array([f])) for m, f in pairs]
    found = [dice(omega, images, labels, *pair) for pair in sides]
    return float(np.mean(found))


def run(folder, cohorts, base, programs, factor, method):
    """A line of the table."""
    train, validation, test = cohorts
    genotype = Genotype.uniform("conv_3", make_structure(base).cells)
    lam = {name: getattr(base.objective, name) for name in FIELDS[3:7]}
    lam["smooth"] *= factor
    soft, cost = np.nan, 0.0
    if method == "black_box":
        space = {"choices": {"objective.smooth": {"values": GRID}}}
        path = folder / "smoothness.yaml"
        path.write_text(yaml.safe_dump(space))
        changes = {"search": {**BLACK_BOX, "space": str(path)}, "objective": lam}
        searched = config.merge(base, changes)
        given = {"genotype": genotype, "programs": programs}
        found = workflows.search(train, validation, searched, **given)
        lam, cost = found.lam, found.decision["cost_in_trainings"]
    elif METHODS[method] is not None:
        searched = config.merge(base, {"search": METHODS[method]})
        journal = workflows.Journal(clock=time.process_time)

        def from_start(job):
            begin = {name: np.float32(weight) for name, weight in lam.items()}
            return STRATEGIES["darts"](replace(job, lam=begin))

        found = workflows.search(
            train,
            validation,
            searched,
            genotype=genotype,
            strategy=from_start,
            journal=journal,
            programs=programs,
        )
        lam = found.lam
        moves = [r for r in found.records if "valid_loss" in r]
        soft = moves[-1]["valid_loss"]
        last = found.records[-1]["step"]
        cost = (last - WARM_UP) * rate(found.records, moves[0]["step"])
        for move in moves[:: max(1, len(moves) // 10)]:
            ratio = move["lam"]["smooth"] / move["lam"]["full"]
            slope = move.get("derivative", {}).get("smooth")
            error = move.get("standard_error", {}).get("smooth")
            print("  ", move["step"], round(ratio, 3), slope, error, flush=True)
    journal = workflows.Journal(clock=time.process_time)
    trained = workflows.train(
        train, base, genotype, lam, programs=programs, journal=journal
    )
    step = rate(journal.records, 50)
    if cost and method != "black_box":
        cost = (WARM_UP * step + cost) / (base.train.steps * step)
    network = programs.make_network(genotype)
    omega = trained.params
    scores = []
    for cohort in (test, validation):
        count = len(cohort.names)
        pairs = data.evaluation_pairs(count, count * (count - 1), base.seed)
        scores.append(dice_of(programs, network, omega, cohort, pairs))
    weights = [lam[name] for name in FIELDS[3:7]]
    return [factor, method, base.seed, *weights, *scores, soft, cost]


def main() -> None:
    """Search, train, and draw what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=METHODS, default=list(METHODS))
    parser.add_argument("--starts", nargs="*", type=float, default=STARTS)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    folder, table = options.output / "data", options.output / "horizon.csv"
    if not (folder / "dataset.csv").exists():
        data.write_population(folder, spacing=4.0, dimensions=2)
    training = {"steps": options.steps, "log_every": 10}
    base = config.merge(RunConfig(), {"seed": options.seed, "train": training})
    splits = ("train", "validation", "test")
    prepared = workflows.prepare(folder / "dataset.csv", options.output, base, *splits)
    programs = Programs(prepared.config, 2)
    done = list(csv.DictReader(table.open())) if table.exists() else []
    keys = {(float(d["smooth_times"]), d["method"], int(d["seed"])) for d in done}
    with table.open("a", newline="") as file:
        lines = csv.writer(file)
        if not done:
            lines.writerow(FIELDS)
        for method in options.only:
            for factor in options.starts:
                if (factor, method, options.seed) in keys:
                    continue
                given = options.output, prepared.cohorts, prepared.config, programs
                lines.writerow(run(*given, factor, method))
                file.flush()
                print(method, factor, flush=True)
    draw(table)


def draw(table: Path) -> None:
    """Test Dice against the horizon, a line for each start."""
    rows = list(csv.DictReader(table.open()))
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for number, start in enumerate(sorted({float(r["smooth_times"]) for r in rows})):
        own = [r for r in rows if float(r["smooth_times"]) == start]
        colour = f"C{number}"
        before = [float(r["dice_test"]) for r in own if r["method"] == "start"]
        if before:
            axes.axhline(np.mean(before), color=colour, dashes=(4, 3), linewidth=0.8)
        points = sorted(
            (HORIZON[r["method"]], float(r["dice_test"]))
            for r in own
            if r["method"] in HORIZON
        )
        if points:
            label = f"smoothness × {start:g}"
            axes.plot(*zip(*points, strict=True), "o-", color=colour, label=label)
    axes.set(xscale="log", xlabel="horizon, steps", ylabel="Dice of test pairs")
    axes.legend(title="start (dashed: not searched)", fontsize=8)
    axes.grid(alpha=0.3)
    figure.savefig(table.with_suffix(".png"), dpi=120)


if __name__ == "__main__":
    main()
