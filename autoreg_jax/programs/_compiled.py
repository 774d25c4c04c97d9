"""Derivatives that are compiled once, however often an algorithm asks for them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax

from autoreg_jax.hypergrad import BilevelProblem, mixed_product
from autoreg_jax.search import SearchProblem

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
    """The same function, whose gradient is one program.

    Calls that are not themselves traced share the program: the gradient at ω, that of
    the validation batch at ω′ and those of the probes of a finite difference are one
    compilation instead of five.

    Args:
        function: `(inner, outer, batch) -> (loss, terms)`.

    Returns:
        The function with derivatives of the loss with respect to `inner` and `outer`;
        terms and batch have none.
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
    """The same problem with compiled derivatives; equal losses share theirs.

    Args:
        problem: Any.
        inner_terms: Its inner terms, if their gradient is compiled already.
    """
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
