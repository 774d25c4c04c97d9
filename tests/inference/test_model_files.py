"""A model comes back from disk as it was, or is refused."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax import inference
from autoreg_jax.errors import ArtifactError


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
