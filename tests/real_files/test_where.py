"""Where an image lies: forms, codes, units and slices, compared with SimpleITK."""

import itertools
import json
import re
import warnings

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from world import turn

from autoreg_jax import inference
from autoreg_jax.cli import main
from autoreg_jax.data import read_image, read_labels, read_mask, write_volume
from autoreg_jax.data.images import read_grid
from autoreg_jax.errors import GeometryError, ImageWarning
from autoreg_jax.geometry import Grid, Volume, check_axes
from autoreg_jax.transforms import Transform

SHAPE = (5, 6, 7)
UNITS = {"none": (0, 1.0), "m": (1, 1e3), "mm": (2, 1.0), "micron": (3, 1e-3)}


def affine_of(matrix, origin):
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = matrix, origin
    return affine


GRIDS = {
    "oblique": affine_of(turn(0.2, -0.3, 0.4) * 1.5, (10, 20, 30)),
    "anisotropic": affine_of(turn(0.1, 0.2, -1.1) * [0.7, 1.5, 5], (-40, 5, 7)),
    "flipped": affine_of(turn(0.2, 0.1, 0.3) * [-1, 1.2, 2], (60, -70, 8)),
    # The first number of its quaternion is nearly 0, where a qform is least exact.
    "half a turn": affine_of(turn(0.0003, 0, np.pi) * [1, 1, 2], (5, 6, 7)),
}
SHEARED = affine_of(
    turn(0.1, 0.2, 0.3) @ [[1, 0.3, 0], [0, 2, 0], [0, 0.1, 3]], (-10, 5, 3)
)
OTHER = affine_of(turn(-0.1, 0.4, 0.2) * [1, 2, 3], (-40, 5, 7))


def save(path, affine=None, sform=None, qform=None, unit=0, shape=SHAPE, **fields):
    """A NIfTI file; sform and qform are pairs of a matrix and a code."""
    header = nib.Nifti1Header()
    header.set_data_shape(shape)
    header.set_data_dtype(np.uint8)
    if affine is not None:
        header["pixdim"][1:4] = nib.affines.voxel_sizes(affine)
    if qform is not None:
        header.set_qform(*qform)
    if sform is not None:
        header.set_sform(*sform)
    header["xyzt_units"] = unit
    header["magic"], header["vox_offset"] = b"n+1", 352
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(header.binaryblock + bytes(4) + b"\1" * int(np.prod(shape)))
    return path


def itk_affine(path):
    """Voxel indices to RAS as ITK sees them; None if it refuses the file."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return None
    direction = np.array(reader.GetDirection()).reshape(3, 3)
    affine = affine_of(direction * reader.GetSpacing(), reader.GetOrigin())
    return np.diag([-1.0, -1, 1, 1]) @ affine


def corners_apart(one, other, shape=SHAPE):
    return np.abs(Grid(shape, one).corners - Grid(shape, other).corners).max()


def farthest(one, other, shape=SHAPE):
    apart = Grid(shape, one).corners - Grid(shape, other).corners
    return np.linalg.norm(apart, axis=-1).max()


def read_with_warnings(path, read=read_grid):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        volume = read(path)
    assert all(one.category is ImageWarning for one in caught)
    assert all(str(one.message).startswith(f"{path}: ") for one in caught)
    return volume, [str(one.message) for one in caught]


def check_against_itk(path, scale=1.0):
    """ITK sees the same, or a warning says how far away, rightly."""
    volume, said = read_with_warnings(path)
    itk = itk_affine(path)
    text = " ".join(said)
    if itk is None:
        assert "see it" not in text
    elif "see it up to" in text:
        number = float(re.search(r"see it up to ([-+.e\d]+) mm", text)[1])
        np.testing.assert_allclose(number, farthest(volume.affine, itk), rtol=2e-3)
    else:
        assert corners_apart(volume.affine, itk) < 1e-3 * max(scale, 1)
    return volume, text


CODES = list(itertools.product(range(5), range(5)))


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("kind", GRIDS)
def test_two_forms_that_agree_are_read_as_by_itk(tmp_path, kind, unit):
    affine, (code, scale) = GRIDS[kind], UNITS[unit]
    for s, q in CODES:
        path = save(tmp_path / "a.nii", affine, (affine, s), (affine, q), code)
        volume, text = check_against_itk(path, scale)
        if s or q:
            expected = np.diag([scale, scale, scale, 1]) @ affine
            assert corners_apart(volume.affine, expected) < 1e-3 * max(scale, 1)
            assert "see it" not in text
            assert volume.space == (s or q)
        assert ("converted" in text) == (scale != 1)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("kind", [*GRIDS, "sheared"])
def test_two_forms_that_differ_are_said_with_the_distance_of_itk(tmp_path, kind, unit):
    affine = {**GRIDS, "sheared": SHEARED}[kind]
    code, scale = UNITS[unit]
    for s, q in CODES:
        path = save(tmp_path / "a.nii", OTHER, (affine, s), (OTHER, q), code)
        volume, text = check_against_itk(path, scale)
        differ = bool(s and q)
        assert (f"sform (code {s}) and qform (code {q})" in text) == differ
        if s or q:
            used = np.diag([scale, scale, scale, 1]) @ (affine if s else OTHER)
            assert corners_apart(volume.affine, used) < 1e-3 * max(scale, 1)


def test_the_middle_by_both_forms_is_said_in_mm(tmp_path):
    moved = affine_of(2 * np.eye(3), (40, 20, 40))
    near = affine_of(2 * np.eye(3), (0, 0, 0))
    path = save(tmp_path / "a.nii", near, (near, 2), (moved, 1))
    _, said = read_with_warnings(path)
    assert len(said) == 1
    assert "up to 60 mm apart" in said[0]
    assert "(4, 5, 6) and (44, 25, 46) mm" in said[0]


def test_a_difference_of_rounding_is_not_said(tmp_path):
    for affine in GRIDS.values():
        path = save(tmp_path / "a.nii", affine, (affine, 2), (affine, 1))
        assert not read_with_warnings(path)[1]


def test_what_a_qform_loses_after_half_a_turn_is_rounding(tmp_path):
    shape = (300, 300, 1)
    affine = affine_of(turn(0.01, 0.02, np.pi), (5, 6, 7))
    header = ((affine, 2), (affine, 1))
    path = save(tmp_path / "a.nii", affine, *header, shape=shape)
    # More than a hundredth of a voxel, by the single precision of the quaternion.
    assert 0.02 < corners_apart(nib.load(path).get_qform(), affine, shape) < 0.3
    assert corners_apart(itk_affine(path), affine, shape) < 1e-3
    assert not read_with_warnings(path)[1]
    volume = Volume(np.zeros(shape[:2], np.uint8), affine)
    path = write_volume(tmp_path / "b.nii", volume)
    assert corners_apart(itk_affine(path), affine, shape) < 1e-3


def test_a_twentieth_of_a_voxel_is_more_than_rounding(tmp_path):
    moved = np.eye(4)
    moved[0, 3] = 0.05
    path = save(tmp_path / "a.nii", np.eye(4), (np.eye(4), 2), (moved, 1))
    assert "up to 0.05 mm apart" in read_with_warnings(path)[1][0]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"pixdim": [1, -1, 2, 3, 1, 1, 1, 1]}, "pixdim says [-1.0, 2.0, 3.0]"),
        ({"pixdim": [1, 2, 4, 6, 1, 1, 1, 1]}, "see it up to"),
        ({"pixdim": [1, 0, 0, 0, 1, 1, 1, 1]}, "pixdim says [0.0, 0.0, 0.0]"),
        ({"pixdim": [1, np.nan, 2, 3, 1, 1, 1, 1]}, ""),
    ],
)
def test_voxel_sizes_beside_the_sform_are_said(tmp_path, fields, words):
    path = save(tmp_path / "a.nii", OTHER, (OTHER, 1), None, **fields)
    volume, text = check_against_itk(path)
    assert corners_apart(volume.affine, OTHER) < 1e-4
    assert words in text


@pytest.mark.parametrize("first", [0, -1, 1, 3, -0.5, np.nan])
def test_the_sign_of_the_third_axis_of_a_qform_is_that_of_itk(tmp_path, first):
    path = save(tmp_path / "a.nii", OTHER, None, (OTHER, 1))
    content = bytearray(path.read_bytes())
    content[76:80] = np.float32(first).tobytes()
    path.write_bytes(bytes(content))
    check_against_itk(path)


def test_a_voxel_without_extent_is_said_where_the_qform_needs_it(tmp_path):
    sizes = [1, 0, 2, 3, 1, 1, 1, 1]
    path = save(tmp_path / "a.nii", None, None, (OTHER, 1), pixdim=sizes)
    volume, text = check_against_itk(path)
    assert volume.spacing[0] == pytest.approx(1)
    assert "no extent" in text


def test_without_any_form_the_distance_to_itk_is_said(tmp_path):
    volume, text = check_against_itk(save(tmp_path / "a.nii", OTHER))
    np.testing.assert_allclose(volume.affine, nib.load(tmp_path / "a.nii").affine)
    assert "neither sform nor qform" in text


@pytest.mark.parametrize("code", [1, 2])
def test_a_sform_of_zeros_gives_way_to_the_qform(tmp_path, code):
    path = save(tmp_path / "a.nii", None, None, (OTHER, 3), sform_code=code)
    volume, text = check_against_itk(path)
    assert corners_apart(volume.affine, OTHER) < 1e-4
    assert volume.space == 3
    assert "the qform (code 3) is used" in text


def test_a_qform_that_is_no_rotation_gives_way_to_the_sform(tmp_path):
    fields = {"quatern_b": 0.8, "quatern_c": 0.8, "quatern_d": 0.1}
    path = save(tmp_path / "a.nii", OTHER, (OTHER, 2), (OTHER, 1), **fields)
    volume, said = read_with_warnings(path)
    assert corners_apart(volume.affine, OTHER) < 1e-4
    assert "is not a rotation" in said[0]
    path = save(tmp_path / "a.nii", OTHER, None, (OTHER, 1), **fields)
    with pytest.raises(GeometryError, match=r"a\.nii: the affine must be finite"):
        read_grid(path)


@pytest.mark.parametrize("code", [4, 5, 6, 7])
def test_a_unit_that_does_not_exist_is_said(tmp_path, code):
    path = save(tmp_path / "a.nii", OTHER, (OTHER, 1), (OTHER, 1), code)
    volume, text = check_against_itk(path)
    assert corners_apart(volume.affine, OTHER) < 1e-4
    assert f"unknown code {code}" in text


def test_units_of_time_are_none_of_length(tmp_path):
    path = save(tmp_path / "a.nii", OTHER, (OTHER, 1), (OTHER, 1), 2 | 8)
    assert not read_with_warnings(path)[1]


@pytest.mark.parametrize("read", [read_image, read_labels, read_mask, read_grid])
def test_images_labels_and_masks_have_one_place(tmp_path, read):
    large = np.diag([1e3, 1e3, 1e3, 1]) @ OTHER
    path = save(tmp_path / "a.nii", large, (large, 2), None, 3)
    volume, said = read_with_warnings(path, read)
    assert corners_apart(volume.affine, OTHER) < 1e-3
    assert len(said) == 1
    assert "microns" in said[0]


def test_a_displacement_has_the_place_of_its_image(tmp_path):
    vectors = np.zeros((*SHAPE, 1, 3), np.float32)
    vectors[..., 0] = 3
    image = nib.Nifti1Image(vectors, None)
    image.header.set_intent("displacement vector")
    image.header.set_xyzt_units("micron")
    image.header.set_sform(np.diag([1e3, 1e3, 1e3, 1]) @ OTHER, 4)
    image.header["pixdim"][1:4] = 1e3 * nib.affines.voxel_sizes(OTHER)
    nib.save(image, tmp_path / "u.nii.gz")
    with pytest.warns(ImageWarning, match=r"u\.nii\.gz: its lengths are microns"):
        transform = Transform.read(tmp_path / "u.nii.gz")
    assert corners_apart(transform.links[0].grid.affine, OTHER) < 1e-3
    inside = Grid(SHAPE, OTHER).centre
    np.testing.assert_allclose(transform(inside), inside + np.eye(3)[0] * 3, atol=1e-5)


@pytest.mark.parametrize("space", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("kind", GRIDS)
def test_what_is_written_lies_where_itk_and_nibabel_read_it(tmp_path, kind, space):
    volume = Volume(np.zeros(SHAPE, np.uint8), GRIDS[kind], space=space)
    path = write_volume(tmp_path / "a.nii.gz", volume)
    header = nib.load(path).header
    assert corners_apart(nib.load(path).affine, GRIDS[kind]) < 1e-4
    assert corners_apart(itk_affine(path), GRIDS[kind]) < 1e-3
    assert header.get_xyzt_units()[0] == "mm"
    assert header["sform_code"] == space
    assert header["qform_code"] in (space, 0)
    back, said = read_with_warnings(path)
    assert (back.space, said) == (space, [])


def test_a_large_grid_after_half_a_turn_is_still_read_rightly(tmp_path):
    shape = (300, 2, 2)
    affine = GRIDS["half a turn"]
    for space in (1, 2, 4):
        volume = Volume(np.zeros(shape, np.uint8), affine, space=space)
        path = write_volume(tmp_path / "a.nii", volume)
        assert corners_apart(itk_affine(path), affine, shape) < 1e-3


def test_a_qform_that_itk_reads_less_exactly_than_nibabel_is_left_out(tmp_path):
    """0.019 mm in ITK, and less than 1e-3 mm in nibabel."""
    matrix = [
        [1.4997448056679852, 0.6947590601327444, 0.03242688160665942],
        [0.3537130773214743, -2.946045920562275, 0.0025476848916912475],
        [0.017574463553852282, 0.0053302831870857825, -2.818475600401821],
    ]
    affine = affine_of(matrix, (30.547792002583805, -190.01007523507508, -131.49928851))
    volume = Volume(np.zeros((250, 6, 5), np.uint8), affine, space=4)
    path = write_volume(tmp_path / "a.nii", volume)
    assert corners_apart(itk_affine(path), affine, volume.shape) < 1e-3


@pytest.mark.parametrize("space", [1, 2, 4])
def test_a_shear_that_itk_takes_for_none_is_read_rightly(tmp_path, space):
    shape = (200, 200, 200)
    shear = np.eye(4)
    shear[0, 1] = 0.9e-4
    sheared = GRIDS["oblique"] @ shear
    array = np.broadcast_to(np.zeros((), np.uint8), shape)
    path = write_volume(tmp_path / "a.nii", Volume(array, sheared, space=space))
    assert corners_apart(itk_affine(path), sheared, shape) < 1e-3


@pytest.mark.parametrize("turned", [0.0, 0.3])
@pytest.mark.parametrize("share", [0.5, 0.95, 1.05, 1.5, 3])
def test_a_shear_that_itk_refuses_is_never_silent(tmp_path, share, turned):
    shear = np.eye(3)
    shear[1, 2] = share * 1e-4
    sheared = affine_of(turn(turned, turned, 0) @ shear, (1, 2, 3))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        array = np.broadcast_to(np.zeros((), np.uint8), (300, 300, 300))
        path = write_volume(tmp_path / "a.nii", Volume(array, sheared))
    assert bool(caught) == (itk_affine(path) is None)


def test_a_sheared_grid_is_refused_by_itk_and_not_misplaced(tmp_path):
    volume = Volume(np.zeros(SHAPE, np.uint8), SHEARED)
    with pytest.warns(ImageWarning, match=r"a\.nii: .* not at right angles") as caught:
        path = write_volume(tmp_path / "a.nii", volume)
    assert itk_affine(path) is None
    assert corners_apart(nib.load(path).affine, SHEARED) < 1e-4
    assert nib.load(path).header["qform_code"] == 0
    image = nib.Nifti1Image(np.zeros(SHAPE), SHEARED)
    image.set_qform(SHEARED, 1)
    loss = float(re.search(r"would lie ([.\d]+) mm", str(caught[0].message))[1])
    np.testing.assert_allclose(loss, farthest(SHEARED, image.get_qform()), rtol=1e-3)


def test_a_sheared_displacement_says_so_with_its_file(tmp_path):
    field = Transform.displacement(np.zeros((*SHAPE, 3)), Grid(SHAPE, SHEARED))
    with pytest.warns(ImageWarning, match=r"u\.nii\.gz: the axes of its grid"):
        field.write(tmp_path / "u.nii.gz")
    assert nib.load(tmp_path / "u.nii.gz").header["qform_code"] == 0


@pytest.fixture
def identity(tmp_path):
    return Transform.affine(np.eye(4)).write(tmp_path / "id.tfm")


@pytest.mark.parametrize("code", [1, 3, 4])
def test_a_result_stays_in_the_space_of_its_reference(tmp_path, identity, code):
    path = save(tmp_path / "mni.nii", OTHER, (OTHER, code), (OTHER, code), 2)
    words = ["apply", "-i", path, "-r", path, "-t", identity]
    assert main([*map(str, words), "-o", str(tmp_path / "out.nii")]) == 0
    header = nib.load(tmp_path / "out.nii").header
    assert (header["sform_code"], header["qform_code"]) == (code, code)


def test_the_command_says_each_thing_once(tmp_path, identity, capsys):
    path = save(tmp_path / "f.nii", OTHER, (GRIDS["oblique"], 2), (OTHER, 1))
    words = ["apply", "-i", path, "-r", path, "-t", identity]
    assert main([*map(str, words), "-o", str(tmp_path / "out.nii")]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "sform" in line]
    assert len(lines) == 1
    assert lines[0].startswith(f"autoreg apply: warning: {path}: sform (code 2)")


def test_the_record_of_a_registration_has_what_was_said(tmp_path, capsys, monkeypatch):
    def registered(fixed, moving, **_):
        (fixed,), (moving,) = fixed, moving
        field = Transform.displacement(np.zeros((*fixed.shape, 3)), fixed.grid)
        numbers = {"folding_fraction": 0.0, "similarity_before": 1.0, "similarity": 1.0}
        return inference.Registered(
            fixed, moving, field, seconds=0.0, refined_steps=1, **numbers
        )

    monkeypatch.setattr("autoreg_jax.inference._files.register", registered)
    path = save(tmp_path / "f.nii", OTHER, (GRIDS["oblique"], 2), (OTHER, 1))
    other = save(tmp_path / "m.nii", OTHER, (OTHER, 1), (OTHER, 1), 3)
    out = tmp_path / "o_"
    words = ["register", "-f", path, "-m", other, "-o", out, "--refine", "1"]
    assert main([str(word) for word in words]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if ".nii: " in line]
    assert [line.split(": ")[2] for line in lines] == [str(path), str(other)]
    said = json.loads((tmp_path / "o_summary.json").read_text())["warnings"]
    assert [text.split(": ")[0] for text in said] == [str(path), str(other)]


def plane(height, thickness=1.0):
    affine = np.diag([1.0, 1, thickness, 1])
    affine[2, 3] = height
    return Volume(np.zeros((4, 5), np.float32), affine)


def test_slices_at_other_heights_are_said():
    with pytest.warns(ImageWarning, match="up to 40 mm beside the plane"):
        check_axes(plane(0), plane(40))


def test_a_slice_that_is_moved_from_another_height_is_said(tmp_path, identity, capsys):
    still = plane(0)
    still.array[1:3, 2:4] = 7
    image = write_volume(tmp_path / "m.nii", still)
    onto = write_volume(tmp_path / "f.nii", plane(30))
    words = ["apply", "-i", image, "-r", onto, "-o", tmp_path / "o.nii", "-t"]
    assert main([*map(str, words), str(identity)]) == 0
    said = capsys.readouterr().err
    assert f"{onto} is up to 30 mm beside the plane of the slice {image}" in said
    # A transform that leads there leaves nothing to be said.
    down = np.eye(4)
    down[2, 3] = -30
    down = Transform.affine(down).write(tmp_path / "down.tfm")
    assert main([*map(str, words), str(down)]) == 0
    assert "beside the plane" not in capsys.readouterr().err
    np.testing.assert_array_equal(read_image(tmp_path / "o.nii").array, still.array)


@pytest.mark.parametrize("ending", [".h5", ".tfm"])
def test_a_transform_of_a_slice_is_one_of_space_for_itk(tmp_path, ending):
    affine = np.diag([1.5, 1, 2, 1])
    affine[:3, 3] = 10, -5, 30
    grid = Grid((12, 14), affine)
    rng = np.random.default_rng(0)
    image = rng.random((12, 14)).astype(np.float32)
    vectors = np.full((12, 14, 2), [1.5, -2.0]) + rng.uniform(-0.4, 0.4, (12, 14, 2))
    field = Transform.displacement(vectors, grid)
    path = field.write(tmp_path / f"t{ending}")
    write_volume(tmp_path / "m.nii", Volume(image, affine))
    still = sitk.ReadImage(str(tmp_path / "m.nii"))
    moved = sitk.Resample(still, still, sitk.ReadTransform(str(path)))
    expected = field.apply(image, grid, grid)
    found = sitk.GetArrayFromImage(moved)[0].T
    np.testing.assert_allclose(found, expected, atol=1e-5)
    back = Transform.read(path).links[0]
    assert corners_apart(back.grid.affine, affine, (12, 14)) < 1e-6


def test_a_transform_of_a_plane_without_height_stays_one_of_the_plane(tmp_path):
    grid = Grid((6, 7), np.diag([1.5, 1, 1, 1]))
    path = Transform.displacement(np.ones((6, 7, 2)), grid).write(tmp_path / "t.h5")
    assert sitk.ReadTransform(str(path)).GetDimension() == 2


def test_slices_that_overlap_in_height_are_silent():
    check_axes(plane(0, 5), plane(2.4, 5))
    with pytest.warns(ImageWarning, match=r"up to 2\.6 mm beside"):
        check_axes(plane(0, 5), plane(2.6, 5))


def test_a_slice_that_is_tilted_is_said():
    tilted = plane(0)
    tilted.affine[:3, :3] = turn(0.3, 0, 0)
    with pytest.warns(ImageWarning, match=rf"up to {4 * np.sin(0.3):.4g} mm"):
        check_axes(tilted, plane(0))
