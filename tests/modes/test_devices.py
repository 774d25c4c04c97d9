"""A default device that is not the first, and meshes that a user has set.

Run as a program this file computes on four devices and writes the values of each mode.
"""

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import jax
import numpy as np
import pytest
from jax.sharding import AxisType
from searched import SEARCHED
from stand_in import make_cohort, search, train

from autoreg_jax import config, workflows
from autoreg_jax.inference import register_pair
from autoreg_jax.runtime import Checkpointer, default_device
from autoreg_jax.search_space import Genotype

DEVICES = 4
GENOTYPE = Genotype.uniform("conv_3")
LAM = {"full": 10.0, "smooth": 15.0, "half": 3.0, "quarter": 1.0}


def mesh_of(kind):
    mesh = jax.make_mesh((DEVICES,), ("rows",), axis_types=(kind,))
    return jax.set_mesh(mesh)


MODES = {
    "usual": nullcontext,
    "last": lambda: jax.default_device(jax.devices()[-1]),
    "automatic": lambda: mesh_of(AxisType.Auto),
    "explicit": lambda: mesh_of(AxisType.Explicit),
}


def job():
    """λ of a search that is resumed, weights, a field; the device of a state."""
    stage = {"steps": 3, "warm_up": 1}
    settings = config.merge(
        config.RunConfig(),
        {
            "network": SEARCHED | {"width": 0.1, "num_steps": 1},
            "objective": {"windows": [3, 3, 3]},
            "search": {"lam": stage},
            "train": {"steps": 2, "average": None},
        },
    )
    cohorts, seen = (make_cohort(4, 1), make_cohort(3, 2)), []

    def stop(stage, step, state):
        seen.extend(jax.tree.leaves(state))
        raise KeyboardInterrupt

    with TemporaryDirectory() as run:
        journal = workflows.Journal(run, observe=stop, save_every=0)
        with pytest.raises(KeyboardInterrupt):
            search(*cohorts, settings, genotype=GENOTYPE, journal=journal)
        journal = workflows.Journal(run, resume=True)
        found = search(*cohorts, settings, genotype=GENOTYPE, journal=journal)
        shapes = jax.eval_shape(lambda: jax.numpy.zeros(3))
        with Checkpointer(f"{run}/more") as saves:
            saves.save(1, np.ones(3, np.float32), {})
            seen.append(saves.restore(shapes)[0])
    model = train(cohorts[0], settings, GENOTYPE, LAM)
    images = cohorts[0].images
    pair = register_pair(
        images[:1], images[1:2], np.ones(2, np.float32), num_iterations=2
    )
    places = {d for leaf in seen if hasattr(leaf, "devices") for d in leaf.devices()}
    values = list(found.lam.values()), *jax.tree.leaves(model.params), pair.displacement
    flat = np.concatenate([np.ravel(np.asarray(value)) for value in values])
    return flat, places == {default_device()}


@pytest.mark.slow
def test_other_devices_find_the_same(tmp_path):
    flags = f"--xla_force_host_platform_device_count={DEVICES}"
    done = subprocess.run(
        [sys.executable, __file__, tmp_path / "found.npz", *MODES],
        capture_output=True,
        text=True,
        env=os.environ
        | {
            "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flags}",
            "JAX_PLATFORMS": "cpu",
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "found.npz") as found:
        assert set(found.files) == set(MODES)
        wanted = found["usual"]
        np.testing.assert_array_equal(found["last"], wanted)
        for name in ("automatic", "explicit"):
            np.testing.assert_allclose(found[name], wanted, rtol=1e-4, atol=1e-5)


if __name__ == "__main__":
    values = {}
    for name in sys.argv[2:]:
        with MODES[name]():
            values[name], is_there = job()
        if name in ("usual", "last") and not is_there:
            sys.exit(f"{name}: arrays of a state lie on another device")
    np.savez(sys.argv[1], **values)
