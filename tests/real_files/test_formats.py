"""Images of other formats, and NIfTI files that are not what their name says."""

import gzip
import os
import sys

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from world import turn

from autoreg_jax.cli import main
from autoreg_jax.data import (
    ENDINGS,
    is_image_name,
    read_image,
    read_labels,
    read_mask,
    write_volume,
)
from autoreg_jax.data.images import read_grid
from autoreg_jax.errors import DataError, ImageWarning
from autoreg_jax.geometry import Volume
from autoreg_jax.transforms import Transform

AFFINE = np.eye(4)
AFFINE[:3, :3] = turn(0.2, -0.3, 0.4) * [-0.7, 1.5, 2.5]
AFFINE[:3, 3] = 10, -20, 30
SHEARED = np.eye(4)
SHEARED[:3, :3] = turn(0.1, 0.2, 0.3) @ [[1, 0.3, 0], [0, 2, 0], [0, 0.1, 3]]
ITK = (".nrrd", ".nhdr", ".mha", ".mhd")
FREESURFER = (".mgz", ".mgh")


def grey(shape=(4, 5, 6)):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def ids(shape=(4, 5, 6)):
    return np.resize(np.array([0, 7, 312782575], np.int32), shape)


def of_itk(array, affine):
    """An image of SimpleITK at a place in RAS."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    lps = np.diag([-1.0, -1, 1, 1]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    return image


def affine_of(image):
    """Place in RAS of an image of SimpleITK."""
    affine = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    affine[:3, :3] = direction * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return np.diag([-1.0, -1, 1, 1]) @ affine


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("upper", [False, True])
def test_images_and_labels_come_back_from_every_format(tmp_path, ending, upper):
    if upper and ending in (".mha", ".mhd"):
        with pytest.raises(DataError, match="in small letters only"):
            write_volume(tmp_path / f"a{ending.upper()}", Volume(grey(), AFFINE))
        return
    name = f"a b{ending.upper() if upper else ending}"
    written = Volume(grey(), AFFINE)
    path = write_volume(tmp_path / "new" / name, written)
    assert path == tmp_path / "new" / name
    read = read_image(path)
    np.testing.assert_array_equal(read.array, written.array)
    np.testing.assert_allclose(read.affine, AFFINE, atol=1e-5)
    header = read_grid(path)
    assert header.shape == written.shape
    np.testing.assert_allclose(header.affine, read.affine)
    labels = read_labels(write_volume(path, Volume(ids(), AFFINE)))
    np.testing.assert_array_equal(labels.array, ids())
    assert read_mask(path, read_image(path)).array.sum() == np.count_nonzero(ids())


@pytest.mark.parametrize("ending", ITK)
def test_itk_reads_what_is_written_and_the_contrary(tmp_path, ending):
    path = write_volume(tmp_path / f"ours{ending}", Volume(grey(), AFFINE))
    image = sitk.ReadImage(str(path))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image).T, grey())
    np.testing.assert_allclose(affine_of(image), AFFINE, atol=1e-6)
    theirs = tmp_path / f"theirs{ending}"
    sitk.WriteImage(of_itk(grey(), AFFINE), str(theirs))
    read = read_image(theirs)
    np.testing.assert_array_equal(read.array, grey())
    np.testing.assert_allclose(read.affine, AFFINE, atol=1e-6)


def test_nifti_and_metaimage_of_itk_are_one_image(tmp_path):
    image = of_itk(grey(), AFFINE)
    for name in ("a.mha", "a.nii.gz"):
        sitk.WriteImage(image, str(tmp_path / name))
    one, other = read_image(tmp_path / "a.mha"), read_image(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(one.array, other.array)
    np.testing.assert_allclose(one.affine, other.affine, atol=1e-4)


@pytest.mark.parametrize("ending", FREESURFER)
def test_nibabel_reads_what_is_written_for_freesurfer(tmp_path, ending):
    path = write_volume(tmp_path / f"a{ending}", Volume(grey(), AFFINE))
    content = path.read_bytes()
    content = gzip.decompress(content) if ending == ".mgz" else content
    image = nib.MGHImage.from_bytes(content)
    np.testing.assert_array_equal(np.asarray(image.dataobj), grey())
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-5)


@pytest.mark.parametrize("ending", [".nrrd", ".mha"])
def test_a_sheared_grid_keeps_its_shear(tmp_path, ending):
    path = write_volume(tmp_path / f"a{ending}", Volume(grey(), SHEARED))
    np.testing.assert_allclose(read_image(path).affine, SHEARED, atol=1e-6)


@pytest.mark.parametrize(
    ("space", "signs"),
    [("right-anterior-superior", (1, 1)), ("left-posterior-superior", (-1, -1))],
)
def test_the_space_of_nrrd_is_respected(tmp_path, space, signs):
    path = tmp_path / "a.nrrd"
    lines = ["NRRD0004", "type: uint8", "dimension: 3", f"space: {space}"]
    lines += ["sizes: 2 3 4", "space directions: (2,0,0) (0,3,0) (0,0,4)"]
    lines += ["kinds: domain domain domain", "encoding: raw", "endian: little"]
    lines += ["space origin: (10,20,30)", "", ""]
    path.write_bytes("\n".join(lines).encode() + bytes(range(24)))
    image = read_image(path)
    expected = np.diag([2 * signs[0], 3 * signs[1], 4, 1.0])
    expected[:3, 3] = 10 * signs[0], 20 * signs[1], 30
    np.testing.assert_allclose(image.affine, expected, atol=1e-6)
    np.testing.assert_array_equal(image.array.ravel("F"), range(24))


@pytest.mark.parametrize(
    ("unit", "factor"), [("mm", 1), ("um", 1e-3), ("microns", 1e-3), ("cm", 10)]
)
def test_units_of_nrrd_are_converted(tmp_path, unit, factor):
    path = tmp_path / "a.nrrd"
    lines = ["NRRD0004", "type: uint8", "dimension: 3", "sizes: 2 3 4"]
    lines += ["space: right-anterior-superior", f'space units: "{unit}" "{unit}" "mm"']
    lines += ["space directions: (2,0,0) (0,3,0) (0,0,4)", "encoding: raw", "", ""]
    path.write_bytes("\n".join(lines).encode() + bytes(range(24)))
    if factor == 1:
        assert read_image(path).spacing == pytest.approx((2, 3, 4))
        return
    with pytest.warns(ImageWarning, match=r"a\.nrrd: its lengths are"):
        image = read_image(path)
    # Each axis has a unit of its own.
    assert image.spacing == pytest.approx((2 * factor, 3 * factor, 4))


@pytest.mark.parametrize(
    "space",
    [
        "space: scanner-xyz",
        "space: 3D-right-handed",
        "space dimension: 3",
        "content: nothing else",
    ],
)
def test_nrrd_that_does_not_name_its_axes_is_a_warning(tmp_path, space):
    path = tmp_path / "a.nrrd"
    lines = ["NRRD0004", "type: uint8", "dimension: 3", "sizes: 2 3 4", space]
    place = "spacings: 2 3 4"
    if space.startswith("space"):
        place = "space directions: (2,0,0) (0,3,0) (0,0,4)"
    lines += [place, "encoding: raw", "", ""]
    path.write_bytes("\n".join(lines).encode() + bytes(range(24)))
    with pytest.warns(ImageWarning, match=r"a\.nrrd: its header names .* L, P, S"):
        image = read_image(path)
    stored = sitk.ReadImage(str(path))
    lps = np.array(stored.GetDirection()).reshape(3, 3) * stored.GetSpacing()
    expected = np.diag([-1, -1, 1]) @ lps
    np.testing.assert_allclose(image.affine[:3, :3], expected, atol=1e-6)


def test_a_picture_of_two_axes_is_a_plane(tmp_path):
    image = sitk.GetImageFromArray(np.arange(20, dtype=np.uint8).reshape(4, 5))
    image.SetSpacing((2.0, 3.0))
    image.SetOrigin((10.0, 20.0))
    sitk.WriteImage(image, str(tmp_path / "a.mha"))
    plane = read_image(tmp_path / "a.mha")
    assert (plane.shape, plane.spacing) == ((5, 4), (2, 3))
    np.testing.assert_allclose(plane.grid.to_world(np.zeros(2)), [-10, -20, 0])


def test_colours_are_refused(tmp_path):
    image = sitk.GetImageFromArray(np.zeros((4, 5, 6, 3), np.uint8), isVector=True)
    sitk.WriteImage(image, str(tmp_path / "a.nrrd"))
    for read in (read_image, read_grid):
        with pytest.raises(DataError, match=r"one channel; found the shape \(6, 5, 4"):
            read(tmp_path / "a.nrrd")


@pytest.mark.parametrize("ending", [*ITK, *FREESURFER])
def test_a_damaged_file_is_refused_with_its_name(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    for content in (b"", b"no image", os.urandom(600)):
        path.write_bytes(content)
        with pytest.raises(DataError, match="not a readable image") as caught:
            read_image(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_without_simpleitk_the_extra_is_named(tmp_path, monkeypatch):
    path = write_volume(tmp_path / "a.nrrd", Volume(grey(), AFFINE))
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    words = r"pip install \"autoreg_jax\[formats\]\""
    with pytest.raises(DataError, match=words):
        write_volume(tmp_path / "b.mha", Volume(grey(), AFFINE))
    with pytest.raises(DataError, match=words):
        read_image(path)
    assert not (tmp_path / "b.mha").exists()


def test_an_image_of_freesurfer_without_a_place_says_so(tmp_path):
    path = write_volume(tmp_path / "a.mgh", Volume(grey(), AFFINE))
    content = bytearray(path.read_bytes())
    content[28:30] = bytes(2)
    path.write_bytes(bytes(content))
    for read in (read_image, read_grid):
        with pytest.warns(ImageWarning, match="does not say where it lies"):
            image = read(path)
        theirs = nib.MGHImage.from_bytes(path.read_bytes())
        np.testing.assert_allclose(image.affine, theirs.affine)


def test_compressed_and_plain_are_told_apart_by_content(tmp_path):
    packed = write_volume(tmp_path / "a.nii.gz", Volume(grey(), AFFINE)).read_bytes()
    (tmp_path / "packed.nii").write_bytes(packed)
    (tmp_path / "plain.nii.gz").write_bytes(gzip.decompress(packed))
    for name in ("packed.nii", "plain.nii.gz"):
        np.testing.assert_array_equal(read_image(tmp_path / name).array, grey())
        assert read_grid(tmp_path / name).shape == (4, 5, 6)


def test_several_gzip_streams_are_one_file(tmp_path):
    plain = write_volume(tmp_path / "a.nii", Volume(grey(), AFFINE)).read_bytes()
    parts = gzip.compress(plain[:500]) + gzip.compress(plain[500:]) + bytes(512)
    (tmp_path / "b.nii.gz").write_bytes(parts)
    np.testing.assert_array_equal(read_image(tmp_path / "b.nii.gz").array, grey())


def test_bytes_behind_the_image_are_said(tmp_path):
    for name, number in (("a.nii", 37), ("a.nii.gz", 12)):
        path = write_volume(tmp_path / name, Volume(grey(), AFFINE))
        path.write_bytes(path.read_bytes() + b"x" * number)
        with pytest.warns(ImageWarning, match=rf"{name}: {number} bytes") as caught:
            image = read_image(path)
        assert len(caught) == 1
        np.testing.assert_array_equal(image.array, grey())


def test_a_header_with_too_few_voxels_is_said_with_its_shape(tmp_path):
    path = tmp_path / "a.nii"
    image = nib.Nifti1Image(grey((4, 5, 6, 2)), AFFINE)
    nib.save(image, path)
    content = bytearray(path.read_bytes())
    content[40:42] = np.int16(3).tobytes()
    path.write_bytes(bytes(content))
    with pytest.warns(ImageWarning, match=r"480 bytes follow .*\(4, 5, 6\)"):
        read_image(path)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_nifti_2_is_read_in_both_byte_orders(tmp_path, order, dtype):
    header = nib.Nifti2Header(endianness=order)
    array = ids().astype(dtype) if dtype == np.int64 else grey()
    header.set_data_dtype(np.dtype(dtype).newbyteorder(order))
    image = nib.Nifti2Image(array, AFFINE, header)
    image.set_sform(AFFINE, 4)
    nib.save(image, tmp_path / "a.nii.gz")
    read = read_labels if dtype == np.int64 else read_image
    volume = read(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(volume.array, array)
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-12)
    assert volume.space == 4
    assert read_grid(tmp_path / "a.nii.gz").shape == array.shape


def test_a_displacement_in_nifti_2_is_read(tmp_path):
    vectors = grey((4, 5, 6, 1, 3))
    image = nib.Nifti2Image(vectors, AFFINE)
    image.header.set_intent("displacement vector")
    nib.save(image, tmp_path / "u.nii")
    field = Transform.read(tmp_path / "u.nii").links[0]
    np.testing.assert_array_equal(field.vectors, vectors[:, :, :, 0])


def test_names_of_images():
    for name in ("a.nii", "A.NII.GZ", "b.Mha", "c.nhdr", "x/d.mgz"):
        assert is_image_name(name)
    for name in ("a.png", "a.gz", "nii", "a.nii.gz.txt", "a.mnc"):
        assert not is_image_name(name)


@pytest.mark.parametrize("ending", [".mha", ".NRRD", ".mgz", ".NII.GZ", ".nhdr"])
def test_the_command_reads_and_writes_every_format(tmp_path, ending):
    moving = write_volume(tmp_path / f"m{ending}", Volume(grey(), AFFINE))
    shift = Transform.affine(np.eye(4)).write(tmp_path / "id.tfm")
    out = tmp_path / f"out{ending}"
    words = ["apply", "-i", moving, "-r", moving, "-t", shift, "-o", out]
    assert main([str(word) for word in words]) == 0
    np.testing.assert_allclose(read_image(out).array, grey(), atol=1e-5)
    np.testing.assert_allclose(read_image(out).affine, AFFINE, atol=1e-5)


def test_a_file_that_may_not_be_read_is_no_file_that_cannot_be_written(
    tmp_path, monkeypatch
):
    path = write_volume(tmp_path / "a.nii.gz", Volume(grey(), AFFINE))

    def refuse(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(type(path), "read_bytes", refuse)
    with pytest.raises(DataError, match=r"a\.nii\.gz: cannot be read \(Permission"):
        read_image(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"/annex/objects/MD5E-s12--0.nii.gz\n", "datalad get"),
        (b"<!DOCTYPE html><html>not found</html>" * 20, "a web page"),
        (b"PK\3\4" + bytes(800), "a zip archive"),
    ],
)
@pytest.mark.parametrize("ending", [".nii.gz", ".mgz", ".nrrd"])
def test_what_is_in_the_place_of_an_image_is_said(tmp_path, content, message, ending):
    path = tmp_path / f"a{ending}"
    path.write_bytes(content)
    for read in (read_image, read_grid):
        with pytest.raises(DataError, match=message) as caught:
            read(path)
        assert str(path) in str(caught.value)


def test_colours_of_nifti_are_refused_by_their_names(tmp_path):
    colours = np.zeros((4, 5, 6), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(colours, AFFINE), tmp_path / "a.nii")
    with pytest.raises(DataError, match="voxels of type R, G, B have no single grey"):
        read_image(tmp_path / "a.nii")
