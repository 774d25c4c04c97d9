"""Whether several processes over loopback find what one process finds.

    python -m tests.benchmarks.processes [--processes 4] [--devices 2]

runs `auto` on tiny subjects with the network of the tests: once in one process with one
device, once in that many processes with so many devices each, which share a batch. It
prints the largest differences of α, λ, ω and scores, relative where values are above 1,
and the seconds; it ends with 1 if a difference is above 1e-5.
"""

import argparse
import csv
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
PAIRS = 8


def settings(pairs: int) -> dict:
    """A short run with batches of eight pairs."""
    stage = {"steps": 6, "warm_up": 3, "train_pairs": PAIRS, "valid_pairs": PAIRS}
    return {
        "network": {"num_steps": 2},
        "objective": {"windows": [5, 3, 3]},
        "search": {"feature": stage, "deformation": stage, "lam": stage},
        "train": {"steps": 10, "log_every": 2, "batch_size": PAIRS},
        "evaluate": {"pairs": 4, "refine": {"steps": 2}},
        "mesh": {"pairs": pairs},
    }


def one_process(dataset: Path, run: Path, pairs: int) -> None:
    """What each process does."""
    sys.path.insert(0, str(ROOT / "tests"))
    import stand_in

    from autoreg_jax import config
    from autoreg_jax.runtime import join_processes

    if "JAX_PROCESS_ID" in os.environ:
        join_processes()
    searched = config.merge(config.load("table2"), {"search": {"shrink": 2}})
    merged = config.merge(searched, settings(pairs))
    stand_in.auto(dataset, run, merged, with_report=False)


def start(run: Path, dataset: Path, pairs: int, devices: int, **names: str) -> object:
    """Start one process."""
    environment = os.environ | names
    flag = f"--xla_force_host_platform_device_count={devices}"
    environment |= {"XLA_FLAGS": flag, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    words = ["--one", str(dataset), str(run), str(pairs)]
    command = [sys.executable, "-m", "tests.benchmarks.processes", *words]
    return subprocess.Popen(
        command, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True
    )


def finish(processes: list) -> None:
    """Wait for all; show what a failed one has said."""
    for process in processes:
        _, said = process.communicate()
        if process.returncode:
            sys.exit(said)


def values_of(run: Path) -> dict[str, np.ndarray]:
    """α, λ, ω and the scores of a run."""
    records = [json.loads(line) for line in (run / "metrics.jsonl").open()]
    stages = {record["stage"]: record for record in records}
    found = {"λ": np.array(list(stages["lam"]["lam"].values()))}
    for part in ("feature", "deformation"):
        found[f"α {part}"] = np.ravel(stages["deformation"]["alpha"][part])
    with np.load(run / "model" / "weights.npz") as weights:
        found["ω"] = np.concatenate([np.ravel(weights[name]) for name in weights])
    with (run / "evaluation_pairs.csv").open() as file:
        rows = list(csv.DictReader(file))
    found["scores"] = np.array(
        [
            [float(v) for k, v in row.items() if k not in ("fixed", "moving")]
            for row in rows
        ]
    )[:, ["seconds" not in k for k in rows[0] if k not in ("fixed", "moving")]]
    return found


def main() -> int:
    """Compare one process with several."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--devices", type=int, default=2)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        dataset, run, pairs = options.one
        one_process(Path(dataset), Path(run), int(pairs))
        return 0
    sys.path.insert(0, str(ROOT / "tests"))
    import stand_in

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cohorts = [stand_in.make_cohort(4, seed) for seed in (1, 2, 3)]
        dataset = stand_in.write_dataset(folder, cohorts)
        begin = time.monotonic()
        finish([start(folder / "one", dataset, 1, 1)])
        alone = time.monotonic() - begin
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        names = {
            "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}",
            "JAX_NUM_PROCESSES": str(options.processes),
        }
        pairs = options.processes * options.devices
        begin = time.monotonic()
        finish(
            [
                start(
                    folder / "many",
                    dataset,
                    pairs,
                    options.devices,
                    JAX_PROCESS_ID=str(number),
                    **names,
                )
                for number in range(options.processes)
            ]
        )
        together = time.monotonic() - begin
        one, many = values_of(folder / "one"), values_of(folder / "many")
    worst = 0.0
    for name, wanted in one.items():
        scale = np.maximum(1, np.abs(wanted))
        difference = float(np.nanmax(np.abs(many[name] - wanted) / scale))
        worst = max(worst, difference)
        print(f"{name:14} {wanted.size:6} values, largest difference {difference:.1e}")
    print(f"one process {alone:.0f} s, {options.processes} processes {together:.0f} s")
    return int(worst > 1e-5)


if __name__ == "__main__":
    sys.exit(main())
