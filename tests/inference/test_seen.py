"""A pair that is unlike the images of the training is noticed."""

from dataclasses import replace

import numpy as np
import pytest

from autoreg_jax import inference
from autoreg_jax.errors import ArtifactError
from autoreg_jax.geometry import Volume
from autoreg_jax.inference import RegistrationModel, Seen

SPACING = (2.0, 1.0)


def images(*lengths):
    """One plane for each length, bright over so many voxels of either axis."""
    found = np.zeros((len(lengths), 40, 40, 1), np.float32)
    for image, length in zip(found, lengths, strict=True):
        image[3 : 3 + length, 5 : 5 + length] = 0.8
    return found


def sentences(seen, length, spacing=1.0):
    array = images(length)[0, ..., 0]
    volume = Volume(array, np.diag([spacing] * 2 + [1.0] * 2))
    return list(seen.doubts(volume, array, SPACING, "RA"))


def test_the_extent_is_in_millimetres_and_ignores_specks():
    planes = images(20, 30)
    planes[:, -1, -1] = 1
    seen = Seen.of(planes, SPACING)
    np.testing.assert_allclose(seen.extent, [(40, 60), (20, 30)])


def test_a_pair_of_another_size_or_resolution_is_noticed():
    seen = Seen.of(images(20, 24), SPACING)
    assert sentences(seen, 22) == sentences(seen, 28) == []
    for length in (12, 34):
        (found,) = sentences(seen, length)
        assert f"{2 * length} mm along R (40 to 48), {length} mm along A (20" in found
    (coarse,) = sentences(seen, 22, spacing=5.0)
    assert "5 mm, those of the training 2 mm" in coarse


def test_registration_with_a_model_warns(planes, plane_model, tmp_path):
    quiet = inference.register(*planes, model=plane_model, affine="none")
    seen = Seen(((300.0, 400.0),) * 2)
    about = replace(plane_model.description, seen=seen)
    folder = RegistrationModel(about, plane_model.params).save(tmp_path)
    loaded = inference.load_model(folder)
    assert loaded.description.seen == seen
    found = inference.register(*planes, model=loaded, affine="none")
    added = set(found.warnings) - set(quiet.warnings)
    assert len(added) == 1  # the sentence is the same for both unnamed images
    assert "It may not fit" in added.pop()


def test_included_models_have_names_and_cards():
    names = inference.included_models()
    for name in names:
        model = inference.load_model(name)
        assert model.description.seen is not None
        assert (model.path / "README.md").read_text(encoding="utf-8")
    with pytest.raises(ArtifactError, match="included") as error:
        inference.load_model("brian")
    assert all(name in str(error.value) for name in names)
