"""The panel of a pair: right slices, right way up, at true proportions."""

import itertools

import nibabel as nib
import numpy as np
import pytest
from matplotlib.contour import QuadContourSet

from autoreg_jax import report
from autoreg_jax.report.slices import choose_planes


def _panel(shape, spacing, displacement, **options):
    rng = np.random.default_rng(0)
    images = [rng.random(shape).astype(np.float32) for _ in range(3)]
    u = np.broadcast_to(np.float32(displacement), (*shape, len(shape)))
    return images, report.registration_panel(*images, u, spacing=spacing, **options)


@pytest.mark.parametrize("shape", [(16, 20), (16, 20, 12)])
def test_panel_shows_images_and_differences_at_true_proportions(shape):
    spacing = (1.0, 2.0, 3.0)[: len(shape)]
    (fixed, moving, moved), figure = _panel(shape, spacing, 0.0)
    (plane, *_) = choose_planes(fixed, None, None)
    shown = [axes for axes in figure.axes if axes.images][:6]
    for axes, image in zip(
        shown,
        (fixed, moving, moved, fixed - moving, fixed - moved, moved),
        strict=True,
    ):
        np.testing.assert_array_equal(axes.images[0].get_array(), plane.take(image).T)
        np.testing.assert_allclose(axes.images[0].get_extent(), (-0.5, 15.5, -1, 39))
        assert axes.get_aspect() == 1
    assert len([a for a in figure.axes if a.images]) == 6 * (
        1 if len(shape) == 2 else 3
    )


def test_grid_lines_are_those_of_the_moving_image():
    """A shift u puts the moving line at position p to p - u on the fixed grid."""
    shift, spacing = np.array([1.25, -0.5]), np.array([2.0, 1.0])
    _, figure = _panel((16, 32), spacing, shift)
    axes = next(a for a in figure.axes if a.get_title() == "Deformation")
    sets = [c for c in axes.collections if isinstance(c, QuadContourSet)]
    assert len(sets) == 2
    for axis, contours in enumerate(sets):
        assert len(contours.levels) >= 12
        for level, path in zip(contours.levels, contours.get_paths(), strict=True):
            expected = level - shift[axis] * spacing[axis]
            np.testing.assert_allclose(path.vertices[:, axis], expected, atol=1e-4)


def test_outlines_follow_the_labels():
    labels = np.zeros((16, 20), int)
    labels[4:8, 5:15] = 3
    moved = np.roll(labels, 2, axis=0)
    _, figure = _panel((16, 20), (2.0, 1.0), 0, fixed_labels=labels, moved_labels=moved)
    axes = next(a for a in figure.axes if a.get_title() == "Moved")
    spans = [
        (c.get_paths()[0].vertices.min(axis=0), c.get_paths()[0].vertices.max(axis=0))
        for c in axes.collections
    ]
    np.testing.assert_allclose(spans[0], [(7, 4.5), (15, 14.5)])
    np.testing.assert_allclose(spans[1], [(11, 4.5), (19, 14.5)])


def test_panel_refuses_arrays_that_do_not_fit():
    image, u = np.zeros((4, 5)), np.zeros((4, 5, 2))
    with pytest.raises(ValueError, match="moved has shape"):
        report.registration_panel(image, image, image.T, u)
    with pytest.raises(ValueError, match="displacement has shape"):
        report.registration_panel(image, image, image, u[..., :1])
    with pytest.raises(ValueError, match="spacing needs 2"):
        report.registration_panel(image, image, image, u, spacing=(1, 1, 1))


def test_constant_images_are_drawn():
    image, u = np.zeros((8, 9), np.float32), np.zeros((8, 9, 2), np.float32)
    labels = np.ones((8, 9), int)
    figure = report.registration_panel(image, image, image, u, labels, labels, labels)
    assert len(figure.axes) == 7


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("signs", list(itertools.product((1, -1), repeat=3)))
def test_slices_look_the_same_however_the_file_is_stored(order, signs):
    """Radiological view: whatever the axis order and signs, the same picture."""
    ras = np.random.default_rng(0).random((5, 6, 7))
    orientation = np.array(list(zip(order, signs, strict=True)))
    stored = nib.orientations.apply_orientation(ras, orientation)
    affine = nib.orientations.inv_ornt_aff(orientation, ras.shape)
    for plane, name, reference, sides in zip(
        choose_planes(stored, None, affine),
        ("axial", "coronal", "sagittal"),
        _radiological(ras),
        (("R", "L", "P", "A"), ("R", "L", "I", "S"), ("A", "P", "I", "S")),
        strict=True,
    ):
        image = plane.take(stored)
        image = image[::-1] if plane.flip_horizontal else image
        image = image[:, ::-1] if plane.flip_vertical else image
        np.testing.assert_array_equal(image, reference)
        assert plane.title.startswith(name)
        assert plane.sides == sides


def _radiological(ras):
    """Brightest slices with right, or front, at the left and the top at the end."""
    i, j, k = (np.argmax(ras.sum(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3))
    return ras[::-1, :, k], ras[::-1, j, :], ras[i, ::-1, :]


def test_slices_show_most_structures():
    labels = np.zeros((6, 6, 6), int)
    labels[:, :, 1] = 1
    labels[1:4, 1:4, 4] = 2
    labels[4:6, 1:4, 4] = 3
    labels[1:4, 4:6, 4] = 4
    planes = choose_planes(np.zeros((6, 6, 6)), labels, None)
    assert planes[0].axis == 2
    assert planes[0].index == 4
    assert planes[0].sides is None
    assert "x-y plane" in planes[0].title
    assert "slice 5 of 6" in planes[0].title
