"""Long runs in one process: memory stays, and nothing is compiled again.

Run as a program this file computes and prints what was measured, as JSON.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from searched import SEARCHED
from stand_in import SmallNetwork, make_cohort

from autoreg_jax import config, workflows
from autoreg_jax.geometry import Volume
from autoreg_jax.inference import register
from autoreg_jax.programs import Programs
from autoreg_jax.runtime import resident_memory

SHAPES = (16, 16, 16), (20, 16, 12), (24, 20)
REGISTRATIONS, SEARCHES, STEPS = 501, 12, 180
COMPILED = "/jax/core/compile/backend_compile_duration"


class Watch:
    """Memory and compilations at the end of each round."""

    def __init__(self):
        self.rounds, self._count = [], 0
        jax.monitoring.register_event_duration_secs_listener(self._hear)

    def _hear(self, event, duration, **_):
        self._count += event == COMPILED

    def end_of_round(self):
        self.rounds.append((resident_memory(), self._count))

    def figures(self):
        """Those behind the first tenth, which compiles and fills the allocator."""
        memory, compiled = zip(*self.rounds[len(self.rounds) // 10 :], strict=True)
        # A block of the allocator is there behind one round and not behind the next.
        parts = np.array_split(memory, min(10, len(memory)))
        begin, *others = (float(np.median(part)) for part in parts)
        return {
            "MB": round(begin / 2**20),
            "change": round(max((m / begin - 1 for m in others), key=abs), 4),
            "compiled": compiled[0],
            "compiled_again": compiled[-1] - compiled[0],
        }


def registrations():
    """Pairs of three shapes in turn, refined, with another pair each time."""
    watch, rng = Watch(), np.random.default_rng(0)
    for number in range(REGISTRATIONS):
        shape = SHAPES[number % len(SHAPES)]
        images = (gaussian_filter(rng.random(shape), 2) for _ in range(2))
        fixed, moving = (
            Volume(image.astype(np.float32), np.eye(4)) for image in images
        )
        register(fixed, moving, affine="none", refine=3)
        if number % len(SHAPES) == len(SHAPES) - 1:
            watch.end_of_round()
    return watch.figures()


def searches():
    """Searches of three stages, with other images each time, as one object has them."""
    stage = {"steps": STEPS // 3, "warm_up": 10}
    settings = config.merge(
        config.RunConfig(),
        {
            "network": SEARCHED | {"width": 0.1, "num_steps": 2},
            "objective": {"windows": [5, 3, 3]},
            "search": {"feature": stage, "deformation": stage, "lam": stage},
        },
    )
    watch, programs = Watch(), Programs(settings, 2, network=SmallNetwork)
    for number in range(SEARCHES):
        cohorts = make_cohort(4, 2 * number), make_cohort(3, 2 * number + 1)
        workflows.search(*cohorts, settings, programs=programs)
        watch.end_of_round()
    return watch.figures()


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("what", ["registrations", "searches"])
def test_memory_stays_and_nothing_is_compiled_again(what):
    words = [sys.executable, __file__, what]
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        },
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["compiled"] > 0
    assert found["compiled_again"] == 0
    assert abs(found["change"]) < 0.02


if __name__ == "__main__":
    begin = time.monotonic()
    figures = {"registrations": registrations, "searches": searches}[sys.argv[1]]()
    seconds, cpu = round(time.monotonic() - begin), round(time.process_time())
    sys.stdout.write(json.dumps(figures | {"seconds": seconds, "processor": cpu}))
