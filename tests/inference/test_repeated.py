"""Other registrations of a pair: closed forms, what is written, what is unusual."""

import json
from dataclasses import replace

import nibabel
import numpy as np
import pytest

from autoreg_jax import inference
from autoreg_jax.errors import ArtifactError, ConfigError
from autoreg_jax.inference import RegistrationModel, Trust
from autoreg_jax.inference.trust import Done, Usual, done, there_and_back

SPACING = (2.0, 1.0, 3.0)
WIDE = Usual((0.0, 100.0), (0.0, 9.0), (0.0, 9.0), (0.0, 100.0))
NARROW = Usual((0.0, 1e-3), (0.0, 9.0), (0.0, 9.0), (0.0, 100.0))


def field(*vector):
    return np.full((6, 5, 4, 3), vector, np.float32)


def test_a_shift_comes_back_or_misses_by_its_length():
    there = field(1.0, -2.0, 0.5)
    np.testing.assert_allclose(there_and_back(there, -there, SPACING), 0, atol=1e-6)
    missed = there_and_back(there, 0 * there, SPACING)
    np.testing.assert_allclose(missed, np.linalg.norm((2.0, 2.0, 1.5)), rtol=1e-6)


def test_the_way_back_is_looked_up_where_the_voxel_went():
    """x + a x comes back by - a / (1 + a) y, which differs from - a y."""
    x = np.moveaxis(np.indices((12, 11, 10)), 0, -1).astype(np.float32)
    inner = (slice(0, 8),) * 3
    missed = there_and_back(0.25 * x, -0.2 * x, (1.0, 1.0, 1.0))
    np.testing.assert_allclose(missed[inner], 0, atol=1e-5)
    missed = there_and_back(0.25 * x, -0.25 * x, (1.0, 1.0, 1.0))
    expected = 0.0625 * np.linalg.norm(x, axis=-1)
    np.testing.assert_allclose(missed[inner], expected[inner], atol=1e-5)


def test_what_a_network_did_to_a_known_map():
    x = np.moveaxis(np.indices((20, 20, 20)), 0, -1).astype(np.float32)
    found = done(0.1 * x, x[..., 0], (1.0, 1.0, 1.0), np.ones((20, 20, 20), bool))
    assert found.compression == 0
    assert found.expansion == pytest.approx(3 * np.log(1.1), rel=1e-4)
    assert found.swapped == pytest.approx(18.05, abs=1)
    length = 0.1 * np.linalg.norm(x, axis=-1)
    assert found.displacement == pytest.approx(np.quantile(length, 0.95))


def test_what_is_far_beyond_the_validation_pairs_is_said_in_words():
    usual = Usual.of([Done(4.0, 0.3, 0.2, 0.5), Done(6.0, 0.4, 0.1, 0.6)])
    assert list(usual.flags(Done(8.9, 0.59, 0.29, 0.89))) == []
    found = list(usual.flags(Done(20.0, 1.0, 0.7, 2.0)))
    assert "reach 20 mm (validation pairs: 4 to 6)" in found[0]
    assert "2.72 times as small (validation pairs: 1.35 to 1.49)" in found[1]
    assert "2.01 times as large (validation pairs: 1.11 to 1.22)" in found[2]
    assert "return 2 mm from where they were (validation pairs: 0.5 to 0.6)" in found[3]


def known(model, usual):
    about = replace(model.description, usual=usual)
    return RegistrationModel(about, model.params)


def test_flags_of_the_network_leave_the_number(pair, model, tmp_path):
    options = {"affine": "none"}
    plain = inference.register(*pair, model=model, **options)
    wide = inference.register(*pair, model=known(model, WIDE), **options)
    folder = known(model, NARROW).save(tmp_path)
    narrow = inference.register(*pair, model=folder, **options)
    assert plain.trust.flags == wide.trust.flags == narrow.trust.flags[:-1]
    assert "displacements of the network" in narrow.trust.flags[-1]
    assert plain.trust.value == narrow.trust.value
    assert "usual" not in (model.save(tmp_path / "old") / "model.json").read_text()


@pytest.mark.parametrize("bad", [(2.0, 1.0), (-1.0, 1.0), (0.0, float("inf"))])
def test_a_wrong_range_is_refused(model, tmp_path, bad):
    folder = known(model, replace(WIDE, swapped=bad)).save(tmp_path)
    with pytest.raises(ArtifactError, match="usual"):
        inference.load_model(folder)


def test_a_network_that_moves_nothing_comes_back(pair, still_model):
    found = inference.register(
        *pair, model=still_model, affine="none", uncertainty=True
    )
    assert isinstance(found.trust, Trust)
    assert found.trust.repeated.swapped.p95_mm == 0
    assert found.trust.repeated.network is None
    assert not found.uncertainty.array.any()


def test_the_uncertainty_is_written_beside_the_other_files(planes, tmp_path):
    one, other = planes[0], replace(planes[0], array=np.roll(planes[0].array, 1, 0))
    options = {"affine": "none", "refine": 30, "similarity": "ncc"}
    found = inference.register(one, other, uncertainty=True, **options)
    paths = {p.name: p for p in found.save(tmp_path / "o_", extra=["uncertainty"])}
    image = nibabel.load(paths["o_uncertainty.nii.gz"])
    np.testing.assert_allclose(image.affine, found.fixed.affine)
    array = found.uncertainty.array
    np.testing.assert_array_equal(np.squeeze(image.get_fdata()), array)
    assert array.max() > 0
    summary = json.loads(paths["o_summary.json"].read_text())
    swapped = found.trust.repeated.swapped
    assert summary["swapped_difference_mean_mm"] == swapped.mean_mm
    back = inference.register(other, one, **options)
    size = np.asarray(found.fixed.spacing)
    there, back = (one.displacement_mm[..., :2] for one in (found, back))
    expected = size[0] * there_and_back(there / size, back / size, (1.0, 1.0))
    np.testing.assert_allclose(array, expected, atol=1e-3)


def test_a_refined_result_is_compared_with_the_network(planes, plane_model):
    options = {"model": plane_model, "affine": "none"}
    network = inference.register(*planes, **options)
    refined = inference.register(*planes, refine=4, **options)
    apart = np.linalg.norm(refined.displacement_mm - network.displacement_mm, axis=-1)
    low = refined.trust.repeated.network.mean_mm
    assert apart.min() <= low <= apart.max()
    assert network.trust.repeated.network is None
    assert refined.trust.repeated.swapped == network.trust.repeated.swapped
    assert refined.uncertainty is None
    with pytest.raises(ConfigError, match="uncertainty=True"):
        refined.save("nowhere/o_", extra=["uncertainty"])


def test_an_alignment_alone_has_no_uncertainty(pair):
    with pytest.raises(ConfigError, match="alignment alone has none"):
        inference.register(*pair, affine="affine", uncertainty=True)


def test_results_of_several_models_are_compared(pair, model, still_model):
    results = [
        inference.register(*pair, model=one, affine="none")
        for one in (model, still_model, still_model)
    ]
    assert inference.difference(*results[1:]).p95_mm == 0
    two, three = inference.difference(*results[:2]), inference.difference(*results)
    assert two.mean_mm > 0
    # Of three pairs of results one agrees.
    assert three.mean_mm == pytest.approx(2 / 3 * two.mean_mm, rel=1e-5)
    with pytest.raises(ValueError, match="needs two"):
        inference.difference(results[0])
