"""The distribution of `hypergrad` alone: its wheel declares all that it needs."""

import importlib.metadata as metadata
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "configs" / "hypergrad"
PROGRAM = """
import importlib.util, sys
sys.path.append({site!r})
assert importlib.util.find_spec("flax") is None
import jax, jax.numpy as jnp
from autoreg_jax import hypergrad as hg
assert hg.__file__.startswith({site!r}), hg.__file__
problem = hg.BilevelProblem(
    lambda w, a, b: 0.5 * jnp.sum((w - a) ** 2), lambda w, a, b: jnp.sum(w**2)
)
found, _ = hg.conjugate_gradient(1).estimate(
    problem, (), hg.Point(jnp.ones(2), jnp.ones(2)), inner_update=None
)
assert found.grad.tolist() == [2.0, 2.0]
start = jnp.zeros(2), jnp.ones(2)
args = hg.whole_batches(None, None), 2, jax.random.key(0), start
assert hg.solve(problem, hg.soba(0.5, 0.5, 0.5), *args).trace["value"].shape == (2,)
"""


def required(names):
    """All distributions that these need, without extras."""
    found, left = set(), list(names)
    while left:
        name = re.match(r"[\w.-]+", left.pop())[0].lower().replace("_", "-")
        if name not in found:
            found.add(name)
            own = metadata.requires(name) or []
            left += [need for need in own if "extra ==" not in need]
    return found


@pytest.mark.slow
def test_its_wheel_runs_with_what_it_declares(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path]
    subprocess.run(build, cwd=FOLDER, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("autoreg_hypergrad-*.whl")
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    assert {path.name for path in (site / "autoreg_jax").iterdir()} == {
        "__init__.py",
        "hypergrad",
    }
    (own,) = metadata.distributions(path=[str(site)])
    assert {re.match(r"\w+", need)[0] for need in own.requires} == {"jax", "optax"}
    for name in required(own.requires):
        for top in {file.parts[0] for file in metadata.files(name)} - {".."}:
            if not (site / top).exists():
                (site / top).symlink_to(metadata.distribution(name).locate_file(top))
    program = PROGRAM.format(site=str(site))
    command = [sys.executable, "-I", "-S", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
