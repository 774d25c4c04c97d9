"""Whether two images show things in the same grey values."""

import numpy as np
import pytest

from autoreg_jax.data import content_of, contrast_between, shared_contrast
from autoreg_jax.geometry import Volume

RNG = np.random.default_rng(0)
GREY = RNG.uniform(0.15, 1, 4000)


def tent(grey):
    """Dark and bright become bright, the middle dark: no line explains it."""
    return 0.2 + np.abs(grey - GREY.mean())


@pytest.mark.parametrize(
    ("change", "is_one"),
    [
        (lambda grey: 0.5 * grey + 0.2, True),
        (lambda grey: grey**2 + 0.1, True),
        (lambda grey: grey + 0.2 * RNG.standard_normal(grey.shape), True),
        (lambda grey: 1.2 - grey, False),
        (tent, False),
        (RNG.permutation, False),
    ],
    ids=["scaled", "gamma", "noise", "inverted", "tent", "unrelated"],
)
def test_one_contrast_is_a_rising_line(change, is_one):
    found = contrast_between(GREY, change(GREY))
    assert found.is_one is is_one
    assert -1 <= found.straight <= 1


def test_what_is_explained_is_the_correlation_ratio():
    noise = 0.1 * RNG.standard_normal(GREY.size)
    values = tent(GREY) + noise
    kept = (values > 0.1).nonzero()
    expected = 1 - (noise[kept].var() / values[kept].var())
    found = contrast_between(GREY, values)
    # Of twelve classes each holds a hundred and fortieth of the variance itself.
    assert found.explained == pytest.approx(expected, abs=0.03)
    assert abs(found.straight) < 0.05


def test_a_line_explains_all_of_a_line():
    found = contrast_between(GREY, 0.7 * GREY + 0.1)
    assert found == pytest.approx((1, 1))


def test_too_little_to_compare():
    dark = np.zeros(4000)
    assert contrast_between(GREY, dark) is None
    assert contrast_between(GREY, dark + 0.5) is None
    assert contrast_between(GREY[:20], GREY[:20]) is None


def blobs(shift=0.0):
    """Smooth grey values in a ball, dark around it."""
    places = (
        np.indices((32, 28, 30)) - np.array([15 + shift, 14, 15])[:, None, None, None]
    )
    ball = (places**2).sum(0) < 11**2
    waves = np.sin(places[0] / 2.5) + np.cos(places[1] / 2) + np.sin(places[2] / 3)
    return np.where(ball, 0.6 + 0.1 * waves, 0)


def content(array, origin=0.0, spacing=2.0):
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = origin
    return content_of(Volume(array.astype(np.float32), affine))


@pytest.mark.parametrize("origin", [0.0, 500.0], ids=["in place", "far away"])
def test_headers_and_units_do_not_matter(origin):
    one = content(blobs())
    same = content(3000 * blobs() - 1000, origin)
    other = content(np.where(blobs() > 0, 1.1 - blobs(), 0), origin)
    assert shared_contrast(one, same).is_one
    assert not shared_contrast(one, other).is_one
    assert shared_contrast(same, one).straight == pytest.approx(
        shared_contrast(one, same).straight, abs=0.1
    )


def test_a_plane():
    one, other = blobs()[:, :, 15], blobs(1.0)[:, :, 15]
    assert shared_contrast(content(one), content(other)).is_one
    dark = np.where(other > 0, 1.1 - other, 0)
    assert not shared_contrast(content(one), content(dark)).is_one


@pytest.mark.parametrize("spacing", [2e-6, 0.2, 20.0, 2e6])
def test_things_of_another_size_are_not_compared(spacing):
    other = content(blobs(), spacing=spacing)
    assert shared_contrast(content(blobs()), other) is None
    assert shared_contrast(other, content(blobs())) is None


def test_a_part_is_compared_where_its_header_places_it():
    """It is far smaller than the whole, so that its centre of mass says nothing."""
    whole = np.zeros((160, 28, 30))
    whole[64:96] = blobs()
    whole[::2, ::2, ::2] += 0.3
    part = blobs()[9:21, 8:20, 9:21]
    origin = 2.0 * np.array([64 + 9, 8, 9])
    for array, is_one in ((part, True), (1.1 - part, False)):
        for found in (
            shared_contrast(content(array, origin), content(whole)),
            shared_contrast(content(whole), content(array, origin)),
        ):
            assert found.is_one is is_one


@pytest.mark.parametrize("level", [0.1, 0.15, 0.6, 1.2])
def test_a_background_is_not_what_images_share(level):
    """White as that of a slide, or the noise of a scanner."""
    rng = np.random.default_rng(0)
    ball = blobs() > 0

    def on_background(array):
        noise = 0.3 if level < 0.2 else 0.0
        grey = level * np.abs(1 + noise * rng.standard_normal(array.shape))
        return content(np.where(ball, array, grey))

    one = on_background(blobs())
    assert shared_contrast(one, on_background(3 * blobs() - 0.9)).is_one
    assert not shared_contrast(one, on_background(1.1 - blobs())).is_one
    assert shared_contrast(one, content(blobs())).is_one


def test_a_plane_and_a_volume_have_no_relation():
    assert shared_contrast(content(blobs()), content(blobs()[:, :, 15])) is None
    assert shared_contrast(content(blobs()[:, :, 15]), content(blobs())) is None


def test_a_hole_in_a_bright_image_is_all_that_it_shows():
    """Without the bright border nothing would be left."""
    frame = np.ones((20, 18, 16))
    frame[5:15, 5:13, 4:12] = 0
    assert shared_contrast(content(frame), content(frame)) is None
