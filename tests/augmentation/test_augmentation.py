"""Random changes of images: what they keep, and that nothing changes at strength 0."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from unoptimised import quick

from autoreg_jax import augmentation
from autoreg_jax.augmentation import _artefacts
from autoreg_jax.spatial import jacobian_determinant

INTENSITIES = {
    "bias": augmentation.bias_multiplied,
    "blur": augmentation.blurred,
    "gamma": augmentation.gamma_changed,
    "hole": augmentation.with_hole,
    "monotone": augmentation.monotonically_mapped,
    "noise": augmentation.noisy,
    "remap": augmentation.remapped,
    "slices": augmentation.thick_sliced,
}
SHAPE = (12, 7)
KEYS = jax.random.split(jax.random.key(3), 40)


def picture(shape=SHAPE):
    """Every intensity from 0 to 1, in no order."""
    values = np.linspace(0, 1, int(np.prod(shape)), dtype=np.float32)
    return np.random.default_rng(0).permutation(values).reshape(*shape, 1)


@pytest.fixture(scope="module")
def found():
    """Forty changes of each kind: strength 1, and nothing at strength 0."""

    @quick
    def change(keys, image):
        def many(function, strength):
            return jax.vmap(lambda key: function(key, image, strength))(keys)

        return {
            name: (many(function, 1.0), many(function, 0.0))
            for name, function in INTENSITIES.items()
        }

    return jax.device_get(change(KEYS, picture()))


@pytest.mark.parametrize("name", INTENSITIES)
def test_range_identity_and_keys(found, name):
    changed, same = found[name]
    image = picture()
    assert changed.min() >= 0
    assert changed.max() <= 1
    np.testing.assert_allclose(same, np.tile(image, (40, 1, 1, 1)), atol=1e-6)
    assert np.abs(changed - image).max() > 0.1
    assert len(np.unique(changed.reshape(40, -1), axis=0)) > 30


def test_monotone_curves_keep_the_order_and_others_do_not(found):
    order = np.argsort(picture().ravel())
    for name, is_kept in (("monotone", True), ("gamma", True), ("remap", False)):
        rises = np.diff(found[name][0].reshape(40, -1)[:, order], axis=1)
        assert np.all(rises > -1e-6) == is_kept
    # Black stays black, and a rising curve reaches from 0 to 1.
    for name in ("monotone", "gamma", "remap"):
        assert np.abs(found[name][0].reshape(40, -1)[:, order[0]]).max() == 0
    ends = found["monotone"][0].reshape(40, -1)[:, order[-1]]
    np.testing.assert_allclose(ends, 1, atol=1e-6)


def test_slices_are_means_and_linear_between_them():
    """Of a ramp, whose means are the values at the centres of the slices."""
    ramp = np.arange(8.0)
    for thickness, phase in ((2.0, 0.0), (4.0, 0.25), (2.0, 0.5), (1.0, 0.0)):
        begins = np.clip((np.arange(9) - phase) * thickness, 0, 8)
        is_there = begins < 8
        ends = np.append(begins[1:], 8)
        middles = ((begins + ends) / 2 - 0.5)[is_there]
        centres = ((np.arange(9) + 0.5 - phase) * thickness - 0.5)[is_there]
        expected = np.interp(ramp, centres, middles)
        matrix = _artefacts.slices(8, thickness, phase)
        np.testing.assert_allclose(matrix @ ramp, expected, atol=1e-5)
        np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-6)
    np.testing.assert_array_equal(matrix, np.eye(8))


def test_slices_lie_along_one_axis_each_as_often(found):
    rows = np.repeat(picture((12, 1)), 7, axis=1)
    many = quick(jax.vmap(lambda key: augmentation.thick_sliced(key, rows, 2.0)))
    changes = np.abs(np.asarray(many(KEYS)) - rows).max((1, 2, 3))
    assert 10 < np.sum(changes > 1e-3) < 30
    assert found["slices"][0].std() < picture().std()


def test_an_affine_map_turns_the_body_and_not_the_grid():
    """Voxels of 1 × 2 × 3 mm against the same grid in millimetres."""
    spacing, shape = np.array([1.0, 2.0, 3.0, 1.0]), (9, 7, 5)
    fine = [(n - 1) * size + 1 for n, size in zip(shape, spacing, strict=False)]
    in_mm = augmentation.random_affine(KEYS[0], fine, 0.2)
    found = augmentation.random_affine(KEYS[0], shape, 0.2, (2.0, 4.0, 6.0))
    expected = np.diag(1 / spacing) @ in_mm @ np.diag(spacing)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_hole_is_one_box_of_the_mean(found):
    image = picture()
    for changed in found["hole"][0]:
        rows, columns = (
            np.flatnonzero((changed != image).any((axis, 2))) for axis in (1, 0)
        )
        if rows.size:
            box = changed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            np.testing.assert_allclose(box, image.mean(), atol=1e-6)


def test_waves_have_unit_variance_and_vanish_where_they_must():
    def many(keys):
        def draw(key, is_zero_outside):
            field = augmentation.smooth_field
            return field(key, (30, 20), 5, is_zero_outside=is_zero_outside)

        return [jax.vmap(lambda key, z=z: draw(key, z))(keys) for z in (False, True)]

    cosines, sines = map(np.asarray, quick(many)(jax.random.split(KEYS[0], 400)))
    np.testing.assert_allclose(np.mean(cosines**2), 1, rtol=0.1)
    np.testing.assert_allclose(np.mean(sines**2), 1, rtol=0.1)
    inside = np.mean(sines[:, 15, 10] ** 2)
    assert np.mean(sines[:, 0] ** 2) < 0.1 * inside
    steps = np.mean(np.diff(cosines, axis=1) ** 2)
    assert steps < 0.2


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_random_affine_map_turns_about_the_centre(ndim):
    shape = (9, 7, 5)[:ndim]

    @quick
    def matrices(key):
        draw = augmentation.random_affine
        return draw(key, shape, 0.2), draw(key, shape, 0.0)

    matrix, none = matrices(KEYS[1])
    np.testing.assert_allclose(none, np.eye(ndim + 1), atol=1e-5)
    centre = (np.array(shape) - 1) / 2
    shift = matrix[:ndim, :ndim] @ centre + matrix[:ndim, ndim] - centre
    assert np.all(np.abs(shift) < 0.25 * np.array(shape))
    assert np.abs(matrix[:ndim, :ndim] - np.eye(ndim)).max() > 0.05


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_random_deformation_does_not_fold_and_ends_at_the_border(ndim):
    shape = (40, 14, 12)[:ndim]

    @quick
    def fields(keys):
        draw = augmentation.random_deformation
        field = jax.vmap(lambda key: draw(key, shape, 1.0))(keys)
        return field, jacobian_determinant(field), draw(keys[0], shape, 0.0)

    field, determinant, none = jax.device_get(fields(KEYS[:8]))
    assert determinant.min() > 0
    assert not none.any()
    lengths = np.linalg.norm(field, axis=-1)
    assert 0.3 < lengths.mean() < 2
    assert lengths[:, 0].mean() < 0.6 * lengths.mean()


def test_mirrors_and_the_axes_that_they_may_have():
    image = picture((4, 3))

    @quick
    def mirror(image):
        marks = jnp.array([True, False])
        drawn = jax.vmap(lambda key: augmentation.flips(key, [1], 3))(KEYS)
        return augmentation.mirrored(image, marks), drawn

    turned, drawn = mirror(image)
    np.testing.assert_array_equal(turned, image[::-1])
    drawn = np.asarray(drawn)
    assert not drawn[:, [0, 2]].any()
    assert 5 < drawn[:, 1].sum() < 35
