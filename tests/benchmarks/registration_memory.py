"""The memory that is estimated for a registration, and what it takes.

    python -m tests.benchmarks.registration_memory --shape 420 320 520 --model brain

A pair of smooth random images, uncompressed float32, is registered from files to files
in a process of its own. The peak is the largest resident memory above that after the
imports and the first small program (Linux). `--cap 10GiB` ends it beyond that.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from autoreg_jax import inference
from autoreg_jax.data import PairFiles, read_grid, write_volume
from autoreg_jax.geometry import Volume, working_grid
from autoreg_jax.inference.memory import (
    bytes_of,
    registration_memory,
    size_in_words,
    task_of,
)
from autoreg_jax.runtime import resident_memory

_BLOBS = 16


def make_pair(shape: tuple[int, ...], spacing: float, folder: Path) -> list[Path]:
    """Smooth blobs, and the same shifted by a sixtieth of each axis."""
    noise = np.random.default_rng(0).random((_BLOBS,) * len(shape), np.float32)
    smooth = ndimage.gaussian_filter(noise, 1)
    fixed = ndimage.zoom(smooth, np.divide(shape, _BLOBS), order=1)
    fixed = np.maximum(fixed - np.median(smooth), 0)
    affine = np.diag([*(spacing,) * len(shape), *(1.0,) * (4 - len(shape))])
    steps = [max(1, size // 60) for size in shape]
    moving = np.roll(fixed, steps, range(len(shape)))
    arrays = {"fixed": fixed, "moving": moving}
    return [
        write_volume(folder / f"{name}.nii", Volume(array, affine))
        for name, array in arrays.items()
    ]


def estimated(options: argparse.Namespace, pair: list[Path]) -> float:
    """Bytes by `registration_memory`, with what the files say."""
    fixed, moving = map(read_grid, pair)
    grid, about = fixed.grid, None
    if options.model:
        about = inference.load_model(options.model).description
        grid = working_grid(fixed, about.orientation, about.spacing)
    what = task_of(
        (fixed.shape, moving.shape),
        grid,
        about,
        affine=options.affine,
        refine=options.refine,
        similarity=options.similarity,
    )
    more = {"extra": tuple(options.extra), "coarsening": options.coarsening}
    return registration_memory(what.__class__(**{**vars(what), **more})).host


def measured(options: argparse.Namespace, pair: list[Path]) -> dict[str, float]:
    """Bytes and seconds of this process."""
    if options.coarsening:
        from autoreg_jax.inference import _register

        found = _register.fit_pair
        _register.fit_pair = lambda *a, **k: found(*a, **k)._replace(
            coarsening=options.coarsening
        )
    jax.block_until_ready(jnp.ones(3) + 1)
    cap = bytes_of(options.cap)
    before = resident_memory() or 0

    def watch() -> None:
        while True:
            if (resident_memory() or 0) > cap:
                os._exit(3)
            time.sleep(0.05)

    threading.Thread(target=watch, daemon=True).start()
    Path("/proc/self/clear_refs").write_text("5")
    begin = time.perf_counter()
    summary = inference.register_files(
        PairFiles(*pair),
        pair[0].parent / "out_",
        extra=options.extra,
        model=options.model,
        affine=options.affine,
        refine=options.refine,
        similarity=options.similarity,
        max_memory=options.max_memory,
    )
    lines = Path("/proc/self/status").read_text().splitlines()
    most = next(1024 * int(x.split()[1]) for x in lines if x.startswith("VmHWM"))
    return {
        "taken": most - before,
        "seconds": time.perf_counter() - begin,
        "coarsening": summary["coarsening"],
        "similarity": summary["similarity"],
    }


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs="+", default=[128, 128, 128])
    parser.add_argument("--spacing", type=float, default=1.0)
    parser.add_argument("--model")
    parser.add_argument("--affine", default="auto")
    parser.add_argument("--refine", type=int, default=0)
    parser.add_argument("--similarity")
    parser.add_argument("--coarsening", type=int, default=0)
    parser.add_argument("--extra", nargs="*", default=[])
    parser.add_argument("--max-memory")
    parser.add_argument("--cap", default="10GiB")
    parser.add_argument("--in-folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_folder:
        pair = [options.in_folder / f"{name}.nii" for name in ("fixed", "moving")]
        print(json.dumps(measured(options, pair)))
        return
    with tempfile.TemporaryDirectory() as name:
        pair = make_pair(tuple(options.shape), options.spacing, Path(name))
        own = [sys.executable, "-m", "tests.benchmarks.registration_memory"]
        words = [*own, *sys.argv[1:], "--in-folder", name]
        done = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        options.coarsening = options.coarsening or found["coarsening"]
        guess = estimated(options, pair)
    print(
        f"{' '.join(sys.argv[1:])}: estimated {size_in_words(guess)}, taken "
        f"{size_in_words(found['taken'])} ({guess / found['taken']:.2f}), "
        f"{found['seconds']:.0f} s, correlation {found['similarity']:.3f}, halved "
        f"{found['coarsening']} times",
        flush=True,
    )


if __name__ == "__main__":
    main()
