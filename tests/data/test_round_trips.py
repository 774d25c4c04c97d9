"""Whatever is written comes back, and a turned volume shows what it showed."""

import itertools

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.orientations import (
    apply_orientation,
    axcodes2ornt,
    inv_ornt_aff,
    io_orientation,
    ornt_transform,
)

from autoreg_jax.data import (
    Preprocessing,
    read_image,
    read_labels,
    write_displacement,
    write_volume,
)
from autoreg_jax.data.images import read_grid, read_vectors
from autoreg_jax.geometry import Grid, Volume, grid_along, resample

QUICK = settings(deadline=None, max_examples=40, derandomize=True)
CODES = [
    "".join(letters)
    for order in itertools.permutations(("RL", "AP", "SI"))
    for letters in itertools.product(*order)
]

shapes = st.lists(st.integers(1, 7), min_size=3, max_size=3).map(tuple)
planes = st.lists(st.integers(1, 9), min_size=2, max_size=2).map(tuple)
seeds = st.integers(0, 2**31)


@st.composite
def affines(draw):
    """Any rotation, any anisotropic spacing, reflected or not, anywhere."""
    rng = np.random.default_rng(draw(seeds))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    spacing = np.exp(rng.uniform(np.log(0.05), np.log(20), 3))
    affine = np.eye(4)
    affine[:3, :3] = turn * spacing
    affine[:3, 3] = rng.uniform(-500, 500, 3)
    return affine


def volume(shape, affine, seed):
    array = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return Volume(array, affine)


@QUICK
@given(shapes | planes, affines(), seeds, st.sampled_from(["a.nii", "b c é.nii.gz"]))
def test_images(tmp_path_factory, shape, affine, seed, name):
    written = volume(shape, affine, seed)
    path = write_volume(tmp_path_factory.mktemp("x") / name, written)
    read = read_image(path)
    # Trailing axes of one are no axes of an image, but two there always are.
    array = written.array
    while array.ndim > 2 and array.shape[-1] == 1:
        array = array[..., 0]
    np.testing.assert_array_equal(read.array, array)
    # A header holds float32.
    np.testing.assert_allclose(read.affine, affine, rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(nib.load(path).affine, read.affine)
    header = read_grid(path)
    assert header.shape == read.shape
    np.testing.assert_array_equal(header.affine, read.affine)


@QUICK
@given(shapes, affines(), seeds, st.sampled_from([1, 255, 256, 40000, 2**24 - 1]))
def test_labels(tmp_path_factory, shape, affine, seed, largest):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, largest + 1, (*shape[:-1], shape[-1] + 1)).astype(np.int32)
    path = tmp_path_factory.mktemp("x") / "a.nii.gz"
    read = read_labels(write_volume(path, Volume(labels, affine)))
    np.testing.assert_array_equal(read.array, labels)


@QUICK
@given(shapes | planes, affines(), seeds)
def test_vectors(tmp_path_factory, shape, affine, seed):
    shape = (*shape[:-1], shape[-1] + 1)
    field = volume((*shape, len(shape)), affine, seed).array
    path = tmp_path_factory.mktemp("x") / "u.nii.gz"
    write_displacement(path, field, affine)
    np.testing.assert_array_equal(read_vectors(path), field)


@QUICK
@given(shapes, affines(), seeds, st.sampled_from(CODES))
def test_a_turned_volume_is_the_same_on_any_grid(shape, affine, seed, code):
    shape = tuple(size + 2 for size in shape)
    one = volume(shape, affine, seed)
    turn = ornt_transform(io_orientation(affine), axcodes2ornt(tuple(code)))
    other = Volume(
        np.ascontiguousarray(apply_orientation(one.array, turn)),
        affine @ inv_ornt_aff(turn, shape),
    )
    back = resample(other, one.grid)
    np.testing.assert_allclose(back, one.array, atol=1e-4)
    labels = Volume((one.array > 0).astype(np.int32), affine)
    turned = Volume((other.array > 0).astype(np.int32), other.affine)
    found = resample(turned, one.grid, order=0)
    np.testing.assert_array_equal(found, labels.array)


@QUICK
@given(shapes, affines(), st.sampled_from(CODES))
def test_a_grid_along_another_has_its_field_of_view(shape, affine, code):
    axes = Grid(shape, affine)
    turn = ornt_transform(io_orientation(affine), axcodes2ornt(tuple(code)))
    order = np.argsort(turn[:, 0])
    made = grid_along(
        axes,
        shape=tuple(int(shape[i]) for i in order),
        spacing=tuple(axes.spacing[i] for i in order),
        orientation=code,
        centre=tuple(axes.centre),
    )
    assert "".join(nib.aff2axcodes(made.affine)) == code
    np.testing.assert_allclose(made.centre, axes.centre, atol=1e-6)
    np.testing.assert_allclose(
        made.affine, affine @ inv_ornt_aff(turn, shape), atol=1e-6
    )


@QUICK
@given(planes, affines())
def test_a_plane_is_on_its_own_grid(shape, affine):
    one = volume(shape, affine, 0)
    grid = grid_along(
        Grid(shape, affine),
        shape=shape,
        spacing=one.spacing,
        orientation="".join(nib.aff2axcodes(affine)),
        centre=tuple(Grid(shape, affine).centre),
    )
    assert one.grid.distance(grid) < 1e-6


def test_a_shifted_copy_is_found_by_its_matrix():
    grid = Grid((9, 8, 7), np.diag([2.0, 2, 3, 1]))
    image = volume(grid.shape, grid.affine, 0)
    moved = grid.affine.copy()
    moved[:3, 3] += [40, -7, 3]
    shift = np.eye(4)
    shift[:3, 3] = [40, -7, 3]
    found = Preprocessing(grid).image(Volume(image.array, moved), shift)
    expected = Preprocessing(grid).image(image, np.eye(4))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("size", [2, 3])
def test_a_coarse_grid_sees_means(size):
    array = np.zeros((24, 24, 24), np.float32)
    array[::2] = 1
    coarse = np.diag([size, size, size, 1.0])
    coarse[:3, 3] = (size - 1) / 2
    found = resample(Volume(array, np.eye(4)), Grid((24 // size,) * 3, coarse))
    assert np.ptp(found[2:-2, 2:-2, 2:-2]) < 0.25
