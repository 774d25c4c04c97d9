"""A model comes back from disk as it was, or is refused."""

import json
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax import inference
from autoreg_jax.errors import ArtifactError
from autoreg_jax.losses import PAPER_WEIGHTS
from autoreg_jax.networks import Wiring
from autoreg_jax.spatial import integrate, resize_displacement


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
    best = inference.refine(
        *images,
        out.velocity,
        dict(PAPER_WEIGHTS),
        num_iterations=1,
        learning_rate=1e-9,
        num_steps=steps,
        windows=about.windows,
        wiring=about.wiring,
        is_dimmed=about.is_dimmed,
    )
    np.testing.assert_allclose(best.displacement, full, rtol=1e-4, atol=1e-5)


def test_a_model_without_wiring_has_the_own_one(model, folder):
    file = folder / "model.json"
    content = json.loads(file.read_text()) | {"format": 1}
    for name in ("wiring", "is_dimmed"):
        del content[name]
    file.write_text(json.dumps(content))
    assert inference.load_model(folder).description == model.description


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
    with pytest.raises(ArtifactError, match="not of one model"):
        inference.register(*pair, model=folder)


def test_an_empty_folder_is_no_model(tmp_path):
    with pytest.raises(ArtifactError, match="training has finished"):
        inference.load_model(tmp_path)
