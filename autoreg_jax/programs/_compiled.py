"""Derivatives and estimators that are compiled once, however often they are called."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import jax

from autoreg_jax import hypergrad
from autoreg_jax.bilevel import SearchProblem
from autoreg_jax.config import HypergradientConfig
from autoreg_jax.hypergrad import (
    BilevelProblem,
    HypergradientEstimator,
    MixedBackend,
    mixed_product,
)

# XLA's newer emitters of CPU kernels take 1.4 times as long to compile the gradient of
# a mixed network (54 s against 38 s on two cores), which then runs no faster.
_OLDER_EMITTERS: dict[str, str | bool] = {"xla_cpu_use_fusion_emitters": False}


def quick_compilation() -> dict[str, str | bool] | None:
    """`compiler_options` of `jax.jit` with which large programs compile faster.

    Returns:
        None on accelerators, and if this version of XLA does not know the options.
    """
    if jax.default_backend() != "cpu":
        return None
    try:
        jax.jit(lambda x: x + 1, compiler_options=_OLDER_EMITTERS)(0.0)
    except jax.errors.JaxRuntimeError:
        return None
    return _OLDER_EMITTERS


def compiled_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """`(inner, outer, batch) -> (loss, terms)`, whose gradient is one program.

    Calls that are not themselves traced share the program: the gradient at ω, that of
    the validation batch at ω′ and those of the probes of a finite difference are one
    compilation instead of five. Terms and batch have no derivative.
    """
    options = quick_compilation()
    plain = jax.jit(function, compiler_options=options)
    gradient = jax.jit(
        jax.value_and_grad(function, argnums=(0, 1), has_aux=True),
        compiler_options=options,
    )
    compiled = jax.custom_vjp(plain)

    def backward(gradients: Any, cotangents: Any) -> tuple[Any, Any, None]:
        inner, outer = jax.tree.map(lambda g: cotangents[0] * g, gradients)
        return inner, outer, None

    compiled.defvjp(gradient, backward)
    return compiled


def compiled_problem(
    problem: SearchProblem, inner_terms: Callable[..., Any] | None = None
) -> SearchProblem:
    """The same problem with compiled derivatives; equal losses share theirs."""
    bilevel = problem.bilevel
    inner_terms = inner_terms or compiled_gradient(problem.inner_terms)

    def inner_loss(*arguments: Any) -> Any:
        return inner_terms(*arguments)[0]

    if problem.is_inner_apart:
        inner_loss = _compiled_loss(bilevel.inner_loss)
    outer_loss = inner_loss
    if bilevel.outer_loss is not bilevel.inner_loss:
        outer_loss = _compiled_loss(bilevel.outer_loss)

    product = jax.jit(
        partial(mixed_product, bilevel.inner_loss),
        compiler_options=quick_compilation(),
    )
    return problem._replace(
        bilevel=BilevelProblem(inner_loss, outer_loss, product), inner_terms=inner_terms
    )


def _compiled_loss(loss: Callable[..., Any]) -> Callable[..., Any]:
    """A loss without terms, whose gradient is one program."""
    terms = compiled_gradient(lambda *x: (loss(*x), ()))
    return lambda *arguments: terms(*arguments)[0]


# These call the compiled derivatives of the problem a few times and need no compilation
# of their own. All others loop over derivatives, so the loop is compiled as a whole.
STRAIGHT = ("finite_difference", "first_order", "one_step_unroll", "t1t2")


def make_estimator(
    settings: HypergradientConfig, learning_rate: float
) -> HypergradientEstimator:
    """Create the estimator that the settings name.

    The name is that of a factory in `autoreg_jax.hypergrad`; each of its parameters
    that stands in the table below takes the value there, the others their default.
    """
    values = {
        "damping": settings.damping,
        "iterations": settings.steps,
        "learning_rate": learning_rate,
        "mixed": _backend(settings),
        "normalise": settings.normalise,
        "pairs": settings.pairs,
        "penalty": settings.penalty,
        "radius": settings.radius,
        "rank": settings.steps,
        "sigma": settings.sigma,
        "steps": settings.steps,
        "terms": settings.steps,
    }
    factory = getattr(hypergrad, settings.name)
    parameters = inspect.signature(factory).parameters
    return factory(**{name: values[name] for name in parameters if name in values})


def compiled_estimator(
    estimator: HypergradientEstimator,
    problem: hypergrad.BilevelProblem,
    look_ahead: Any,
) -> HypergradientEstimator:
    """Compile an estimator and its problem to one program.

    The returned `estimate` ignores the problem that it is given, whose derivatives are
    compiled: a program within a program is compiled twice. It ignores the update, too.
    """

    @partial(jax.jit, compiler_options=quick_compilation())
    def compiled(state: Any, point: hypergrad.Point) -> Any:
        return estimator.estimate(problem, state, point, inner_update=look_ahead)

    def estimate(
        problem: hypergrad.BilevelProblem,
        state: Any,
        point: hypergrad.Point,
        *,
        inner_update: Any,
    ) -> tuple[hypergrad.Hypergradient, Any]:
        del problem, inner_update
        return compiled(state, point)

    return HypergradientEstimator(estimator.init, estimate)


def _backend(settings: HypergradientConfig) -> MixedBackend:
    if settings.mixed == "central_difference":
        return hypergrad.central_difference(
            settings.radius, normalise=settings.normalise
        )
    backends = {
        "forward_over_reverse": hypergrad.forward_over_reverse,
        "reverse_over_forward": hypergrad.reverse_over_forward,
    }
    return backends[settings.mixed]
