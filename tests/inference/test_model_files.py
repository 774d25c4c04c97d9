"""A model comes back from disk as it was, or is refused."""

import json
from dataclasses import replace
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax import inference
from autoreg_jax.errors import ArtifactError
from autoreg_jax.inference import ModelDescription
from autoreg_jax.networks import Registration, Structure, Wiring
from autoreg_jax.search_space import Genotype
from autoreg_jax.spatial import Pyramid, half_shape, integrate, resize_displacement


@pytest.fixture
def folder(model, tmp_path):
    return model.save(tmp_path / "run" / "model")


def test_round_trip(model, folder, pair):
    images = [jnp.asarray(v.array / 100)[None, ..., None] for v in pair]
    for path in (folder, folder.parent, str(folder)):
        loaded = inference.load_model(path)
        assert loaded.description == model.description
        assert loaded.path == folder
    expected, found = model(*images), loaded(*images)
    np.testing.assert_array_equal(found.velocity, expected.velocity)
    assert sorted(p.name for p in folder.iterdir()) == ["model.json", "weights.npz"]


def test_wiring_comes_back_and_is_used(plane_model, tmp_path):
    twice = Wiring(is_integrated_twice=True, is_nominal=True, has_shared_head=True)
    about = replace(plane_model.description, wiring=twice, is_dimmed=True)
    weights = {k: v for k, v in plane_model.params.items() if k != "velocity_quarter"}
    saved = inference.RegistrationModel(about, weights).save(tmp_path / "model")
    loaded = inference.load_model(saved)
    assert loaded.description == about
    rng = np.random.default_rng(0)
    images = [jnp.asarray(rng.random((1, 16, 12, 1)), jnp.float32) for _ in range(2)]
    out = loaded(*images)
    half, steps = integrate(out.velocity, about.num_steps), about.num_steps
    once = resize_displacement(half, (16, 12), is_nominal=True)
    full = integrate(once, steps)
    np.testing.assert_allclose(out.displacements.full, full, rtol=1e-4, atol=1e-5)
    assert float(jnp.abs(full - once).max()) > 1e-2
    # A refinement begins with the field of the network, not with half of it.
    best = loaded.refine(*images, steps=1, learning_rate=1e-9)
    coarse = resize_displacement(full, (8, 6))
    expected = resize_displacement(coarse, (16, 12))
    np.testing.assert_allclose(best.displacement, expected, rtol=1e-4, atol=1e-5)


class Shift(nn.Module):
    """A network of one's own: everything moves by two voxels of full resolution."""

    @nn.compact
    def __call__(self, moving, fixed):
        del fixed
        shift = self.param("shift", nn.initializers.ones, (moving.ndim - 2,))
        space = moving.shape[1:-1]
        shapes = space, half_shape(space), half_shape(half_shape(space))
        fields = [
            jnp.broadcast_to(shift * 2.0 / 2**i, (1, *shape, len(space)))
            for i, shape in enumerate(shapes)
        ]
        return Registration(fields[1], Pyramid(*fields))


def test_a_network_of_ones_own(planes, plane_model, tmp_path):
    about = replace(plane_model.description, genotype="Shift")
    with pytest.raises(ArtifactError, match=r"'Shift'.*network="):
        inference.RegistrationModel(about, {"shift": np.ones(2)})
    model = inference.RegistrationModel(
        about, {"shift": np.ones(2, np.float32)}, network=Shift()
    )
    folder = model.save(tmp_path / "model")
    with pytest.raises(ArtifactError, match=r"'Shift'.*network="):
        inference.load_model(folder)
    loaded = inference.load_model(folder, network=Shift())
    assert loaded.description == about
    found = inference.register(*planes, model=loaded, affine="none")
    # Two voxels of 2 mm.
    np.testing.assert_allclose(found.displacement_mm[..., :2], 4.0, rtol=1e-6)
    refined = inference.register(*planes, model=loaded, affine="none", refine=5)
    assert refined.similarity > found.similarity


def test_smoothness_is_that_of_all_similarities(model):
    def smoothness(**lam):
        return replace(model.description, lam=lam).smoothness

    code = {"full": 10.0, "smooth": 15.0, "half": 3.2, "quarter": 0.8}
    assert smoothness(**code) == pytest.approx(1.0)
    other = {"ncc_full": 10.0, "mind_half": 3.0, "eighth": 1.0, "dice": 9.0}
    still = {"full": 0.0, "half": 0.0, "quarter": 0.0}
    assert smoothness(smooth=30.0, **still, **other) == pytest.approx(2.0)
    assert smoothness(smooth=30.0, **still, dice=9.0) == 1.0
    assert smoothness(**code | {"smooth": 0.0}) == 0.0


def test_an_unknown_word_in_a_structure_is_refused(folder):
    file = folder / "model.json"
    content = json.loads(file.read_text())
    content["structure"]["velocities"] = "doubled"
    file.write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match=r"velocities must be one of .*'doubled'"):
        inference.load_model(folder)


def test_a_model_without_wiring_has_the_default_one(model, folder):
    file = folder / "model.json"
    content = json.loads(file.read_text()) | {"format": 1}
    for name in ("wiring", "is_dimmed", "structure"):
        del content[name]
    file.write_text(json.dumps(content))
    assert inference.load_model(folder).description == model.description


def test_an_earlier_format_says_in_its_wiring_how_velocities_are_joined(model, folder):
    file = folder / "model.json"
    content = json.loads(file.read_text()) | {"format": 2}
    del content["structure"]
    content["wiring"]["has_summed_velocities"] = False
    file.write_text(json.dumps(content))
    older = inference.load_model(folder).description
    assert older == replace(
        model.description, structure=Structure(velocities="replaced")
    )


def test_a_refinement_begins_with_the_composition(plane_model):
    about = replace(plane_model.description, structure=Structure(velocities="composed"))
    model = inference.RegistrationModel(about, plane_model.params)
    rng = np.random.default_rng(0)
    images = [jnp.asarray(rng.random((1, 16, 12, 1)), jnp.float32) for _ in range(2)]
    out = model(*images)
    assert [v.shape for v in out.coarser] == [(1, 4, 3, 2)]
    full = out.displacements.full
    given = model.refine(*images, model.start(out), steps=1, learning_rate=1e-9)
    np.testing.assert_allclose(given.displacement, full, rtol=1e-4, atol=1e-5)
    best = model.refine(*images, steps=1, learning_rate=1e-9)
    np.testing.assert_array_equal(best.displacement, given.displacement)


def test_a_refinement_takes_a_displacement_of_any_grid(plane_model):
    image, start = jnp.zeros((1, 16, 12, 1)), jnp.zeros((1, 7, 12, 2))
    refine = partial(plane_model.refine, steps=1)
    found = jax.eval_shape(refine, image, image, start)
    assert found.velocity.shape == (1, 8, 6, 2)
    assert found.displacement.shape == (1, 16, 12, 2)


def test_a_pyramid_comes_back(model, tmp_path):
    structure = Structure(
        scales=4, feature_channels=(8,), iterations=(2, 1), resolution="full"
    )
    genotype = Genotype.uniform("conv_3", structure.cells)
    about = replace(
        model.description, genotype=genotype, structure=structure, matching=(1,)
    )
    about.write(tmp_path / "model.json")
    assert ModelDescription.read(tmp_path / "model.json") == about


def test_saving_again_replaces(model, still_model, folder):
    still_model.save(folder)
    weights = inference.load_model(folder).params["velocity_half"]["kernel"]
    assert not np.any(weights)


def damage(folder, name):
    file = folder / ("weights.npz" if "weights" in name else "model.json")
    if name.startswith("missing"):
        file.unlink()
    elif name == "truncated weights":
        file.write_bytes(file.read_bytes()[:-200])
    elif name == "other format":
        content = json.loads(file.read_text()) | {"format": 99}
        file.write_text(json.dumps(content))
    elif name == "unknown operation":
        file.write_text(file.read_text().replace("conv_3", "conv_4"))
    elif name == "additional entry":
        file.write_text(json.dumps(json.loads(file.read_text()) | {"depth": 3}))
    else:
        file.write_text("[1, 2]")


@pytest.mark.parametrize(
    "name",
    [
        "missing weights",
        "missing description",
        "truncated weights",
        "other format",
        "unknown operation",
        "additional entry",
        "a list",
    ],
)
def test_damaged_models_are_refused(folder, name):
    damage(folder, name)
    with pytest.raises(ArtifactError, match="model"):
        inference.load_model(folder)


def test_weights_of_another_network_are_refused(folder, pair):
    file = folder / "model.json"
    content = json.loads(file.read_text()) | {"width": 0.3}
    file.write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match="do not fit"):
        inference.register(*pair, model=folder)


def test_an_empty_folder_is_no_model(tmp_path):
    with pytest.raises(ArtifactError, match="training has finished"):
        inference.load_model(tmp_path)
