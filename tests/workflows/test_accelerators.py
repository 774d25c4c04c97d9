"""What a TPU and a GPU would be given: every program, lowered but not compiled.

Counted are operations that are slow there or must not be there at all: calls of the
host, double precision, gathers, and transposes of images into phases.
"""

import re
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
import pytest

from autoreg_jax import config, hypergrad
from autoreg_jax.alignment import _optimise, _similarity
from autoreg_jax.bilevel import PairBatch, make_search
from autoreg_jax.inference.optimisation import _classical, _level
from autoreg_jax.losses import PAPER_WEIGHTS, SIMILARITIES
from autoreg_jax.networks import RegistrationNetwork
from autoreg_jax.programs import Programs
from autoreg_jax.search_space import CANDIDATES, ArchitectureLogits, Genotype

SPACE = (12, 10, 8)
# One candidate, so that tracing takes seconds; the discrete network has others.
ROWS = tuple(row for row in CANDIDATES if row.name == "conv_3")
SETTINGS = {
    "network": {"width": 0.1, "num_steps": 3},
    "objective": {"windows": [5, 3, 3]},
}
GENOTYPE = Genotype(
    (("conv_3", "dil_conv_5", "sep_conv_3"),) * 2, (("conv_1", "conv_3", "conv_3"),) * 2
)


def network_of(genotype):
    return RegistrationNetwork(
        genotype,
        width=0.1,
        num_steps=3,
        matching=(1, 1),
        candidates=CANDIDATES if genotype else ROWS,
    )


PROGRAMS = Programs(
    config.merge(config.RunConfig(), SETTINGS), len(SPACE), network=network_of
)


def of_shape(*shape) -> Any:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def weights_of(network):
    layout = PROGRAMS.layout(network)
    return jax.eval_shape(layout.to_vector, layout.shapes)


IMAGE = of_shape(2, *SPACE, 1)
BATCH = PairBatch(IMAGE, IMAGE)


def search_step(problem, omega, outer, train, valid):
    """A whole iteration of the search."""
    algorithm = make_search(
        problem,
        hypergrad.one_step_unroll(),
        hypergrad.gradient_descent(0.1),
        optax.adam(1e-3),
        optax.adam(1e-3),
    )
    state = algorithm.init(omega, outer)
    owned = jax.tree.map(jnp.ones_like, outer)
    state, outer_info = algorithm.outer_step(state, train, valid, owned)
    state, inner_info = algorithm.inner_step(state, train)
    return state, outer_info, inner_info


def searching_alpha():
    problem = PROGRAMS.plain_problem()
    alpha = ArchitectureLogits.zeros(ROWS)
    step = jax.jit(partial(search_step, problem))
    return [step.trace(weights_of(PROGRAMS.mixed), alpha, BATCH, BATCH)]


def searching_lambda():
    """Its step of ω is that of a training."""
    network = network_of(GENOTYPE)
    problem = PROGRAMS.plain_problem(network)
    lam = {name: of_shape() for name in PAPER_WEIGHTS}
    step = jax.jit(partial(search_step, problem))
    labels = of_shape(2, *SPACE, 3)
    batch = BATCH._replace(moving_labels=labels, fixed_labels=labels)
    return [step.trace(weights_of(network), lam, batch, batch)]


def registering():
    """The network, and what registers without one or after it, in both steps."""
    network, ndim = network_of(GENOTYPE), len(SPACE)
    weights = PROGRAMS.layout(network).shapes
    predict = jax.jit(lambda w, *images: network.apply({"params": w}, *images))
    image = of_shape(1, *SPACE, 1)
    half = of_shape(1, *(-(-n // 2) for n in SPACE), ndim)
    steps = {"num_iterations": 3, "learning_rate": 0.1, "smoothness": of_shape()}
    steps["similarity"] = SIMILARITIES["ncc"]
    plain = _level.Level(image, image, None, None, None, of_shape(ndim))
    begun = plain._replace(start=half)
    points, matrix = of_shape(32), of_shape(ndim + 1, ndim + 1)
    cloud = _similarity.Level(
        of_shape(32, ndim), points, points, points, of_shape(*SPACE, 2), matrix
    )
    directions = of_shape(12, ndim + 1, ndim + 1)
    return [
        predict.trace(weights, image, image),
        _classical._search.trace(plain, half, **steps),
        _classical._search.trace(begun, half, **steps),
        _level.displacements.trace(half, half, SPACE),
        _optimise.optimise.trace(cloud, matrix, directions, of_shape(), metric="mi"),
        _similarity.initial_losses.trace(cloud, of_shape(4, ndim + 1, ndim + 1), "ncc"),
        _similarity.quality.trace(cloud, matrix),
    ]


@pytest.mark.parametrize(
    ("programs", "platforms", "gathers", "transposes"),
    [
        pytest.param(searching_alpha, ("tpu",), 70, 88, marks=pytest.mark.slow),
        pytest.param(searching_lambda, ("cuda",), 64, 79, marks=pytest.mark.slow),
        (registering, ("tpu", "cuda"), 53, 11),
    ],
)
def test_programs_of_accelerators(programs, platforms, gathers, transposes):
    """No more gathers and transposes than there are now."""
    lowered = [t.lower(lowering_platforms=platforms) for t in programs()]
    text = "\n".join(module.as_text() for module in lowered)
    assert "callback" not in text
    assert "f64" not in text
    assert text.count('"stablehlo.gather"') <= gathers
    moved = re.findall(r"stablehlo\.transpose .*-> tensor<([0-9x]+)xf32>", text)
    assert len(moved) <= transposes, len(moved)
    # Phases of a stride would have two axes for each of the image, and channels.
    assert all(shape.count("x") < 2 * len(SPACE) + 2 for shape in moved)
