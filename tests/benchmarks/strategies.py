"""What each search strategy gains over its own start, task by task.

    python -m tests.benchmarks.strategies -o strategies --data oasis4=o4.csv \
        --rows default race --seeds 0 1 2

Each row is `autoreg auto` from the default with fewer steps and channels. Names of
`--data` are free; `plane` and `solid` are simulated brains at 4 mm, written if missing.
It writes pairs.csv, a line for each test pair, and prints the gain over `default` with
a 95 % interval over pairs and seeds. A repeated command goes on; with `--only-table` it
just prints.
"""

import argparse
import csv
import json
import time
from pathlib import Path

import numpy as np
import yaml
from scipy import stats

from autoreg_jax import config, data, workflows
from autoreg_jax.spaces import changed, space_text

NO_STAGE = {"steps": 0, "warm_up": 0}
NO_SEARCH = {"strategy": "darts"} | dict.fromkeys(
    ("feature", "deformation", "lam"), NO_STAGE
)
OPERATIONS = ("conv_1", "conv_3", "conv_5", "sep_conv_3", "sep_conv_5")
OPERATIONS = [*OPERATIONS, "dil_conv_3", "dil_conv_5", "dil_conv_7"]
CELLS = {"network": {"operations": OPERATIONS}}


def by_trials(strategy, space, **more):
    """Settings of a search by trials."""
    search = {"strategy": strategy, "space": space, "trainings": 3.0}
    return {"search": search} | more


ROWS = {
    "default": {"search": NO_SEARCH},
    "dice": {"search": NO_SEARCH, "objective": {"extra": {"dice": 10.0}}},
    "dice30": {"search": NO_SEARCH, "objective": {"extra": {"dice": 30.0}}},
    "dice100": {"search": NO_SEARCH, "objective": {"extra": {"dice": 100.0}}},
    "lam": {"search": {"strategy": "darts"}},
    "darts": {"search": {"strategy": "darts"}} | CELLS,
    "perturbation": {"search": {"strategy": "perturbation"}} | CELLS,
    "race": by_trials("race", "macro"),
    "random": by_trials("random", "macro"),
    "optuna": by_trials("optuna", "macro"),
    "race paper": by_trials("race", "paper", **CELLS),
    "random paper": by_trials("random", "paper", **CELLS),
    "optuna paper": by_trials("optuna", "paper", **CELLS),
}
FIELDS = ("task", "row", "seed", "pair", "dice", "folding", "cost", "seconds", "chosen")


def settings_of(options, table: Path, row: str, seed: int) -> config.RunConfig:
    """The run of a row."""
    pairs = {}
    if "t2like" in str(table):
        pairs = {"moving_modality": "t1", "fixed_modality": "t2"}
    flat = "plane" in str(table)
    base = {
        "seed": seed,
        "pairs": pairs,
        "network": {"width": 1.0 if flat else options.width},
        "train": {"steps": options.steps, "log_every": 10},
        "evaluate": {"pairs": options.pairs, "refine": {"steps": 0}},
    }
    if row in ("darts", "lam", "perturbation"):
        base["search"] = {"hypergradient": {"name": "finite_difference"}}
    settings = config.merge(config.merge(config.RunConfig(), base), ROWS[row])
    if settings.search.space != "macro" or settings.network.width == 1.0:
        return settings
    return changed(settings, {"search.space": str(without_width(options.output))})


def without_width(folder: Path) -> Path:
    """The space `macro` without the width, which all rows have narrowed alike."""
    space = yaml.safe_load(space_text("macro"))
    del space["choices"]["network.width"]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "macro_without_width.yaml"
    path.write_text(yaml.safe_dump(space, sort_keys=False))
    return path


def run(options, task: str, table: Path, row: str, seed: int) -> list[list]:
    """The lines of a row and a seed."""
    folder = options.output / task / f"{row.replace(' ', '_')}_{seed}"
    result = folder / "rows.json"
    if result.is_file():
        return json.loads(result.read_text())
    begin = time.monotonic()
    settings = settings_of(options, table, row, seed)
    found = workflows.auto(
        table, folder, settings, resume=folder.is_dir(), with_report=False
    )
    search = folder / "search.json"
    said = json.loads(search.read_text()) if search.is_file() else {}
    chosen = said.get("settings") or ""
    if said and not said["is_decided"]:
        chosen = f"not decided: {said['best']} {said['margin']}"
    cost = said.get("cost_in_trainings", "")
    seconds = round(time.monotonic() - begin)
    lines = [
        [
            task,
            row,
            seed,
            f"{pair['moving']} {pair['fixed']}",
            pair["dice"],
            100 * pair["folding_fraction"],
            cost,
            seconds,
            str(chosen),
        ]
        for pair in found.pairs
    ]
    result.write_text(json.dumps(lines))
    return lines


def gain(own: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """Mean gain and its 95 % interval; rows are seeds, columns pairs.

    Pairs and seeds are both random: their variances are added (Satterthwaite).
    """
    found = own - other
    parts = [found.mean(axis).var(ddof=1) / found.shape[1 - axis] for axis in (0, 1)]
    freedom = sum(parts) ** 2 / sum(
        part**2 / (found.shape[1 - axis] - 1) for axis, part in enumerate(parts)
    )
    half = stats.t.ppf(0.975, freedom) * np.sqrt(sum(parts))
    return found.mean(), found.mean() - half, found.mean() + half


def show(lines: list[list]) -> None:
    """A line for each task and row."""
    scores: dict[tuple[str, str], dict[int, list[float]]] = {}
    costs: dict[tuple[str, str], list[tuple]] = {}
    for task, row, seed, _, dice, folding, cost, seconds, chosen in lines:
        of_seed = scores.setdefault((task, row), {}).setdefault(seed, [])
        if not of_seed:
            costs.setdefault((task, row), []).append((cost, seconds, chosen))
        of_seed.append((dice, folding))
    for (task, row), by_seed in scores.items():
        values = np.array([by_seed[seed] for seed in sorted(by_seed)])
        means = " ".join(f"{mean:.4f}" for mean in values[..., 0].mean(1))
        words = f"{task} | {row} | {values[..., 0].mean():.4f} ({means})"
        words += f" | folding {values[..., 1].mean():.4f} %"
        base = scores.get((task, "default"), {})
        seeds = sorted(set(by_seed) & set(base))
        if row != "default" and len(seeds) > 1:
            own, other = (
                np.array([[dice for dice, _ in some[seed]] for seed in seeds])
                for some in (by_seed, base)
            )
            words += " | {:+.4f} ({:+.4f} to {:+.4f})".format(*gain(own, other))
        print(words)
        for cost, seconds, chosen in costs[task, row]:
            if cost != "":
                print(f"    cost {cost:.1f}, {seconds} s, {chosen}")


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--data", nargs="+", required=True, metavar="NAME=TABLE")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--width", type=float, default=0.5, help="of 3-D networks")
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--only-table", action="store_true")
    options = parser.parse_args()
    lines = []
    for seed in options.seeds:
        for given in options.data:
            task, _, name = given.partition("=")
            table = Path(name)
            if not table.is_file() and task in ("plane", "solid"):
                dimensions = 2 if task == "plane" else 3
                data.write_population(table.parent, spacing=4.0, dimensions=dimensions)
            for row in options.rows:
                folder = options.output / task / f"{row.replace(' ', '_')}_{seed}"
                if options.only_table and not (folder / "rows.json").is_file():
                    continue
                lines += run(options, task, table, row, seed)
                print(task, row, seed, "finished", flush=True)
    options.output.mkdir(parents=True, exist_ok=True)
    with (options.output / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([FIELDS, *lines])
    show(lines)


if __name__ == "__main__":
    main()
