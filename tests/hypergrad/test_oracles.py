"""Value for value against other libraries, on one quadratic in double precision.

jaxopt runs here. torchopt needs PyTorch, which the tests do not: its values are kept
in `oracle_values.json`, compared always, and computed again where it is installed
(extra `oracles`). `python -m tests.hypergrad.test_oracles` writes the file anew.
"""

import importlib.metadata
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from autoreg_jax import hypergrad as hg

pytestmark = pytest.mark.usefixtures("x64")

RECORD = Path(__file__).with_name("oracle_values.json")
P, D, RATE = 20, 5, 0.05


def draw():
    """The numbers of the quadratic, and where to start."""
    rng = np.random.default_rng(7)
    basis, _ = np.linalg.qr(rng.normal(size=(P, P)))
    return {
        "A": basis @ np.diag(np.linspace(1, 10, P)) @ basis.T,
        "C": rng.normal(size=(P, D)),
        "b": rng.normal(size=P),
        "w": rng.normal(size=P),
        "F": rng.uniform(0.5, 2, P),
        "k": rng.normal(size=D),
        "omega": rng.normal(size=P),
        "a": rng.normal(size=D),
    }


NUMBERS = draw()


def losses(n):
    """Both levels, of arrays of NumPy, JAX or PyTorch."""

    def inner_loss(omega, a, batch=None):
        return 0.5 * omega @ (n["A"] @ omega) + omega @ (n["C"] @ a + n["b"])

    def outer_loss(omega, a, batch=None):
        apart = omega - n["w"]
        return 0.5 * apart @ (n["F"] * apart) + 0.15 * a @ a + n["k"] @ a

    return inner_loss, outer_loss


def optimum():
    n = NUMBERS
    return -np.linalg.solve(n["A"], n["C"] @ n["a"] + n["b"])


def ours(case):
    """Our value of a case, the estimator that the oracles of it compute too."""
    estimator, start, optimizer = {
        "implicit": (hg.conjugate_gradient(P), optimum(), optax.sgd(RATE)),
        "sgd_1": (hg.unroll(1), NUMBERS["omega"], optax.sgd(RATE)),
        "sgd_10": (hg.unroll(10), NUMBERS["omega"], optax.sgd(RATE)),
        "adam_5": (hg.unroll(5), NUMBERS["omega"], optax.adam(0.1)),
    }[case]
    omega, a = jnp.asarray(start), jnp.asarray(NUMBERS["a"])
    hyper, _ = estimator.estimate(
        hg.BilevelProblem(*losses(NUMBERS)),
        estimator.init(omega, a),
        hg.Point(omega, a),
        inner_update=hg.from_optax(optimizer, optimizer.init(omega)),
    )
    return np.asarray(hyper.grad)


def jaxopt_value(case):
    import jaxopt

    inner_loss, outer_loss = losses(NUMBERS)
    a = jnp.asarray(NUMBERS["a"])
    unrolled = {"fun": inner_loss, "tol": 0.0, "implicit_diff": False, "unroll": True}

    def solve(a):
        if case == "implicit":
            root = jaxopt.implicit_diff.custom_root(
                jax.grad(inner_loss),
                solve=lambda matvec, b: jaxopt.linear_solve.solve_cg(
                    matvec, b, tol=1e-13
                ),
            )
            return root(lambda start, a: optimum())(None, a)
        solver = (
            jaxopt.OptaxSolver(opt=optax.adam(0.1), maxiter=5, **unrolled)
            if case == "adam_5"
            else jaxopt.GradientDescent(
                stepsize=RATE, acceleration=False, maxiter=10, **unrolled
            )
        )
        return solver.run(jnp.asarray(NUMBERS["omega"]), a).params

    return np.asarray(jax.grad(lambda a: outer_loss(solve(a), a))(a))


def torchopt_value(case):
    import torch

    # torchopt corrects Adam's bias in the default precision of PyTorch: 7e-6 apart.
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return _torchopt_value(case)
    finally:
        torch.set_default_dtype(before)


def _torchopt_value(case):
    import torch
    import torchopt

    n = {name: torch.tensor(value) for name, value in NUMBERS.items()}
    inner_loss, outer_loss = losses(n)
    a = n["a"].clone().requires_grad_()
    if case == "implicit":
        root = torchopt.diff.implicit.custom_root(
            torch.func.grad(inner_loss),
            argnums=1,
            solve=torchopt.linear_solve.solve_cg(maxiter=50, rtol=1e-12),
        )
        omega = root(lambda start, a: torch.tensor(optimum()))(n["omega"], a)
    else:
        kind, steps = case.split("_")
        chain = torchopt.sgd(RATE) if kind == "sgd" else torchopt.adam(0.1)
        optimizer = torchopt.FuncOptimizer(chain)
        (omega,) = weights = (n["omega"].clone().requires_grad_(),)
        for _ in range(int(steps)):
            (omega,) = weights = optimizer.step(inner_loss(omega, a), weights)
    (value,) = torch.autograd.grad(outer_loss(omega, a), a)
    return value.numpy()


TOLERANCES = {"implicit": 1e-10, "sgd_1": 1e-12, "sgd_10": 1e-12, "adam_5": 1e-12}


def agree(found, wanted, case):
    error = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
    assert error < TOLERANCES[case]


@pytest.mark.filterwarnings("ignore:JAXopt is no longer maintained")
@pytest.mark.parametrize("case", ["implicit", "sgd_10", "adam_5"])
def test_jaxopt(case):
    pytest.importorskip("jaxopt", reason="needs the extra 'oracles'")
    agree(ours(case), jaxopt_value(case), case)


@pytest.mark.parametrize("case", TOLERANCES)
def test_recorded_values_of_torchopt(case):
    agree(ours(case), np.array(json.loads(RECORD.read_text())["values"][case]), case)


@pytest.mark.filterwarnings("ignore:We've integrated functorch:FutureWarning")
@pytest.mark.parametrize("case", TOLERANCES)
def test_torchopt(case):
    pytest.importorskip("torchopt", reason="needs the extra 'oracles'")
    value = torchopt_value(case)
    agree(ours(case), value, case)
    agree(np.array(json.loads(RECORD.read_text())["values"][case]), value, case)


if __name__ == "__main__":
    record = {
        "versions": {n: importlib.metadata.version(n) for n in ("torchopt", "torch")},
        "values": {case: torchopt_value(case).tolist() for case in TOLERANCES},
    }
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
