"""One model under many smoothnesses, and an optimisation under a factor."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from unoptimised import quick

from autoreg_jax import inference
from autoreg_jax.errors import ArtifactError, ConfigError
from autoreg_jax.inference import _estimate, _model
from autoreg_jax.inference.optimisation import _classical
from autoreg_jax.networks import Conditions, RegistrationNetwork, Structure
from autoreg_jax.programs import initial_vector, layout_of
from autoreg_jax.search_space import Genotype

TINY = Structure(
    scales=2,
    encoder="pooled",
    feature_channels=(4,),
    feature_edges=1,
    deformation_channels=(4,),
    has_context=False,
    velocities="composed",
)
GENOTYPE = Genotype((("conv_3",),), (("conv_3",), ("conv_3",)))


@pytest.fixture(scope="module")
def told(plane_model):
    """A model of planes that is told its smoothness; the last kernels are large."""
    network = RegistrationNetwork(GENOTYPE, num_steps=2, structure=TINY, conditions=1)
    layout = layout_of(network, 2)
    params = layout.to_tree(np.asarray(initial_vector(network, 2, layout, (0,))))
    rng = np.random.default_rng(0)
    for name in params:
        if name.startswith(("condition", "velocity")):
            last = params[name].get("out", params[name])
            last["kernel"] = rng.normal(0, 0.1, last["kernel"].shape).astype("f")
    about = replace(
        plane_model.description,
        genotype=GENOTYPE,
        structure=TINY,
        width=1.0,
        num_steps=2,
        conditions=Conditions(("smooth",), 10.0),
    )
    return inference.RegistrationModel(about, params)


@pytest.fixture
def images(planes):
    arrays = [p.array for p in planes]
    return [jnp.asarray(a / a.max())[None, ..., None] for a in arrays]


def test_a_factor_is_its_logarithm_to_the_network(told, images):
    plain, same = told(*images), told.with_smoothness(1.0)(*images)
    np.testing.assert_array_equal(plain.displacements.full, same.displacements.full)
    apply = quick(
        lambda number: (
            told.network.apply(
                {"params": told.params},
                *images,
                condition=jnp.asarray(number, jnp.float32),
            ).displacements.full
        )
    )
    full = told.with_smoothness(0.2)(*images).displacements.full
    np.testing.assert_allclose(full, apply(np.log([0.2])), atol=1e-4)
    np.testing.assert_allclose(plain.displacements.full, apply([0.0]), atol=1e-4)
    assert np.abs(full - plain.displacements.full).max() > 0.01


def test_all_factors_and_models_of_equal_networks_share_one_program(told, images):
    told(*images)
    count = _model._predict._cache_size()
    for factor in (0.1, 1.0, 10.0):
        told.with_smoothness(factor)(*images)
    zero = replace(told, params=jax.tree.map(np.zeros_like, told.params))
    assert not np.any(zero(*images).displacements.full)
    assert _model._predict._cache_size() == count


def test_a_stored_model_registers_bit_for_bit(told, planes, tmp_path):
    loaded = inference.load_model(told.save(tmp_path / "model"))
    assert loaded.description == told.description
    options = {"affine": "none", "smoothness": 3.0}
    one, other = (
        inference.register(*planes, model=model, **options) for model in (told, loaded)
    )
    np.testing.assert_array_equal(one.displacement_mm, other.displacement_mm)
    usual = inference.register(*planes, model=loaded, affine="none")
    assert np.abs(usual.displacement_mm - one.displacement_mm).max() > 0.01
    assert (one.summary()["smoothness"], usual.smoothness) == (3.0, 1.0)
    again = inference.register(
        *planes, model=loaded.with_smoothness(3.0), affine="none"
    )
    np.testing.assert_array_equal(one.displacement_mm, again.displacement_mm)
    assert again.smoothness == 3.0


@pytest.fixture
def weights(monkeypatch):
    """The weights of the roughness with which refinements are asked for."""
    found = []

    def note(moving, fixed, spacing, *, smoothness, **others):
        assert others["num_iterations"] == 3
        found.append(smoothness)
        still = jnp.zeros((*fixed.shape[:-1], len(spacing)))
        return _classical.Refined(moving, still, jnp.zeros(()), jnp.zeros(()))

    for module in (_model, _estimate):
        monkeypatch.setattr(module, "register_pair", note)
    return found


def test_a_refinement_takes_the_factor_once(told, plane_model, planes, images, weights):
    usual = _classical.SMOOTHNESS * told.description.smoothness
    told.refine(*images, steps=3)
    told.with_smoothness(4.0).refine(*images, steps=3)
    told.with_smoothness(4.0).refine(*images, steps=3, smoothness=0.5)
    options = {"affine": "none", "refine": 3}
    inference.register(*planes, model=told, **options, smoothness=4.0)
    # A network for one smoothness leaves it to the refinement, whatever the factor.
    inference.register(*planes, model=plane_model, **options, smoothness=50.0)
    inference.register(*planes, model=plane_model, **options)
    assert weights == pytest.approx([usual * f for f in (1, 4, 0.5, 4, 50, 1)])


def test_without_a_model_the_optimisation_takes_the_factor(planes, weights):
    options = {"affine": "none", "refine": 3}
    for factor in (None, 1.0, 1000.0):
        inference.register(*planes, **options, smoothness=factor)
    assert weights == [_classical.SMOOTHNESS * f for f in (1, 1, 1000)]


def test_what_no_smoothness_can_change_is_refused(told, plane_model, planes):
    register = inference.register
    with pytest.raises(ConfigError, match=r"smooth must be from 0\.1 to 10,.*got 30"):
        register(*planes, model=told, smoothness=30.0, affine="none")
    with pytest.raises(ConfigError, match=r"one smoothness alone; .*conditions=\[smoo"):
        register(*planes, model=plane_model, smoothness=2.0, affine="none")
    with pytest.raises(ConfigError, match="an alignment alone has none"):
        register(*planes, affine="rigid", smoothness=2.0)
    for factor in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ConfigError, match="smoothness: must be a factor above 0"):
            register(*planes, refine=5, smoothness=factor)


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ({"terms": ["bending"], "range": 10.0}, "weight in lam above 0"),
        ({"terms": [], "range": 10.0}, "conditions.terms: must be a list of one or"),
        ({"terms": ["smooth"], "range": 0.5}, "condition_range: must be a factor"),
        ({"terms": ["smooth"], "size": 3}, "size: unknown name"),
        ("smooth", "conditions"),
    ],
)
def test_a_damaged_description_is_refused(told, tmp_path, conditions, words):
    folder = told.save(tmp_path / "model")
    content = json.loads((folder / "model.json").read_text())
    # In format 4 there are no digests.
    content = {k: v for k, v in content.items() if "sha256" not in k}
    content |= {"format": 4, "conditions": conditions}
    (folder / "model.json").write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match=words):
        inference.load_model(folder)


def test_a_network_of_ones_own_is_told_if_it_can_be(told):
    about = replace(told.description, genotype="Own")
    own = RegistrationNetwork(GENOTYPE, num_steps=2, structure=TINY)
    model = inference.RegistrationModel(about, told.params, network=own)
    assert model.network.conditions == 1
    with pytest.raises(ArtifactError, match="has no field `conditions`"):
        inference.RegistrationModel(about, told.params, network=jax.nn)
