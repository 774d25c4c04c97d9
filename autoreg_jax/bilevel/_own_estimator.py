"""A hypergradient estimator of a user, whose results are checked where it is called."""

from typing import Any

import jax

from autoreg_jax.errors import ConfigError
from autoreg_jax.hypergrad import (
    BilevelProblem,
    Hypergradient,
    HypergradientEstimator,
    Point,
)


def checked_estimator(estimator: Any) -> HypergradientEstimator:
    """The same estimator; what it returns is checked by its shapes.

    So it is checked while it is traced, before it is compiled, and alike on every
    device: there a state that changes its shape would otherwise work as long as nothing
    is compiled around it.

    Raises:
        ConfigError: If it is no estimator. `estimate` raises it if it returns anything
            but a `Hypergradient` like the outer variable and a state like the one that
            it was given.
    """
    name = _name(estimator)
    methods = [getattr(estimator, part, None) for part in ("init", "estimate")]
    if not all(map(callable, methods)):
        raise ConfigError(
            f"{name}: found {_kind(estimator)}, expected a HypergradientEstimator, as "
            "hypergrad.one_step_unroll() makes it; the name of one belongs in "
            "search.hypergradient.name."
        )

    if not isinstance(estimator, HypergradientEstimator):  # it checks what it returns
        estimator = HypergradientEstimator(estimator.init, estimator.estimate)

    def estimate(
        problem: BilevelProblem, state: Any, point: Point, *, inner_update: Any
    ) -> tuple[Hypergradient, Any]:
        try:
            found = estimator.estimate(problem, state, point, inner_update=inner_update)
        except ValueError as error:  # of `HypergradientEstimator`, which has no name
            raise ConfigError(f"{name}: {error}") from error
        _check(name, found, state, point.outer)
        return found

    return HypergradientEstimator(estimator.init, estimate)


def _check(name: str, found: Any, before: Any, outer: Any) -> None:
    hyper, state = found
    for part in ("direct", "indirect"):
        there, expected = _shapes(getattr(hyper, part)), _shapes(outer)
        if there != expected:
            raise ConfigError(
                f"{name}: `{part}` of its Hypergradient is {_text(there)}, expected "
                f"{_text(expected)}, as the outer variable."
            )
    if _shapes(hyper.value) != _shapes(0.0):
        raise ConfigError(
            f"{name}: `value` of its Hypergradient is {_text(_shapes(hyper.value))}, "
            "expected a scalar."
        )
    after, expected = (_shapes(tree, with_types=True) for tree in (state, before))
    if after != expected:
        raise ConfigError(
            f"{name}: `estimate` returned the state {_text(after)}, expected "
            f"{_text(expected)}, as `init` and every call have to."
        )


def _shapes(tree: Any, *, with_types: bool = False) -> tuple[Any, list[Any]]:
    """The structure of a tree and the shape of each array, with its type or without."""
    leaves, structure = jax.tree.flatten(tree)
    found = [jax.typeof(leaf) for leaf in leaves]
    return structure, [
        (x.shape, str(x.dtype)) if with_types else (x.shape,) for x in found
    ]


def _text(shapes: tuple[Any, list[Any]]) -> str:
    structure, leaves = shapes
    words = [
        " ".join([*kind, "×".join(map(str, shape)) or "scalar"])
        for shape, *kind in leaves
    ]
    return str(jax.tree.unflatten(structure, words)).replace("'", "")[:200]


def _name(estimator: Any) -> str:
    """How the error calls the estimator: after the function that made it."""
    function = getattr(estimator, "estimate", estimator)
    name = getattr(function, "__qualname__", None) or repr(estimator)
    return f"estimator {name.removesuffix('.<locals>.estimate')[:80]}"


def _kind(value: Any) -> str:
    return f"{value!r}" if isinstance(value, str) else f"a {type(value).__name__}"
