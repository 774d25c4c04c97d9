"""Each property of the published code, switched on alone, is seen where it acts."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from stand_in import SmallNetwork, programs_for, search
from unoptimised import QUICK
from weights import initial_weights

from autoreg_jax import config
from autoreg_jax.bilevel import PairBatch
from autoreg_jax.networks import RegistrationNetwork, Structure, Wiring
from autoreg_jax.programs import (
    Layout,
    Programs,
    _optimizers,
    _training,
    chosen_genotype,
    initial_alpha,
    initial_lambda,
    make_structure,
    make_wiring,
    network_family,
    on_device,
)
from autoreg_jax.programs._cohort import gather
from autoreg_jax.search_space import ArchitectureLogits, Genotype, decode
from autoreg_jax.workflows import Journal

# Unoptimised programs compile three times as fast.

WIRED = {
    "second_integration": "is_integrated_twice",
    "shared_head": "has_shared_head",
    "doubled_features": "has_doubled_features",
    "nominal_scale": "is_nominal",
    "zero_boundary": "is_zero_outside",
}
# Which tests below see the others.
SEEN = {
    "half_intensity_pyramid": "test_losses",
    "smoothness_weight": "test_losses",
    "smoothness_target": "test_losses",
    "summed_terms": "test_losses",
    "torch_start": "test_torch_start",
    "deformation_only": "test_fixed_feature_cells",
    "dilation_8": "test_fixed_feature_cells",
    "alpha_spread": "test_alpha_spread",
    "gradient_clip": "test_gradient_clip",
    "background_dice": "test_background_dice",
    "lam_descends": "test_a_search_with_the_quirks_of_the_published_one",
}


def test_none_is_left_out():
    names = {field.name for field in dataclasses.fields(config.QuirksConfig)}
    assert names == WIRED.keys() | SEEN.keys()
    assert set(SEEN.values()) <= globals().keys()


@pytest.fixture(scope="module")
def base(settings):
    """A few steps of the network of the paper."""
    return config.merge(settings, {"network": {"matching": None}})


def with_quirks(base, **quirks):
    return config.merge(base, {"quirks": quirks})


@pytest.mark.parametrize(("quirk", "attribute"), WIRED.items())
def test_wiring(base, quirk, attribute):
    """What each one does to the field is tested with the network."""
    on = with_quirks(base, **{quirk: True})
    assert make_wiring(base) == Wiring()
    assert make_wiring(on) == Wiring(**{attribute: True})
    assert network_family(on)(None).wiring == make_wiring(on)


def test_wiring_of_the_network_options(base):
    options = {
        "standardise": False,
        "feature_weights": "separate",
        "velocities": "replaced",
    }
    chosen = config.merge(base, {"network": options})
    assert make_wiring(chosen) == Wiring(
        is_standardised=False, has_separate_features=True
    )
    assert make_structure(chosen) == Structure(velocities="replaced")
    assert make_structure(base) == Structure()


@pytest.mark.slow
def test_losses(base):
    rng = np.random.default_rng(0)
    images = [jnp.asarray(rng.random((1, 16, 16, 1)), jnp.float32) for _ in range(2)]
    labels = [(image > 0.5).astype(jnp.float32) for image in images]
    batch, lam = PairBatch(*images, *labels), initial_lambda(base)
    genotype, alpha = Genotype.uniform("conv_1"), ArchitectureLogits.zeros()

    def of_problem(problem, *point):
        inner, outer, _ = problem.bilevel
        return inner(*point), outer(*point), problem.inner_terms(*point)[0]

    def losses(chosen, **quirks):
        """The inner loss, the outer loss, and the loss by which ω learns."""
        run = with_quirks(base, **quirks)
        network = None if chosen is None else SmallNetwork(chosen)
        omega = initial_weights(network or SmallNetwork(), 2, (0,))
        programs = Programs(run, 2, network=SmallNetwork)
        omega = programs.layout(network or programs.mixed).to_vector(omega)
        together = jax.jit(of_problem, static_argnums=0, compiler_options=QUICK)
        outer = alpha if chosen is None else lam
        return together(programs.plain_problem(network), omega, outer, batch)

    def moved(chosen, **quirks):
        pairs = zip(losses(chosen, **quirks), plain[chosen], strict=True)
        # Rounding may differ: they are different programs.
        return [not np.isclose(value, before, rtol=1e-5) for value, before in pairs]

    plain = {chosen: losses(chosen) for chosen in (None, genotype)}
    assert moved(None, half_intensity_pyramid=True) == [True, True, True]
    assert moved(genotype, half_intensity_pyramid=True) == [True, False, True]
    assert moved(None, summed_terms=True) == [True, False, False]
    assert moved(genotype, smoothness_weight=1e4) == [False, True, False]
    drawn = [
        losses(genotype, smoothness_weight=1e4, smoothness_target=target)[1]
        for target in (0.01, 0.02)
    ]
    assert drawn[0] != drawn[1]


def test_torch_start():
    network = RegistrationNetwork(Genotype.uniform("dil_conv_3"), 0.1)
    plain = initial_weights(network, 2, (0,))
    torch = initial_weights(network, 2, (0,), is_torch=True)
    for weights in (plain, torch):
        edge = weights["deformation_half"]["edge_0"]["dil_conv_3"]
        bound = 1 / np.sqrt(9 * edge["kernel"].shape[-2])
        assert (jnp.abs(edge["kernel"]).max() <= bound) == (weights is torch)
        assert (jnp.abs(edge["bias"]).max() > 0) == (weights is torch)
    kernels = np.concatenate([k.ravel() for k in jax.tree.leaves(torch)])
    assert np.all(np.isfinite(kernels))
    head = torch["velocity_half"]
    assert float(jnp.std(head["kernel"])) == pytest.approx(
        1 / np.sqrt(3 * 9 * head["kernel"].shape[-2]), rel=0.3
    )


def test_fixed_feature_cells(base):
    alpha = ArchitectureLogits(*np.random.default_rng(0).normal(size=(2, 2, 3, 8)))
    published = (
        ("conv_3", "sep_conv_5", "conv_5"),
        ("sep_conv_5", "dil_conv_3_8", "dil_conv_3_8"),
    )
    narrow = (published[0], ("sep_conv_5", "dil_conv_3", "dil_conv_3"))
    for quirks, feature in (
        ({}, decode(alpha).feature),
        ({"deformation_only": True}, narrow),
        ({"deformation_only": True, "dilation_8": True}, published),
    ):
        run = with_quirks(base, **quirks)
        chosen = chosen_genotype(run, alpha)
        assert chosen == Genotype(feature, decode(alpha).deformation)
        extractor = network_family(run)(None).extractor
        assert extractor == (feature if quirks else None)
        assert network_family(run)(chosen).extractor is None


def test_alpha_spread():
    assert not np.any(np.stack(initial_alpha(0.0, (0,))))
    drawn = np.stack(initial_alpha(1e-3, (0,)))
    assert np.std(drawn) == pytest.approx(1e-3, rel=0.2)
    np.testing.assert_array_equal(drawn, np.stack(initial_alpha(1e-3, (0,))))


@pytest.mark.parametrize("steps", ["absolute", "relative"])
def test_gradient_clip(steps):
    params = {"large": jnp.full((3,), 10.0), "small": jnp.full((2, 2), 0.5)}
    layout, vector = Layout(params), jnp.full((7,), 2.0)
    gradients = [jnp.full((7,), size) for size in (100.0, 0.1)]
    clip = optax.clip_by_global_norm(5.0)

    def second_update(gradients, clip):
        optimizer = _optimizers.make_omega_optimizer(1e-2, layout, steps, clip)
        state = optimizer.init(vector)
        for gradient in gradients:
            update, state = optimizer.update(gradient, state, vector)
        return update

    cut = [clip.update(gradient, clip.init(vector))[0] for gradient in gradients]
    found = second_update(gradients, 5.0)
    np.testing.assert_allclose(found, second_update(cut, 0.0), rtol=1e-6)
    assert jnp.abs(found - second_update(gradients, 0.0)).max() > 1e-4


def test_absolute_steps_are_those_of_adam():
    params = {"large": jnp.full((3,), 10.0), "small": jnp.full((2, 2), 0.5)}
    layout = Layout(params)
    optimizer = _optimizers.make_omega_optimizer(1e-2, layout, "absolute")
    vector, gradient = layout.to_vector(params), jnp.arange(1.0, 8.0)
    update, _ = optimizer.update(gradient, optimizer.init(vector), vector)
    np.testing.assert_allclose(update, -1e-2 * np.ones(7), rtol=1e-5)
    train = config.TrainConfig(steps=100, learning_rate=0.5, omega_steps="absolute")
    schedule = _training.training_schedule(train)
    assert [float(schedule(step)) for step in (0, 50, 99)] == [0.5] * 3


def test_background_dice(cohorts):
    cohort = on_device(cohorts[1], with_labels=True)
    pair = np.array([[0], [1]])
    tissue, everything = (
        gather(cohort, pair, 2, has_background=flag) for flag in (False, True)
    )
    np.testing.assert_array_equal(everything.fixed_labels[..., 1:], tissue.fixed_labels)
    assert everything.fixed_labels.shape[-1] == 3
    np.testing.assert_array_equal(jnp.sum(everything.fixed_labels, -1), 1)


@pytest.mark.slow
def test_a_search_with_the_quirks_of_the_published_one(base, cohorts, tmp_path):
    biases = []

    def observe(stage, step, state):
        if step == 0:
            layout = programs_for(run).layout(SmallNetwork())
            tree = layout.to_tree(np.asarray(state.omega)) if stage != "lam" else None
            biases.append(None if tree is None else tree["velocity_half"]["bias"])

    published = config.load("released_code").quirks
    stage = {"steps": 3, "warm_up": 2, "learning_rate": 1e-3}
    run = config.merge(
        base,
        {
            "search": {
                "deformation": stage,
                "lam": stage | {"omega_learning_rate": 2e-3},
                "omega_steps": "absolute",
                "lam_steps": "absolute",
                "omega_learning_rate": 1e-3,
                "hypergradient": {"name": "finite_difference"},
            },
            "quirks": dataclasses.asdict(published),
        },
    )
    journal = Journal(tmp_path, observe=observe)
    found = search(*cohorts[:2], run, journal=journal)
    assert {record["stage"] for record in found.records} == {"deformation", "lam"}
    assert np.any(biases[0])  # they start at zero, but not in PyTorch
    assert found.genotype.feature == network_family(run)(None).extractor
    start = found.records[0]["alpha"]["deformation"]
    assert 1e-4 < np.std(start) < 1e-2
    paths = [found.lam_start, *(r["lam"] for r in found.records if "lam" in r)]
    lam = np.array([list(values.values()) for values in paths])
    # The step of ω, from the warm-up on: the weight of the smoothness falls, the others
    # grow. The outer step comes on top in the third iteration alone.
    np.testing.assert_allclose(np.abs(lam[1] - lam[0]), 2e-3, rtol=1e-2)
    assert lam[1, 1] < lam[0, 1]
    assert lam[1, 0] > lam[0, 0]
    np.testing.assert_allclose(np.abs(lam[2] - lam[1]), 2e-3, rtol=0.5)
    assert np.abs(lam[3] - lam[2]).max() > 2.1e-3
    assert search(*cohorts[:2], run, run=tmp_path, resume=True).lam == found.lam
