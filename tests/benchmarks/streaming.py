"""Training on data that do not fit: `python -m tests.benchmarks.streaming`.

Makes 1,000 volumes of 80×96×112 voxels (0.9 GB; 1.7 GB of cache) in a folder that is
removed at the end, and trains on them for a few steps, pair by pair from the cache on
disk. Prints the memory of the process, above that of a training on two of them, and
the share of the time for which the loop waited for data.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

SHAPE = (80, 96, 112)
SETTINGS = {"network": {"width": 0.125}, "data": {"storage": "float16"}}


def make(folder: Path, count: int) -> Path:
    """Smooth random volumes, uint8, and their dataset.csv."""
    import nibabel

    rng = np.random.default_rng(0)
    factors = (8, 8, 8)
    lines = ["subject,image,split"]
    for number in range(count + 4):
        coarse = rng.integers(
            0, 200, [n // f for n, f in zip(SHAPE, factors, strict=True)]
        )
        array = np.kron(coarse, np.ones(factors)).astype(np.uint8)
        array[::2] += rng.integers(0, 50, (SHAPE[0] // 2, *SHAPE[1:]), np.uint8)
        split = ("validation", "test")[number % 2] if number < 4 else "train"
        image = nibabel.Nifti1Image(array, np.eye(4))
        image.set_sform(np.eye(4), 2)
        image.set_qform(np.eye(4), 2)
        nibabel.save(image, folder / f"{number}.nii")
        lines.append(f"s{number},{number}.nii,{split}")
    table = folder / f"{count}.csv"
    table.write_text("\n".join(lines) + "\n")
    few = folder / "few.csv"
    few.write_text("\n".join(lines[: 1 + 4 + 2]) + "\n")
    return table


class Memory(threading.Thread):
    """Watches the memory of this process without mapped files, bytes."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self.is_over = threading.Event()

    @staticmethod
    def now() -> int:
        """Anonymous and shared pages: files that are mapped are the system's."""
        lines = Path("/proc/self/status").read_text().splitlines()
        wanted = [
            line.split() for line in lines if line.startswith(("RssAnon", "RssSh"))
        ]
        return 1024 * sum(int(words[1]) for words in wanted)

    def run(self) -> None:
        """Look fifty times a second."""
        while not self.is_over.wait(0.02):
            self.peak = max(self.peak, self.now())


def train(table: Path, cache: Path, steps: int, *, quick: bool) -> dict[str, Any]:
    """Prepare and train, if `quick` the network of the tests; what it took."""
    import jax

    from autoreg_jax import config, workflows
    from autoreg_jax.programs import make_structure
    from autoreg_jax.search_space import Genotype
    from tests.stand_in import SmallNetwork

    memory = Memory()
    memory.start()
    settings = config.merge(
        config.load("default"),
        SETTINGS | {"train": {"steps": steps, "log_every": 1}},
    )
    settings = config.merge(settings, {"data": {"cache": str(cache)}})
    begin = time.perf_counter()
    run = cache.parent / "run"
    (cohort,) = workflows.prepare_again(table, run, settings, "train").cohorts
    seconds = time.perf_counter() - begin
    device = []

    def observe(stage: str, step: int, state: Any) -> None:
        stats = jax.local_devices()[0].memory_stats() or {}
        device.append(stats.get("bytes_in_use", Memory.now()))

    journal = workflows.Journal(observe=observe)
    lam = {"full": 10.0, "smooth": 15.0, "half": 3.2, "quarter": 0.8}
    workflows.train(
        cohort,
        settings,
        Genotype.uniform("conv_3", make_structure(settings).cells),
        lam,
        journal=journal,
        network=SmallNetwork if quick else None,
    )
    memory.is_over.set()
    first, *rest = journal.records
    # The first step is compiled.
    took = rest[-1]["seconds"] - first["seconds"]
    waited = sum(record.get("waited", 0.0) for record in rest)
    return {
        "subjects": len(cohort.names),
        "kind": type(cohort.images).__name__,
        "prepared_in": seconds,
        "peak": memory.peak,
        "step": took / len(rest),
        "idle": waited / took,
        "in_use": device[2:],
    }


def main() -> None:
    """Make the data, train twice in processes of their own, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a network of two layers, whose steps leave less time for reading",
    )
    parser.add_argument("--folder", type=Path, help="where to make the data")
    parser.add_argument("--table", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.table:
        cache = options.folder / "cache"
        found = train(options.table, cache, options.steps, quick=options.quick)
        print(json.dumps(found))
        return
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        begin = time.perf_counter()
        table = make(folder, options.subjects)
        print(f"made in {time.perf_counter() - begin:.0f} s", flush=True)
        found = []
        for name in ("few.csv", table.name, table.name):
            words = ["--table", folder / name, "--folder", folder]
            words += ["--steps", options.steps, *["--quick"] * options.quick]
            command = [sys.executable, "-m", __spec__.name, *map(str, words)]
            done = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, text=True
            )
            found.append(json.loads(done.stdout.splitlines()[-1]))
            print(found[-1], flush=True)
        cache = sum(f.stat().st_size for f in (folder / "cache").rglob("*.npy"))
        few, _, again = found
        in_use = np.asarray(again["in_use"]) / 2**20
        print(
            f"\n{again['subjects']} subjects, {cache / 1e9:.2f} GB of cache: "
            f"{(again['peak'] - few['peak']) / 2**30:.2f} GiB above the training on "
            f"{few['subjects']} ({few['peak'] / 2**30:.2f} GiB); "
            f"{100 * again['idle']:.2f} % of the time waiting for data, "
            f"{again['step']:.2f} s a step ({few['step']:.2f} s in memory); in use "
            f"after a step {in_use.min():.0f} to {in_use.max():.0f} MiB; prepared in "
            f"{found[1]['prepared_in']:.0f} s, from the cache in "
            f"{again['prepared_in']:.0f} s."
        )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
