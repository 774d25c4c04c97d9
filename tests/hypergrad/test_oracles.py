"""Value for value against other libraries, on one quadratic in double precision.

The values of jaxopt and torchopt are kept in `oracle_values.json` and always compared;
where a library is installed (extra `oracles`) its values are computed again and must be
those of the file. `python -m tests.hypergrad.test_oracles` writes the file anew.
"""

import importlib.metadata
import importlib.util
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from unoptimised import quick

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

    @quick
    def gradient(omega, a):
        hyper, _ = estimator.estimate(
            hg.BilevelProblem(*losses(NUMBERS)),
            estimator.init(omega, a),
            hg.Point(omega, a),
            inner_update=hg.from_optax(optimizer, optimizer.init(omega)),
        )
        return hyper.grad

    return np.asarray(gradient(start, NUMBERS["a"]))


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

    return np.asarray(quick(jax.grad(lambda a: outer_loss(solve(a), a)))(a))


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


ORACLES = {
    "jaxopt": (jaxopt_value, ("implicit", "sgd_10", "adam_5")),
    "torchopt": (torchopt_value, tuple(TOLERANCES)),
}


@pytest.mark.filterwarnings("ignore:JAXopt is no longer maintained")
@pytest.mark.filterwarnings("ignore:We've integrated functorch:FutureWarning")
@pytest.mark.parametrize(
    ("library", "case"),
    [(library, case) for library, (_, cases) in ORACLES.items() for case in cases],
)
def test_values_of_other_libraries(library, case):
    kept = np.array(json.loads(RECORD.read_text())["values"][library][case])
    agree(ours(case), kept, case)
    if importlib.util.find_spec(library):
        agree(kept, ORACLES[library][0](case), case)


def record():
    names = ("jaxopt", "torchopt", "torch")
    return {
        "versions": {name: importlib.metadata.version(name) for name in names},
        "values": {
            library: {case: value(case).tolist() for case in cases}
            for library, (value, cases) in ORACLES.items()
        },
    }


if __name__ == "__main__":
    with jax.enable_x64(True):
        RECORD.write_text(json.dumps(record(), indent=1) + "\n")
