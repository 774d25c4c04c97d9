"""Can the hypergradient of α be trusted? Ways to the mixed product on a supernet."""

import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from autoreg_jax import hypergrad
from autoreg_jax.studies.compare._supernet import Supernet

_STEPS = 0.03, 0.3
_DIRECTIONS = 4
_NEIGHBOURS = 8
# Of the root mean square of ω.
_SPREAD = 0.1

logger = logging.getLogger(__name__)


class ProductRow(NamedTuple):
    """One mixed product ∂²_{αω} L_t · v at one ω, with v = ∇_ω′ L_v.

    Attributes:
        weights: Which ω.
        product: Which way to it.
        cosine: To the exact product.
        relative_error: To the exact product.
        response_small: Relative error of the foretold against the true change of
            ⟨∇_ω L_t(ω, α), v⟩ over a step of 0.03 in α, in four directions.
        response_large: The same over a step of 0.3.
        kinks: Share of displacements at half resolution within 0.05 voxel of a whole
            number.
        seconds: Of the product, compiled.
    """

    weights: str
    product: str
    cosine: float
    relative_error: float
    response_small: float
    response_large: float
    kinks: float
    seconds: float


def product_rows(supernet: Supernet) -> list[ProductRow]:
    """Exact, difference, smoothed and cubic products, held against finite steps of α.

    Args:
        supernet: The problem and its points.

    Returns:
        Rows for each point.
    """
    return [
        row
        for name, omega in supernet.points.items()
        for row in _rows_at(supernet, name, omega)
    ]


def _rows_at(supernet: Supernet, name: str, omega: Any) -> list[ProductRow]:
    problem, alpha = supernet.compiled, supernet.alpha
    train, valid = supernet.batches
    ahead = supernet.look_ahead(
        omega, jax.grad(problem.inner_loss)(omega, alpha, train)
    )
    direction = jax.grad(problem.outer_loss)(ahead, alpha, valid)
    response = hypergrad.gradient_response(problem.inner_loss, omega, train, direction)
    probes = [_unit_like(alpha, number) for number in range(_DIRECTIONS)]
    products = _products(supernet, omega)
    exact = products["exact"](omega, alpha, train, direction)
    answers = [
        hypergrad.finite_response(response, exact, alpha, probes, step).actual
        for step in _STEPS
    ]
    rows = []
    for kind, product in products.items():
        logger.info("Mixed product %s, %s.", kind, name)
        product(omega, alpha, train, direction)  # compiles
        begin = time.perf_counter()
        found = jax.block_until_ready(product(omega, alpha, train, direction))
        seconds = time.perf_counter() - begin
        near = hypergrad.agreement(found, exact)
        predicted = jnp.stack([optax.tree.vdot(found, probe) for probe in probes])
        small, large = (
            float(hypergrad.agreement(predicted, actual).relative_error)
            for actual in answers
        )
        rows.append(
            ProductRow(
                weights=name,
                product=kind,
                cosine=float(near.cosine),
                relative_error=float(near.relative_error),
                response_small=small,
                response_large=large,
                kinks=supernet.kinks[name],
                seconds=seconds,
            )
        )
    return rows


def _products(supernet: Supernet, omega: Any) -> dict[str, Callable[..., Any]]:
    """The ways by name."""
    exact = supernet.compiled.mixed_product
    cubic = supernet.cubic.mixed_product
    assert exact is not None
    assert cubic is not None

    def by(backend: hypergrad.MixedBackend) -> Callable[..., Any]:
        def product(omega: Any, alpha: Any, batch: Any, direction: Any) -> Any:
            loss = supernet.compiled.inner_loss
            return backend(loss, omega, alpha, batch, direction, direction).mixed

        return product

    sigma = _SPREAD * float(jnp.sqrt(jnp.mean(omega**2)))
    return {
        "exact": exact,
        "difference of the code": by(hypergrad.central_difference()),
        "difference of the paper": by(
            hypergrad.central_difference(1e-4, normalise=False)
        ),
        "exact, smoothed": hypergrad.smoothed_product(
            exact, jax.random.key(1), sigma=sigma, samples=_NEIGHBOURS
        ),
        "exact, cubic": cubic,
    }


def _unit_like(alpha: Any, number: int) -> Any:
    """A random direction of length 1."""
    drawn = optax.tree.random_like(jax.random.key(number), alpha)
    return optax.tree.scale(1 / optax.tree.norm(drawn), drawn)
