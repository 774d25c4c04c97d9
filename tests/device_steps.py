"""Networks, searches and trainings of few voxels, on the arrays of `device_calls`."""

from functools import partial

import jax
import optax
from stand_in import SmallNetwork

from autoreg_jax import bilevel, hypergrad, losses, networks, search_space, training


def pair_batch(a):
    return bilevel.PairBatch(
        a["moving"],
        a["fixed"],
        moving_labels=a["other_onehot"],
        fixed_labels=a["onehot"],
        moving_landmarks=a["points"],
        fixed_landmarks=a["more_points"],
    )


def _network(genotype, **fields):
    """Cells of one edge: what happens between them does not depend on more."""
    structure = networks.Structure(feature_edges=1, deformation_channels=(4,))
    return networks.RegistrationNetwork(
        genotype, 0.1, 1, matching=(1, 1), structure=structure, **fields
    )


def told(a):
    """Weights, fields and their inverse of a network that is told two numbers."""
    genotype = search_space.Genotype.uniform(
        "dil_conv_3", _network(None).structure.cells
    )
    network = _network(genotype, conditions=2)
    found, variables = network.init_with_output(
        jax.random.key(0), a["moving"], a["fixed"]
    )
    told = network.apply(variables, a["moving"], a["fixed"], condition=a["centre"])
    back = networks.inverse_displacements(found, a["u"].shape[1:-1], 1, network.wiring)
    fields = networks.composed([a["u_quarter"], told.velocity], 1, network.wiring)
    return variables, found, told, back, fields


def mixed(a):
    """Variables and fields of a network that mixes all operations."""
    network = _network(None, is_normalised=True)
    alpha = search_space.ArchitectureLogits.zeros(cells=network.structure.cells)
    images = a["moving"], a["fixed"]
    found, variables = network.init_with_output(jax.random.key(0), *images, alpha)
    return variables, found


def searched(a, kind):
    """A step of α or of λ with both losses over two pairs, by gradient descent."""
    batch, network = pair_batch(a), SmallNetwork()
    objective = losses.Objective(windows=(3, 3, 3))
    lam = {"full": a["scalar"], "smooth": a["scalar"]}
    outer = search_space.ArchitectureLogits.zeros()
    problem = bilevel.architecture_problem(network, objective, lam)
    if kind == "lam":
        outer, network = lam, SmallNetwork(search_space.Genotype.uniform("conv_3"))
        problem = bilevel.objective_problem(network, objective)
    optimizer = optax.sgd(0.1)
    algorithm = bilevel.make_search(
        bilevel.over_pairs(problem, is_scanned=True),
        hypergrad.one_step_unroll(),
        hypergrad.gradient_descent(0.1),
        optimizer,
        optimizer,
    )
    omega = jax.tree.map(
        lambda leaf: leaf.astype(a["u"].dtype),
        network.init(None, batch.moving, batch.fixed)["params"],
    )
    state = algorithm.init(omega, outer)
    ones = jax.tree.map(jax.numpy.ones_like, outer)
    state, info = algorithm.outer_step(state, batch, (batch, batch), ones)
    return state.omega, state.outer, info, algorithm.inner_step(state, batch)


def trained(a):
    """A step, if it is taken, of a training that keeps averages and the best."""
    objective = losses.Objective(windows=(3, 3, 3))

    def loss(displacement, batch):
        found = dict(zip(("full", "half"), displacement, strict=True))
        return objective(batch.fixed, batch.moving, found, {"full": 2, "half": 1.0})

    algorithm = training.make_training(
        loss,
        training.watched(training.scalable(optax.sgd(0.1, momentum=0.9))),
        partial(training.moved_average, decay=0.9),
        keeps_best=True,
    )
    before = training.lowered(algorithm.init((a["u"], a["u_half"])), 0.5)
    state, info = algorithm.step(before, pair_batch(a))
    state, guarded = training.checked_step(before, state, info, most_times=10.0)
    best = training.better(state.best, state.params, info.loss, state.step)
    return state.replace(best=best), guarded
