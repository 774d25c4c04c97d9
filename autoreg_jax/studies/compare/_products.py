"""Mixed products on a supernet: can the hypergradient of α be trusted?"""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax

from autoreg_jax import hypergrad
from autoreg_jax.studies.compare._supernet import Supernet

_STEPS = 0.03, 0.3
_DIRECTIONS = 4
_NEIGHBOURS = 8
_SPREAD = 0.1  # relative to the root mean square of ω

logger = logging.getLogger(__name__)


def product_records(supernet: Supernet) -> list[dict[str, Any]]:
    """Exact, difference, smoothed and cubic products, compared with finite steps of α.

    The product is ∂²_{αω} L_t · v with v = ∇_ω′ L_v. `cosine` and `relative_error` are
    to the exact product; `response_small` is the relative error of the predicted to the
    true change of ⟨∇_ω L_t(ω, α), v⟩ over a step of 0.03 in α, `response_large` of 0.3;
    `kinks` the share of displacements at half resolution within 0.05 voxel of a whole
    number.
    """
    return [
        record
        for name, point in supernet.points.items()
        for record in _records_at(supernet, name, point)
    ]


def _records_at(
    supernet: Supernet, name: str, point: hypergrad.Point
) -> Iterator[dict[str, Any]]:
    problem = supernet.compiled
    omega, alpha, train, valid = point
    look_ahead = hypergrad.gradient_descent(supernet.learning_rate)
    ahead = look_ahead(omega, jax.grad(problem.inner_loss)(omega, alpha, train))
    direction = jax.grad(problem.outer_loss)(ahead, alpha, valid)
    response = hypergrad.gradient_response(problem.inner_loss, omega, train, direction)
    probes = [_unit_like(alpha, number) for number in range(_DIRECTIONS)]
    products = _products(supernet, omega)
    exact = products["exact"](omega, alpha, train, direction)
    answers = [
        hypergrad.finite_response(response, exact, alpha, probes, step).actual
        for step in _STEPS
    ]
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
        yield {
            "weights": name,
            "product": kind,
            "cosine": float(near.cosine),
            "relative_error": float(near.relative_error),
            "response_small": small,
            "response_large": large,
            "kinks": supernet.kinks[name],
            "seconds": seconds,
        }


def _products(supernet: Supernet, omega: Any) -> dict[str, Callable[..., Any]]:
    """Mixed products by name."""
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
