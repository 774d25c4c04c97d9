"""What two images are compared by: where they are compared, as they are placed."""

import numpy as np
import pytest
from scipy import ndimage

from autoreg_jax.errors import GeometryError
from autoreg_jax.geometry import Volume, resample
from autoreg_jax.inference import register
from autoreg_jax.inference.optimisation import compared_by

SPACING = np.diag([2.0, 2.0, 2.0, 1.0])


def grey(shape=(26, 24, 22)):
    """Smooth grey values, brighter to the right: turned round they look inverted."""
    noise = np.random.default_rng(3).standard_normal(shape)
    smooth = ndimage.gaussian_filter(noise, 2.5)
    ramp = np.linspace(0, 1, shape[0])[:, None, None]
    return 0.3 + 0.5 * ramp + 0.1 * (smooth - smooth.min()) / np.ptp(smooth)


def volume(array, affine=SPACING):
    return Volume(np.asarray(array, np.float32), affine)


def by_images(fixed, moving, **options):
    return compared_by(None, None, fixed, moving, **options)


def test_masks_hide_what_is_not_compared():
    """Inside the contrast is one, outside it is another; masks have grids of theirs."""
    fixed, seen = grey(), np.zeros((26, 24, 22))
    seen[8:18, 8:18, 8:18] = 1
    moving = np.where(seen > 0, fixed, 1.2 - fixed)
    pair = volume(fixed), volume(moving)
    mask, empty = volume(seen), volume(0 * seen)
    assert by_images(*pair).name == "mind"
    smaller = ndimage.binary_erosion(seen, iterations=2)
    coarse = volume(smaller[::2, ::2, ::2], np.diag([4.0, 4.0, 4.0, 1.0]))
    for one in (mask, coarse):
        for masks in ((one, None), (None, one), (one, one)):
            assert by_images(*pair, masks=masks).name == "ncc"
    hidden = volume(np.where(seen > 0, 0.5, fixed))
    for nothing in (
        by_images(*pair, masks=(empty, None)),
        by_images(pair[0], hidden, masks=(None, mask)),
    ):
        assert nothing.name == "ncc"
        assert "Too few voxels" in nothing.reason


@pytest.mark.parametrize("is_linear", [True, False])
def test_a_start_places_the_moving_image(is_linear):
    """It lies upside down in its header, and the start knows."""
    turn = np.diag([-1.0, -1.0, 1.0, 1.0])
    turn[:2, 3] = 50, 46
    fixed = volume(grey())
    moving = {x: volume(x * grey() - min(x, 0), turn @ SPACING) for x in (1, -1)}
    places = []

    def place(image, onto):
        places.append(onto.shape)
        image = Volume(image.array, np.linalg.inv(turn) @ image.affine)
        if is_linear:
            return image
        return Volume(resample(image, onto.grid), onto.affine)

    assert by_images(fixed, moving[1]).name == "mind"
    assert by_images(fixed, moving[-1]).name == "ncc"
    assert by_images(fixed, moving[1], place=place).name == "ncc"
    assert by_images(fixed, moving[-1], place=place).name == "mind"
    assert len(places) == 2


def test_a_plane_and_a_volume_are_refused():
    """By the sentence that says so, not while their contrasts are compared."""
    both = volume(grey()), volume(grey()[:, :, 10])
    for fixed, moving in (both, both[::-1]):
        assert "Too few" in by_images(fixed, moving).reason
        with pytest.raises(GeometryError, match="two slices or two volumes"):
            register(fixed, moving)
