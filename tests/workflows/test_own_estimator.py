"""An estimator of one's own that returns something else is refused by its shapes."""

import jax
import jax.numpy as jnp
import pytest
from stand_in import SmallNetwork

from autoreg_jax import config, hypergrad, workflows
from autoreg_jax.errors import ConfigError
from autoreg_jax.programs import Programs

PLAIN = hypergrad.first_order()


def changed(change, start=()):
    """The direct gradient with another result, `change(found, state)`."""

    def estimate(problem, state, point, *, inner_update):
        found, _ = PLAIN.estimate(problem, (), point, inner_update=inner_update)
        return change(found, state)

    return hypergrad.HypergradientEstimator(lambda inner, outer: start, estimate)


def longer(found, state):
    return found, jnp.append(state, 1.0)


def of_other_shape(found, state):
    return found._replace(grad=jax.tree.map(lambda x: x[1:], found.grad)), state


WRONG = {
    "alone": (
        changed(lambda found, state: found),
        r"must return a pair \(Hypergradient, state\), found a Hypergradient",
    ),
    "none": (
        changed(lambda found, state: (None, state)),
        r"must return a pair \(Hypergradient, state\), found a tuple",
    ),
    "shape": (changed(of_other_shape), r"\[1,3,8\], expected float32\[2,3,8\]"),
    "value": (
        changed(lambda found, state: (found._replace(value=jnp.ones(2)), state)),
        "`value` of its Hypergradient is 2, expected a scalar",
    ),
    "structure": (
        changed(lambda found, state: (found, {"a": 1.0})),
        r"the state \{a: float32 scalar\}, expected \(\)",
    ),
    "growing": (changed(longer, jnp.ones(1)), "float32 2, expected float32 1"),
}


@pytest.mark.parametrize(
    "case",
    [
        *("alone", "shape", "growing"),
        *(
            pytest.param(case, marks=pytest.mark.slow)
            for case in ("none", "value", "structure")
        ),
    ],
)
def test_what_it_returns_is_checked_before_anything_is_compiled(
    cohorts, settings, case, monkeypatch
):
    estimator, said = WRONG[case]

    def compile_nothing(*arguments):
        raise AssertionError(arguments)

    small = config.merge(settings, {"search": {"steps_per_call": 1}})
    monkeypatch.setattr(workflows._stage, "repeat", compile_nothing)
    with pytest.raises(ConfigError, match=rf"estimator changed: .*{said}"):
        workflows.search(*cohorts[:2], small, network=SmallNetwork, estimator=estimator)


@pytest.mark.parametrize(
    ("estimator", "said"),
    [
        (hypergrad.one_step_unroll, "estimator one_step_unroll: found a function"),
        ("neumann", "estimator 'neumann': found 'neumann', expected"),
        (3, "estimator 3: found a int"),
    ],
)
def test_what_is_no_estimator_is_refused(settings, estimator, said):
    with pytest.raises(ConfigError, match=said):
        Programs(settings, 2, network=SmallNetwork, estimator=estimator)
