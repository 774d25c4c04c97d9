"""The loss of both directions of a pair against that of each."""

from typing import Any

import jax
import numpy as np
import pytest
from stand_in import SmallNetwork, make_cohort
from unoptimised import quick

from autoreg_jax.baselines import NETWORKS
from autoreg_jax.bilevel import PairBatch, objective_problem
from autoreg_jax.config import TrainConfig
from autoreg_jax.errors import ConfigError
from autoreg_jax.losses import Objective, one_hot
from autoreg_jax.programs import _pair_loss

LAM = {"full": 1.0, "smooth": 2.0, "quarter": 0.5, "dice": 3.0, "landmarks": 2.0}
NETWORK: Any = SmallNetwork(genotype="any")
OBJECTIVE, BOTH = Objective(windows=(5, 3, 3)), TrainConfig(directions="both")


@pytest.fixture(scope="module")
def omega():
    rng = np.random.default_rng(0)
    shapes = NETWORK.init(None, np.zeros((1, 16, 16, 1)), None)["params"]
    return jax.tree.map(lambda x: rng.normal(0, 0.5, x.shape).astype("f"), shapes)


@pytest.fixture(scope="module")
def pair():
    """Two pairs with labels."""
    cohort = make_cohort(4, 5)
    labels = np.asarray(quick(one_hot, static_argnums=1)(cohort.labels, 3)[..., 1:])
    points = np.random.default_rng(1).uniform(0, 15, (2, 2, 3, 2)).astype("f")
    batch = PairBatch(cohort.images[:2], cohort.images[2:], labels[:2], labels[2:])
    return batch._replace(moving_landmarks=points[0], fixed_landmarks=points[1])


def _other_way(batch):
    moving, fixed = batch.moving_labels, batch.fixed_labels
    other = PairBatch(batch.fixed, batch.moving, fixed, moving)
    points = batch.fixed_landmarks, batch.moving_landmarks
    return other._replace(moving_landmarks=points[0], fixed_landmarks=points[1])


def test_both_directions_are_the_mean_of_each(omega, pair):
    both = quick(_pair_loss.pair_loss(NETWORK, OBJECTIVE, BOTH))
    one = quick(objective_problem(NETWORK, OBJECTIVE).inner_terms)
    loss, terms = both(omega, LAM, pair)
    parts = [one(omega, LAM, batch) for batch in (pair, _other_way(pair))]
    assert abs(parts[0][0] - parts[1][0]) > 1e-3
    np.testing.assert_allclose(
        loss, np.mean(np.array([part[0] for part in parts])), rtol=1e-5
    )
    for name, term in terms.items():
        mean = (parts[0][1][name] + parts[1][1][name]) / 2
        np.testing.assert_allclose(term, mean, rtol=1e-5, atol=1e-6)
    swapped, _ = both(omega, LAM, _other_way(pair))
    np.testing.assert_allclose(swapped, loss, rtol=1e-5)


def test_a_displacement_has_no_exact_inverse():
    inverse = TrainConfig(directions="inverse")
    with pytest.raises(ConfigError, match="VoxelMorph predicts a displacement"):
        _pair_loss.pair_loss(NETWORKS["voxelmorph"](7), OBJECTIVE, inverse)
    assert _pair_loss.has_inverse(NETWORKS["voxelmorph_diff"])


def test_the_inverse_is_compared_in_the_other_direction(omega, pair):
    """A network whose velocity has the other sign gives exp(-v)."""
    inverse = TrainConfig(directions="inverse")
    both = quick(_pair_loss.pair_loss(NETWORK, OBJECTIVE, inverse))
    network = NETWORK.apply

    @quick
    def parts(omega, other, batch):
        there, back = (
            network({"params": weights}, batch.moving, batch.fixed).displacements
            for weights in (omega, other)
        )
        known = {"labels": batch.labels, "landmarks": batch.landmarks}
        swapped = {name: sides[::-1] for name, sides in known.items()}
        return (
            OBJECTIVE(batch.fixed, batch.moving, there, LAM, **known)[0],
            OBJECTIVE(batch.moving, batch.fixed, back, LAM, **swapped)[0],
        )

    other = omega | {"head": jax.tree.map(np.negative, omega["head"])}
    other["velocity_half"] = jax.tree.map(np.negative, omega["velocity_half"])
    loss, _ = both(omega, LAM, pair)
    forth, back = parts(omega, other, pair)
    assert abs(forth - back) > 1e-3
    np.testing.assert_allclose(loss, (forth + back) / 2, rtol=1e-5)


def test_consistency_of_a_constant_velocity_is_its_length(omega, pair):
    """Both directions move by the same u, so the way there and back is 2 u inside."""
    still = jax.tree.map(np.zeros_like, omega)
    still["velocity_half"]["bias"] += np.array([0.01, 0.02], np.float32)
    network: Any = SmallNetwork(genotype="any", num_steps=0)
    both = quick(_pair_loss.pair_loss(network, OBJECTIVE, BOTH))
    _, terms = both(still, {"full": 1.0, "inverse_consistency": 1.0}, pair)
    voxels = 15 / 7 * np.array([0.01, 0.02])
    expected = float(np.sum((2 * voxels) ** 2))
    np.testing.assert_allclose(terms["inverse_consistency"], expected, rtol=1e-4)


def test_swapped_pairs_stand_behind_their_own(pair):
    both = quick(_pair_loss.with_swapped)(pair)
    np.testing.assert_array_equal(both.moving[0::2], pair.moving)
    np.testing.assert_array_equal(both.moving[1::2], pair.fixed)
    np.testing.assert_array_equal(both.fixed_labels[1::2], pair.moving_labels)
    np.testing.assert_array_equal(both.moving_landmarks[1::2], pair.fixed_landmarks)
