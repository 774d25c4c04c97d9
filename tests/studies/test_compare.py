"""The comparison tool: known costs, known cosines, and a supernet of known kinks."""

import csv
import sys
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from stand_in import SmallNetwork

from autoreg_jax import hypergrad
from autoreg_jax.errors import DataError
from autoreg_jax.hypergrad.problems import hyper_cleaning, quadratic
from autoreg_jax.studies import compare
from autoreg_jax.studies.compare._cleaning import (
    LEARNING_RATE,
    clean,
    load_digits,
    noisy_split,
)
from autoreg_jax.studies.compare._estimators import (
    all_estimators,
    estimate_records,
    measure,
)
from autoreg_jax.studies.compare._examples import radius_sweep, term_sweep

# Cosine to the true hypergradient at the solution, seed 0, from an independent run in
# float64 by a prototype.
DIGITS = {
    "one step": 0.565,
    "T1-T2": 0.565,
    "Neumann 5": 0.930,
    "Neumann 20": 0.990,
    "Neumann 100": 1.0,
    "conjugate gradient 5": 0.997,
    "conjugate gradient 20": 1.0,
    "unroll 5": 0.906,
    "unroll 20": 0.989,
    "unroll 100": 1.0,
}


def test_cost_of_a_matrix_product():
    a = jnp.arange(64.0 * 32).reshape(64, 32)
    (product, other), cost = measure(
        lambda x, y: x @ y, [(a, a.T), (2 * a, a.T)], patience=0.0
    )
    np.testing.assert_allclose(product, np.asarray(a) @ np.asarray(a).T, rtol=1e-6)
    np.testing.assert_allclose(other, 2 * product, rtol=1e-6)
    assert cost.flops == pytest.approx(2 * 64 * 64 * 32, rel=0.01)
    assert 0 < cost.seconds < cost.compile_seconds + 1


# More terms of the same series.
LONGER = {"Neumann 5", "Neumann 100", "conjugate gradient 5", "unroll 5", "unroll 100"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in LONGER else [])
        for name in DIGITS
    ],
)
def test_digits_have_their_cosines(digits, name):
    (row,) = digits(name)
    assert row["cosine"] == pytest.approx(DIGITS[name], abs=0.03)


@pytest.fixture(scope="module")
def digits():
    """Estimates at the solution."""
    split = noisy_split(*load_digits())
    train, valid = jax.tree.map(jnp.asarray, (split.train, split.valid))
    example = hyper_cleaning(train, valid, 10)
    outer = example.point.outer
    solution = example.point._replace(inner=jax.jit(example.solution)(outer))
    named = all_estimators(LEARNING_RATE, 0.01)
    reference = jax.jit(example.reference)(outer)
    return lambda name: estimate_records(
        {"at the solution": solution},
        {name: named[name]},
        example.problem,
        hypergrad.gradient_descent(LEARNING_RATE),
        reference,
    )


def test_files_hold_the_table(tmp_path):
    few = ["one step", "T1-T2"]
    table = compare("quadratic", tmp_path, only=few)["estimates"]
    with (tmp_path / "estimates.csv").open() as file:
        stored = list(csv.DictReader(file))
    assert [row["estimator"] for row in stored] == 2 * few
    assert [float(row["cosine"]) for row in stored] == pytest.approx(
        [record["cosine"] for record in table.records]
    )
    text = (tmp_path / "estimates.md").read_text()
    assert text.count("\n") == len(stored) + 2
    figure = (tmp_path / "error_against_cost.png").read_bytes()
    assert figure.startswith(b"\x89PNG")


def test_errors_fall_with_terms_and_are_least_at_a_medium_probe():
    example = quadratic(jax.random.key(0))
    rate = 1 / float(jax.jit(example.smoothness)(example.point.outer))
    for errors in term_sweep(example, rate, (1, 20)).values():
        assert errors[1] < 0.5 * errors[0]
    # The loss is cubic at most: the error of a difference is rounding, ~ 1e-7 / ε.
    for errors in radius_sweep(example, rate, (1e-4, 1e-1)).values():
        assert errors[1] < errors[0] < 0.1


def test_a_better_hypergradient_cleans_better():
    features, labels = load_digits()
    splits = [noisy_split(features, labels, sizes=(150, 150), seed=1)]
    estimators = (
        hypergrad.one_step_unroll(),
        hypergrad.conjugate_gradient(10),
    )
    losses = [
        float(clean(kind, splits, outer_steps=60).valid_loss[0]) for kind in estimators
    ]
    assert losses[0] > losses[1] + 1e-3


def test_a_split_is_what_it_says():
    features = np.arange(40.0).reshape(20, 2)
    labels = np.arange(20) % 4
    split = noisy_split(features, labels, sizes=(8, 6), noise=0.5, seed=1)
    parts = split.train, split.valid, split.test
    assert [len(part[0]) for part in parts] == [8, 6, 6]
    places = np.concatenate([part[0][:, 0] for part in parts])
    assert sorted(places) == sorted(features[:, 0])
    true = labels[(split.train[0][:, 0] / 2).astype(int)]
    np.testing.assert_array_equal(split.is_clean, split.train[1] == true)
    assert 0 < split.is_clean.sum() < 8
    with pytest.raises(ValueError, match="leave none of 20 examples"):
        noisy_split(features, labels, sizes=(15, 5))


def test_unknown_problem(tmp_path):
    with pytest.raises(ValueError, match="must be one of"):
        compare("nothing", tmp_path)


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(DataError, match=r"autoreg_jax\[compare\]"):
        load_digits()


@dataclass(frozen=True)
class QuietNetwork(SmallNetwork):
    """The stand-in with initial fields near the identity."""

    def apply(self, variables, moving, fixed, alpha=None):
        params = variables["params"]
        head, last = params["head"]["kernel"], params["velocity_half"]
        quiet = {
            "head": {"kernel": 0.03 * head},
            "velocity_half": last | {"kernel": 0.03 * last["kernel"]},
        }
        return super().apply({"params": params | quiet}, moving, fixed, alpha)


@pytest.mark.optimised
@pytest.mark.slow
def test_a_supernet_off_the_grid_has_no_kinks(settings, tmp_path):
    tables = compare(
        "registration",
        tmp_path / "new" / "folder",
        warm_up=3,
        config=settings,
        network=QuietNetwork,
        only=["one step", "T1-T2"],
    )
    products = tables["products"].records
    kinks = {row["weights"]: row["kinks"] for row in products}
    assert list(kinks) == ["at the start", "off the grid", "after 3 steps"]
    assert kinks["at the start"] > 0.9
    assert kinks["off the grid"] == 0.0
    rows = {(row["weights"], row["product"]): row for row in products}
    exact = rows["off the grid", "exact"]
    assert exact["cosine"] == pytest.approx(1.0)
    assert exact["response_large"] < 0.1
    for other in ("difference of the code", "exact, smoothed"):
        assert rows["off the grid", other]["cosine"] > 0.9
    estimates = tables["estimates"].records
    one_step = [r for r in estimates if r["estimator"] == "one step"]
    last = [r for r in estimates if r["estimator"] == "T1-T2"]
    assert all(r["relative_error"] == 0 for r in last)
    assert all(0 < r["cosine"] <= 1 and r["indirect_norm"] > 0 for r in one_step)
