"""Can the hypergradient of α be trusted? The mixed product on a real supernet."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from autoreg_jax import hypergrad
from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort, PairSampler
from autoreg_jax.search_space import ArchitectureLogits
from autoreg_jax.workflows._build import make_network, on_device, shrunk
from autoreg_jax.workflows._flat import layout_of
from autoreg_jax.workflows._initial import initial_vector
from autoreg_jax.workflows._programs import (
    gather_pair,
    search_algorithm,
    vector_problem,
)

# Half a voxel is as far from the kinks as can be; this is less regular than that.
OFF_THE_GRID = 0.37
SMALL_STEP, LARGE_STEP = 0.03, 0.3
_DIRECTIONS = 4
_NEIGHBOURS = 8
# Of the root mean square of ω.
_SPREAD = 0.1


class ProductRow(NamedTuple):
    """One mixed product ∂²_{αω} L_t · v at one ω, with v = ∇_ω′ L_v.

    Attributes:
        weights: Which ω.
        product: Which backend.
        cosine: To the exact product.
        relative_error: To the exact product.
        response_small: Relative error of the foretold against the true change of
            ⟨∇_ω L_t(ω, α), v⟩ over a small step of α.
        response_large: The same over a larger step.
        kinks: Share of displacements at half resolution within 0.05 voxel of a whole
            number.
        seconds: Of the product.
    """

    weights: str
    product: str
    cosine: float
    relative_error: float
    response_small: float
    response_large: float
    kinks: float
    seconds: float


def check_supernet(
    train: Cohort, validation: Cohort, config: RunConfig, *, warm_up: int = 60
) -> list[ProductRow]:
    """Exact, difference and smoothed products where a search begins and later.

    At initialisation; with the field moved off the voxel grid, where linear
    interpolation has its kinks; and after a warm-up of ω. All points share the compiled
    gradient and product of the search.

    Args:
        train: Training subjects.
        validation: Validation subjects.
        config: Network, objective and search; its estimator is not used.
        warm_up: Steps of ω.

    Returns:
        Rows for each ω.
    """
    cohorts = [
        shrunk(on_device(cohort, with_labels=False), config.search.shrink)
        for cohort in (train, validation)
    ]
    ndim = cohorts[0].images.ndim - 2
    pairs = [PairSampler(len(c.images), seed=config.seed) for c in cohorts]
    algorithm = search_algorithm(config, None, ndim, "feature")
    network = make_network(config, None)
    layout = layout_of(network, ndim)
    start = initial_vector(network, ndim, (config.seed,))
    state = algorithm.init(start, ArchitectureLogits.zeros())
    for step in range(warm_up):
        state, _ = algorithm.inner_step(state, gather_pair(cohorts[0], pairs[0][step]))
    points = {
        "at initialisation": start,
        "off the grid": _moved(start, layout),
        f"after {warm_up} steps": state.omega,
    }
    # The same unseen pair everywhere, so that only ω differs.
    batches = [
        gather_pair(cohort, sampler[warm_up])
        for cohort, sampler in zip(cohorts, pairs, strict=True)
    ]
    problem = vector_problem(config, None, ndim).bilevel

    @jax.jit
    def kinks(omega: Any) -> Any:
        params = {"params": layout.to_tree(omega)}
        alpha = ArchitectureLogits.zeros()
        out: Any = network.apply(params, batches[0].moving, batches[0].fixed, alpha)
        return hypergrad.kink_density(out.displacements.half, period=1.0)

    rate = config.search.look_ahead_learning_rate
    rows: list[ProductRow] = []
    for name, omega in points.items():
        rows += _rows(name, omega, problem, batches, rate, float(kinks(omega)))
    return rows


def _rows(
    name: str, omega: Any, problem: Any, batches: list[Any], rate: float, kinks: float
) -> list[ProductRow]:
    """All products at one ω."""
    alpha, (train, valid) = ArchitectureLogits.zeros(), batches
    ahead = omega - rate * jax.grad(problem.inner_loss)(omega, alpha, train)
    direction = jax.grad(problem.outer_loss)(ahead, alpha, valid)
    products = _products(problem, omega)
    exact = jax.block_until_ready(
        products["exact"](omega, alpha, train, direction)
    )  # compiled here, timed below
    q = hypergrad.gradient_response(problem.inner_loss, omega, train, direction)
    keys = jax.random.split(jax.random.key(0), _DIRECTIONS)
    drawn = [optax.tree.random_like(key, alpha) for key in keys]
    directions = [optax.tree.scale(1 / optax.tree.norm(d), d) for d in drawn]
    answers = [
        hypergrad.finite_response(q, exact, alpha, directions, step).actual
        for step in (SMALL_STEP, LARGE_STEP)
    ]
    rows = []
    for kind, product in products.items():
        begin = time.perf_counter()
        found = jax.block_until_ready(product(omega, alpha, train, direction))
        seconds = time.perf_counter() - begin
        near = hypergrad.agreement(found, exact)
        predicted = jnp.stack([optax.tree.vdot(found, d) for d in directions])
        misses = (
            float(hypergrad.agreement(predicted, actual).relative_error)
            for actual in answers
        )
        row = (float(near.cosine), float(near.relative_error), *misses, kinks, seconds)
        rows.append(ProductRow(name, kind, *row))
    return rows


def _products(problem: Any, omega: Any) -> dict[str, Callable[..., Any]]:
    """The backends by name."""

    def difference(radius: float, *, normalise: bool) -> Callable[..., Any]:
        def product(omega: Any, outer: Any, batch: Any, direction: Any) -> Any:
            scale = optax.tree.norm(direction) if normalise else 1.0
            step = radius / jnp.maximum(scale, jnp.finfo(jnp.float32).tiny)
            upper, lower = (
                jax.grad(problem.inner_loss, argnums=1)(
                    omega + sign * step * direction, outer, batch
                )
                for sign in (1, -1)
            )
            return optax.tree.scale(0.5 / step, optax.tree.sub(upper, lower))

        return product

    sigma = _SPREAD * float(jnp.sqrt(jnp.mean(omega**2)))
    return {
        "exact": problem.mixed_product,
        "difference, 0.01/‖v‖": difference(1e-2, normalise=True),
        "difference, 1e-4": difference(1e-4, normalise=False),
        "exact, smoothed": hypergrad.smoothed_product(
            problem.mixed_product,
            jax.random.key(1),
            sigma=sigma,
            samples=_NEIGHBOURS,
        ),
    }


def _moved(omega: Any, layout: Any) -> Any:
    """ω with a constant added to the final velocity, in voxels at half resolution."""
    params = layout.to_tree(omega)
    head = params["velocity_half"]
    head = head | {"bias": head["bias"] + OFF_THE_GRID}
    return layout.to_vector(params | {"velocity_half": head})
