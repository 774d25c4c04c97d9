"""What each search strategy gains over its own start, task by task.

    python -m tests.benchmarks.strategies -o strategies --data oasis4=o4.csv \
        --rows default race --seeds 0 1 2
    python -m tests.benchmarks.strategies -o strategies --data plane=plane/dataset.csv \
        --starts --seeds 0

Each row is `autoreg auto` from the default with fewer steps and channels. Names of
`--data` are free; `plane` and `solid` are simulated brains at 4 mm, written if missing.
It writes runs.csv, a line for each run with the Dice of its test pairs, and prints the
gain over `default` with a 95 % interval over pairs and seeds. A repeated command goes
on. `--known strategies.csv` takes what has been measured as it is (the file beside this
one, which holds the runs of RESULTS.md); with `--only-table` nothing else is run.
"""

import argparse
import csv
import json
import re
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import yaml
from scipy import stats

from autoreg_jax import config, data, workflows
from autoreg_jax.spaces import changed, space_text
from tests.benchmarks._bad_starts import BAD_STARTS

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
ROWS |= {
    f"{name}, as it is": {"search": NO_SEARCH} | b for name, b in BAD_STARTS.items()
}
ROWS |= {f"{name}, race": ROWS["race"] | bad for name, bad in BAD_STARTS.items()}
# Those of the first table, and those of the second.
USUAL = [name for name in ROWS if "," not in name]
STARTS = [name for name in ROWS if "," in name]
FIELDS = (
    "task",
    "row",
    "seed",
    "steps",
    "cost",
    "seconds",
    "chosen",
    "folding",
    "dice",
)


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
        "train": {
            "steps": options.steps,
            "log_every": 10,
            "schedule": options.schedule,
        },
        "evaluate": {"pairs": options.pairs, "refine": {"steps": 0}},
    }
    if row in ("darts", "lam", "perturbation"):
        base["search"] = {"hypergradient": {"name": "finite_difference"}}
    settings = config.merge(config.merge(config.RunConfig(), base), ROWS[row])
    if settings.search.space != "macro" or flat:
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


def run(options, task: str, table: Path, row: str, seed: int) -> dict[str, str]:
    """A line of the table: a row and a seed."""
    name = re.sub(r"\W+", "_", row)
    folder = options.output / task / f"{name}_{seed}_{options.steps}"
    begin = time.monotonic()
    settings = settings_of(options, table, row, seed)
    found = workflows.auto(
        table, folder, settings, resume=folder.is_dir(), with_report=False
    )
    search = folder / "search.json"
    said = json.loads(search.read_text()) if search.is_file() else {}
    chosen = str(said.get("settings") or "")
    if said and not said["is_decided"]:
        chosen = f"not decided: {said['best']} {said['margin']}"
    cost = f"{said['cost_in_trainings']:.2f}" if said else ""
    seconds = str(round(time.monotonic() - begin))
    folding = np.mean([pair["folding_fraction"] for pair in found.pairs])
    dice = " ".join(f"{pair['dice']:.5f}" for pair in found.pairs)
    who = task, row, str(seed), str(options.steps)
    values = *who, cost, seconds, chosen, f"{100 * folding:.5f}", dice
    return dict(zip(FIELDS, values, strict=True))


def read(path: Path | None) -> list[dict[str, str]]:
    """Lines of a runs.csv; none if there is no such file."""
    if path is None or not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def gain(own: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """Mean gain and its 95 % interval; rows are seeds, columns pairs.

    Pairs and seeds are both random: their variances are added (Satterthwaite).
    """
    found = own - other
    parts = [found.mean(axis).var(ddof=1) / found.shape[1 - axis] for axis in (0, 1)]
    if not sum(parts):  # the start stayed, with every seed
        return found.mean(), found.mean(), found.mean()
    freedom = sum(parts) ** 2 / sum(
        part**2 / (found.shape[1 - axis] - 1) for axis, part in enumerate(parts)
    )
    half = stats.t.ppf(0.975, freedom) * np.sqrt(sum(parts))
    return found.mean(), found.mean() - half, found.mean() + half


def show(lines: list[dict[str, str]]) -> None:
    """A line for each task and row."""
    runs: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
    for line in sorted(lines, key=lambda line: line["seed"]):
        runs.setdefault((line["task"], line["row"]), {})[line["seed"]] = line

    def dice(some: dict[str, dict[str, str]], seeds: Iterable[str]) -> np.ndarray:
        return np.array([some[seed]["dice"].split() for seed in seeds], float)

    for (task, row), own in runs.items():
        values = dice(own, own)
        means = " ".join(f"{mean:.4f}" for mean in values.mean(1))
        folding = np.mean([float(line["folding"]) for line in own.values()])
        words = f"{task} | {row} | {values.mean():.4f} ({means})"
        words += f" | folding {folding:.4f} %"
        base = runs.get((task, "default"), {})
        seeds = [seed for seed in own if seed in base]
        if row != "default" and len(seeds) > 1:
            found = gain(dice(own, seeds), dice(base, seeds))
            words += " | {:+.4f} ({:+.4f} to {:+.4f})".format(*found)
        print(words)
        for line in own.values():
            if line["cost"]:
                print("    cost {cost}, {seconds} s, {chosen}".format(**line))


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--data", nargs="+", default=[], metavar="NAME=TABLE")
    parser.add_argument("--known", type=Path)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=USUAL)
    parser.add_argument("--starts", action="store_true", help="the ten bad starts")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--width", type=float, default=0.5, help="of 3-D networks")
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument(
        "--schedule",
        default="cosine",
        help="of the training; cosine is that of strategies.csv, auto the default",
    )
    parser.add_argument("--only-table", action="store_true")
    options = parser.parse_args()
    path = options.output / "runs.csv"
    stored = read(options.known) + read(path)
    runs = {tuple(line[name] for name in FIELDS[:4]): line for line in stored}
    known, lines = set(runs), list(runs.values())
    for seed in options.seeds if not options.only_table else ():
        for given in options.data:
            task, _, name = given.partition("=")
            table = Path(name)
            if not table.is_file() and task in ("plane", "solid"):
                dimensions = 2 if task == "plane" else 3
                data.write_population(table.parent, spacing=4.0, dimensions=dimensions)
            for row in STARTS if options.starts else options.rows:
                if (task, row, str(seed), str(options.steps)) in known:
                    continue
                lines.append(run(options, task, table, row, seed))
                options.output.mkdir(parents=True, exist_ok=True)
                with path.open("w", newline="") as file:
                    writer = csv.DictWriter(file, FIELDS)
                    writer.writeheader()
                    writer.writerows(lines)
                print(task, row, seed, "finished", flush=True)
    show([line for line in lines if line["steps"] == str(options.steps)])


if __name__ == "__main__":
    main()
