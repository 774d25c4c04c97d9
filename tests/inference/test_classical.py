"""Registration without a model finds a deformation that is known in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from unoptimised import quick

from autoreg_jax.inference import register_pair
from autoreg_jax.inference.optimisation._classical import _feature_start
from autoreg_jax.inference.optimisation._level import Level
from autoreg_jax.losses import Similarity, feature_similarity
from autoreg_jax.spatial import (
    compose,
    integrate,
    jacobian_determinant,
    resize_displacement,
)

SHAPE, SPACING = (40, 40), (2.0, 2.0)


def texture(x):
    """A picture between 0 and 1 that is known between its voxels: two dozen waves."""
    rng = np.random.default_rng(3)
    turn, length, phase = rng.uniform([[0], [5], [0]], [[6.3], [20], [6.3]], (3, 24))
    waves = 6.3 / length * np.stack([np.cos(turn), np.sin(turn)])
    return np.clip(0.5 + 0.1 * np.sin(x @ waves + phase).sum(-1), 0, 1)


def deformation(x):
    """Smooth, up to 1.7 voxels, small at the edge."""
    middle, size = (np.asarray(SHAPE) - 1) / 2, np.asarray(SHAPE) / 3
    bump = np.exp(-np.sum(((x - middle) / size) ** 2, axis=-1))
    vectors = np.stack([1.6 * np.sin(x[..., 1] / 7), -1.4 * np.cos(x[..., 0] / 8)], -1)
    return bump[..., None] * vectors


@pytest.fixture(scope="module")
def known():
    """Fixed image, moving image, true displacement and what is not border."""
    x = np.stack(np.indices(SHAPE), -1).astype(float)
    u = deformation(x)
    fixed, moving = texture(x + u), texture(x)
    images = [
        jnp.asarray(image, jnp.float32)[None, ..., None] for image in (fixed, moving)
    ]
    inside = np.zeros(SHAPE, bool)
    inside[4:-4, 4:-4] = True
    return (*images, u, inside)


def find(fixed, moving, spacing=SPACING, **options):
    options = {"num_iterations": 120} | options
    return register_pair(moving, fixed, jnp.asarray(spacing), **options)


@pytest.fixture(scope="module")
def found(known):
    return find(*known[:2])


def distance(displacement, truth, mask):
    return np.linalg.norm(np.asarray(displacement[0]) - truth, axis=-1)[mask].mean()


def test_the_deformation_is_found(known, found):
    truth, mask = known[2:]
    assert np.linalg.norm(truth, axis=-1)[mask].mean() > 0.6
    assert distance(found.displacement, truth, mask) < 0.1
    assert found.velocity.shape == (1, 20, 20, 2)
    assert float(found.loss) < float(found.loss_before)
    assert float(jnp.min(jacobian_determinant(found.displacement))) > 0


def test_neither_axes_nor_the_unit_of_length_matter(known, found):
    fixed, moving, *_ = known
    turned = [jnp.swapaxes(image, 1, 2)[:, ::-1] for image in (fixed, moving)]
    again = find(*turned, spacing=(7.0, 7.0)).displacement
    # The axes turn, and with them the components: x is y, and y runs backwards.
    back = jnp.swapaxes(again[:, ::-1], 1, 2)[..., ::-1] * jnp.array([[[[1.0, -1.0]]]])
    difference = jnp.abs(back - found.displacement)
    assert float(difference.mean()) < 0.01
    assert float(difference.max()) < 0.1


def test_two_contrasts(known):
    fixed, moving, truth, mask = known
    result = find(1 - fixed, moving, similarity="mind")
    before = np.linalg.norm(truth, axis=-1)[mask].mean()
    assert distance(result.displacement, truth, mask) < 0.5 * before


def test_a_similarity_of_ones_own(known):
    squares = Similarity(
        loss=lambda fixed, moved, window: jnp.mean((fixed - moved) ** 2),
        describe=lambda fixed: fixed,
        difference=lambda fixed, moved, window: 50 * (fixed - moved) ** 2,
    )
    fixed, moving, truth, mask = known
    result = find(fixed, moving, similarity=squares)
    assert distance(result.displacement, truth, mask) < 0.2


def blobs(width, count, base, seed):
    """A few smooth blobs: most windows have hardly any contrast."""
    rng = np.random.default_rng(seed)
    x = np.stack(np.indices(SHAPE), -1).astype(float)
    image = np.full(SHAPE, float(base))
    for centre in rng.uniform(8, 32, (count, 2)):
        height = rng.uniform(0.4, 1)
        image += height * np.exp(-((x - centre) ** 2).sum(-1) / (2 * width**2))
    return jnp.asarray(image / image.max(), jnp.float32)[None, ..., None]


@pytest.mark.parametrize(
    "image",
    [
        blobs(4, 3, 0.0, 0),
        blobs(3, 4, 0.3, 1),
        blobs(9, 1, 0.0, 3),
        blobs(4, 3, 5.0, 5),
    ],
    ids=["blobs", "on grey", "one wide blob", "faint blobs"],
)
def test_flat_windows_do_not_move_an_image(image):
    """They did by 2 to 12 voxels where they counted like all others."""
    assert float(jnp.abs(find(image, image).displacement).max()) < 0.1


def test_equal_images_do_not_move(known):
    result = find(known[0], known[0])
    assert float(result.loss) <= float(result.loss_before)
    assert float(jnp.abs(result.displacement).max()) < 0.02


def test_features_of_ones_own(known):
    """Two derivatives, whatever the sign of the contrast."""
    fixed, moving, truth, mask = known

    def extract(image):
        slopes = jnp.gradient(image[..., 0], axis=(1, 2))
        return jnp.stack([slopes[0] * slopes[1], slopes[0] ** 2, slopes[1] ** 2], -1)

    similarity = feature_similarity(extract)
    before = np.linalg.norm(truth, axis=-1)[mask].mean()
    result = find(1 - 0.5 * fixed, moving, similarity=similarity)
    assert distance(result.displacement, truth, mask) < 0.5 * before
    same = find(fixed, 0.5 - 0.3 * fixed, similarity=similarity)
    assert float(jnp.abs(same.displacement).max()) < 0.02


def test_features_count_less_where_images_have_less_in_common(known):
    """The units of the features do not matter."""
    fixed = known[0]
    noise = jax.random.normal(jax.random.key(0), fixed.shape)

    def two(image):
        return jnp.concatenate([image, image**2], -1)

    def weighted(noisy, features=two):
        level = Level(fixed, noisy, None, None, None, jnp.ones(2))
        return _feature_start(level, features=features)[0].fixed

    same, different = weighted(fixed), weighted(fixed + 0.3 * noise)
    assert float(jnp.std(different)) < 0.5 * float(jnp.std(same))
    larger = weighted(fixed, lambda image: 10 * two(image))
    np.testing.assert_allclose(larger, same, rtol=1e-3)


def test_noise_does_not_fold(known):
    """Two images that have nothing in common, and long steps."""
    noise = jax.random.uniform(jax.random.key(0), known[0].shape)
    result = find(known[0], noise, learning_rate=0.3)
    assert float(result.loss) < float(result.loss_before) - 0.05
    assert 0 < float(jnp.min(jacobian_determinant(result.displacement))) < 0.5


def test_never_worse_than_it_began(known):
    """Steps that are far too large never reach what comes back."""
    fixed, moving, *_ = known
    wild = find(fixed, moving, num_iterations=3, learning_rate=30.0)
    assert float(wild.loss) <= float(wild.loss_before)
    noise = jax.random.uniform(jax.random.key(0), moving.shape)
    lost = find(fixed, noise, num_iterations=3, learning_rate=30.0)
    assert float(lost.loss) <= float(lost.loss_before)


@quick
def begun_with(start, velocity):
    """A start at half resolution, and the displacement that continues it."""
    half = resize_displacement(start, (20, 20))
    return half, resize_displacement(compose(half, integrate(velocity, 6)), SHAPE)


@pytest.mark.parametrize(
    ("similarity", "left"),
    [("ncc", 0.35), pytest.param("mind", 0.6, marks=pytest.mark.slow)],
)
def test_a_start_is_kept_and_improved(known, similarity, left):
    """Two fifths of the way: what is found is composed with it."""
    fixed, moving, truth, mask = known
    start = jnp.asarray(0.4 * truth, jnp.float32)[None]
    options = {"start": start, "similarity": similarity}
    more = find(fixed, moving, learning_rate=0.2, **options)
    before = distance(start, truth, mask)
    assert distance(more.displacement, truth, mask) < left * before
    assert float(more.loss) < float(more.loss_before)
    half, expected = begun_with(start, more.velocity)
    inner = np.s_[:, 4:-4, 4:-4]
    np.testing.assert_allclose(more.displacement[inner], expected[inner], atol=1e-4)
    wild = find(fixed, moving, num_iterations=2, learning_rate=90.0, **options)
    expected = resize_displacement(half, SHAPE)
    np.testing.assert_allclose(wild.displacement, expected, atol=1e-6)
    np.testing.assert_allclose(wild.loss, wild.loss_before, rtol=1e-6)


def test_more_smoothness_makes_it_smoother(known, found):
    smooth = find(*known[:2], smoothness=50.0).displacement
    slopes = [float(jnp.var(jnp.diff(u, axis=1))) for u in (smooth, found.displacement)]
    assert slopes[0] < 0.1 * slopes[1]


def test_more_steps_are_not_worse(known, found):
    short = find(*known[:2], num_iterations=3)
    assert float(found.loss) < float(short.loss) < float(short.loss_before)


def test_what_a_mask_hides_does_not_pull(known, found):
    """A patch that moved by itself spoils the field unless it is masked."""
    fixed, moving, truth, mask = known
    patch = (slice(None), slice(17, 30), slice(13, 26))
    spoiled = moving.at[patch].set(jnp.roll(moving, 3, axis=1)[patch])
    visible = jnp.ones_like(moving).at[:, 16:31, 12:27].set(0.0)
    around = np.zeros_like(mask)
    around[12:35, 8:31] = True
    around[16:31, 12:27] = False
    plain = distance(find(fixed, spoiled).displacement, truth, around)
    masked = find(fixed, spoiled, moving_mask=visible, fixed_mask=visible)
    assert distance(masked.displacement, truth, around) < 0.5 * plain
