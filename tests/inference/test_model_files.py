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
    # The model of the other tests may have been compiled with other flags.
    expected, found = replace(model)(*images), loaded(*images)
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


def edit(folder, change, version=4):
    """Change the description of a model of an earlier format, without digests."""
    file = folder / "model.json"
    content = json.loads(file.read_text()) | {"format": version}
    for name in ("sha256", "weights_sha256"):
        content.pop(name, None)
    change(content)
    file.write_text(json.dumps(content))


def test_an_unknown_word_in_a_structure_is_refused(folder):
    edit(folder, lambda content: content["structure"].update(velocities="doubled"))
    with pytest.raises(ArtifactError, match=r"velocities: must be one of .*'doubled'"):
        inference.load_model(folder)


def test_a_model_without_wiring_has_the_default_one(model, folder):
    def change(content):
        for name in ("wiring", "is_dimmed", "structure"):
            del content[name]

    edit(folder, change, 1)
    assert inference.load_model(folder).description == model.description


def test_an_earlier_format_says_in_its_wiring_how_velocities_are_joined(model, folder):
    def change(content):
        del content["structure"]
        content["wiring"]["has_summed_velocities"] = False

    edit(folder, change, 2)
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
    folder = inference.RegistrationModel(about, model.params).save(tmp_path / "model")
    assert inference.load_model(folder).description == about


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
    edit(folder, lambda content: content.update(width=0.3))
    with pytest.raises(ArtifactError, match="do not fit"):
        inference.register(*pair, model=folder)


def test_an_empty_folder_is_no_model(tmp_path):
    with pytest.raises(ArtifactError, match="training has finished"):
        inference.load_model(tmp_path)


# Edits of model.json: the entry, its new value, what the message says of it in a file
# without digests; None where such a file cannot know better.
EDITS = {
    "squarings": ("num_steps", 6, None),
    "too many squarings": ("num_steps", 40, "num_steps: must be 1 to 12"),
    "squarings as text": ("num_steps", "4", "num_steps: must be a whole number"),
    "half a squaring": ("num_steps", 4.5, "num_steps: must be a whole number"),
    "yes for a number": ("num_steps", True, "num_steps: must be a whole number"),
    "another orientation": ("orientation", "LAS", None),
    "an axis twice": ("orientation", "RRS", "orientation: must name different axes"),
    "no letters": ("orientation", "", "orientation: must name different axes"),
    "no orientation": ("orientation", 3, "orientation: must be text"),
    "negative voxels": ("spacing", [2.0, -2.0, 2.0], "spacing: must be two or three"),
    "voxels without size": ("spacing", [0.0, 2.0, 2.0], "spacing: must be two or"),
    "infinite voxels": ("spacing", [2.0, 2.0, 1e999], "not a number of JSON"),
    "four axes": ("spacing", [2.0] * 4, "must name different axes"),
    "spacing as a number": ("spacing", 2.0, "spacing: must be a list"),
    "a misspelt rule": ("intensity", {"rule": "percenTile"}, "rule: must be one of"),
    "percentiles upside down": ("intensity", {"low": 99.0, "high": 1.0}, "high: must"),
    "intensity of the future": ("intensity", {"gamma": 2.0}, "gamma: unknown name"),
    "NaN in λ": ("lam", {"full": float("nan")}, "NaN is not a number"),
    "text in λ": ("lam", {"full": "much"}, "lam.full: must be a number"),
    "not finite by text": ("lam", {"full": "inf"}, "lam: must be finite"),
    "λ as a list": ("lam", [1.0], "lam: must be names and values"),
    "an unknown similarity": ("similarity", "ssd", "similarity: must be one of ncc"),
    "an unknown loss": ("loss_similarity", "ssd", "loss_similarity: must be one of"),
    "an even number of windows": ("windows", [5, 3], "windows: must be a list of 3"),
    "no window": ("windows", [5, 3, 0], "windows: must be 1 or more"),
    "no width": ("width", 0.0, "width: must be above 0"),
    "huge matching": ("matching", [1000], "matching: must be radii"),
    "wiring of the future": ("wiring", {"is_folded": True}, "is_folded: unknown name"),
    "a word for yes": ("wiring", {"is_nominal": "yes"}, "is_nominal: must be true"),
    "seven scales": ("structure", {"scales": 7}, "scales must be 1 to"),
    "no genotype": ("genotype", {"format": 2}, "not a genotype"),
    "no text for a genotype": ("genotype", 5, "genotype"),
    "too deep": ("seen", json.loads("[" * 70 + "]" * 70), "more than 64 levels"),
    "seen as words": ("seen", {"extent": "large"}, "extent: must be a list"),
    "an entry of the future": ("depth", 3, "depth: unknown; install the version"),
    "another format": ("format", 99, "model format 99"),
    "a format as words": ("format", True, "model format True"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_description_is_refused_in_a_sentence(folder, name):
    entry, value, words = EDITS[name]
    file = folder / "model.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {entry: value}))
    with pytest.raises(ArtifactError) as caught:
        inference.load_model(folder)
    assert str(file.parent) in str(caught.value)
    assert "\n" not in str(caught.value)
    edit(folder, lambda content: content.update({entry: value}))
    if words is None:
        inference.load_model(folder)
        return
    with pytest.raises(ArtifactError, match=words) as caught:
        inference.load_model(folder)
    assert "\n" not in str(caught.value)


def test_weights_of_another_model_of_the_same_shapes_are_refused(
    model, folder, tmp_path
):
    other = jax.tree.map(lambda leaf: leaf * 1.01, model.params)
    other = replace(model, params=other).save(tmp_path / "other")
    weights = (other / "weights.npz").read_bytes()
    (folder / "weights.npz").write_bytes(weights)
    with pytest.raises(ArtifactError, match=r"weights\.npz: are not the weights"):
        inference.load_model(folder)
    # Exchanged with its description, it is the other model.
    (folder / "model.json").write_bytes((other / "model.json").read_bytes())
    assert inference.load_model(folder).digest == inference.load_model(other).digest


@pytest.mark.parametrize("value", [1e30, -1e7, np.nan, np.inf])
def test_one_useless_weight_is_found(model, tmp_path, value):
    leaves, tree = jax.tree.flatten(model.params)
    leaves = [np.array(leaf) for leaf in leaves]
    leaves[-1].flat[0] = value
    damaged = replace(model, params=jax.tree.unflatten(tree, leaves))
    folder = damaged.save(tmp_path / "model")
    with pytest.raises(ArtifactError, match=r"the weights \S+ have the value"):
        inference.load_model(folder)


@pytest.mark.parametrize("name", ["model.json", "weights.npz"])
@pytest.mark.parametrize("content", [b"", b"\0" * 512, b"\xff\xfe", b"PK\3\4", b"{"])
def test_files_that_were_never_written_are_refused(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=r"cannot be read|was changed") as caught:
        inference.load_model(folder)
    assert "\n" not in str(caught.value)
    if name == "weights.npz":
        with pytest.raises(ArtifactError, match=r"weights\.npz: cannot be read"):
            inference.stored_digest(folder.parent)


def test_included_models_of_an_earlier_format_are_read():
    about = inference.load_model("brain").description
    assert (about.num_steps, about.orientation, about.spacing) == (7, "RAS", (2.0,) * 3)
    assert about.seen.extent[0] == (132.0, 144.0)
    assert about.lam["smooth"] == 15.0
