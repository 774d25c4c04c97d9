"""Device functions under double precision and strict promotion, traced alone.

Tracing decides all types, and compiles nothing. Whoever has switched on double
precision for other programs, and allows no implicit promotion, gets the types that are
given: float32 of float32.
"""

import inspect

import jax
import jax.numpy as jnp
import pytest
from device_calls import CALLS, PACKAGES, arrays

# Of the host (shapes, names, factories, arrays of NumPy), or called by another.
NOT_TRACED = {
    "bilevel": {
        "checked_estimator",
        "make_amortised",
        "make_branches",
        "make_forward",
        "make_search",
        "no_move",
        "normalised_steps",
        "of_log_ratios",
        "over_pairs",
        "ratio_names",
        "spread_ratios",
        "tangent_step",
        "told",
        "with_leaking_lambda",
    },
    "losses": {"image_terms", "in_order"},
    "metrics": {"surface_distances"},
    "networks": {"activations", "inverse_displacements"},
    "search_space": {"decode", "make_operation", "searched_names"},
    "training": {
        "better",
        "checked_step",
        "lowered",
        "moved_average",
        "scalable",
        "watched",
    },
    "spatial": {"affine_generators", "coarser_shape", "half_shape"},
}


def test_each_public_function_is_called():
    for package, module in PACKAGES.items():
        names = {n for n in module.__all__ if inspect.isfunction(getattr(module, n))}
        called = {name.partition(".")[2] for name in CALLS if name.startswith(package)}
        left = names - called - NOT_TRACED.get(package, set())
        assert not left, f"{package}: call {sorted(left)} in device_calls.py"


def is_floating(array):
    return jnp.issubdtype(array.dtype, jnp.floating)


# What takes steps has its own gradients; those of a network are those of its parts.
WITHOUT_SLOPES = {
    "bilevel.architecture_problem",
    "bilevel.objective_problem",
    "networks.composed",
    "networks.mixed",
    "training.make_training",
}
# The longest, whose parts are other calls.
LONG = {
    "bilevel.agreement_judge",
    "bilevel.architecture_problem",
    "bilevel.objective_problem",
    "losses.agreement_loss",
    "losses.mind_loss",
    "spatial.downsample",
}


def value_and_slopes(call):
    """The result of a call, and the gradient of its sum in all floating arrays."""

    def function(given):
        rest = {name: a for name, a in given.items() if not is_floating(a)}
        moved = {name: a for name, a in given.items() if is_floating(a)}

        def floats(moved):
            found = call(moved | rest)
            leaves = [a for a in jax.tree.leaves(found) if is_floating(a)]
            return leaves, found

        leaves, back, _ = jax.vjp(floats, moved, has_aux=True)
        return leaves, back([jnp.ones_like(leaf) for leaf in leaves])

    return function


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] * (n in LONG)) for n in CALLS],
)
def test_types_stay_and_nothing_is_promoted(name):
    given, call = arrays(), CALLS[name]
    if name not in WITHOUT_SLOPES:
        call = value_and_slopes(call)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        found = jax.eval_shape(call, given)
    kinds = {str(leaf.dtype) for leaf in jax.tree.leaves(found) if is_floating(leaf)}
    assert kinds == {"float32"}
