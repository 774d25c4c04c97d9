"""Every file that cannot be used is refused with its name and a remedy."""

import gzip

import nibabel as nib
import numpy as np
import pytest

from autoreg_jax.data import read_image, read_labels
from autoreg_jax.data.images import read_vectors
from autoreg_jax.errors import DataError, GeometryError


def save(path, array, affine=None):
    affine = np.eye(4) if affine is None else affine
    nib.save(nib.Nifti1Image(array, affine), path)


def missing(path):
    pass


def directory(path):
    path.mkdir()


def text(path):
    path.write_text("these are no voxels")


def compressed_text(path):
    path.write_bytes(gzip.compress(b"these are no voxels either"))


def empty(path):
    path.write_bytes(b"")


def truncated(path):
    rng = np.random.default_rng(0)
    save(path, rng.normal(size=(8, 8, 8)).astype(np.float32))
    path.write_bytes(path.read_bytes()[:-500])


def corrupt(path):
    save(path, np.random.default_rng(0).normal(size=(8, 8, 8)).astype(np.float32))
    content = bytearray(path.read_bytes())
    content[700:720] = bytes(20)
    path.write_bytes(bytes(content))


def short_inside(path):
    save(path, np.zeros((8, 8, 8), np.float32))
    whole = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(whole[:-64]))


def four_axes(path):
    save(path, np.zeros((4, 4, 4, 2), np.float32))


def one_axis(path):
    save(path, np.zeros((4,), np.float32))


def no_voxels(path):
    save(path, np.zeros((4, 0, 4), np.float32))


def not_a_number(path):
    array = np.zeros((4, 4, 4), np.float32)
    array[1, 2, 3] = np.nan
    save(path, array)


def infinite(path):
    array = np.zeros((4, 4, 4), np.float32)
    array[1, 2, 3] = np.inf
    save(path, array)


def too_large(path):
    save(path, np.full((4, 4, 4), 1e300))


def colours(path):
    channels = [("R", "u1"), ("G", "u1"), ("B", "u1")]
    save(path, np.zeros((4, 4, 4), channels))


def complex_numbers(path):
    save(path, np.zeros((4, 4, 4), np.complex64))


BAD = {
    missing: "does not exist",
    directory: "is a directory",
    text: "not a readable NIfTI",
    compressed_text: "not a readable NIfTI",
    empty: "not a readable NIfTI",
    truncated: "not a readable NIfTI",
    corrupt: "not a readable NIfTI",
    short_inside: "not a readable NIfTI",
    four_axes: r"\(4, 4, 4, 2\)",
    one_axis: "two or three axes",
    no_voxels: "no voxels",
    not_a_number: "1 of 64 voxels are NaN",
    infinite: "1 of 64 voxels are NaN or infinite",
    too_large: "64 of 64 voxels|above 2147483647",
    colours: "no single grey value",
    complex_numbers: "no single grey value",
}


@pytest.mark.parametrize("read", [read_image, read_labels])
@pytest.mark.parametrize(
    ("make", "message"), BAD.items(), ids=lambda p: getattr(p, "__name__", "")
)
def test_bad_file(tmp_path, make, message, read):
    path = tmp_path / "case.nii.gz"
    make(path)
    with pytest.raises(DataError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["case.png", "case.dcm", "case", "case.gz"])
def test_bad_extension(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"something")
    with pytest.raises(DataError, match=r"an image must be a file of \.nii\.gz, \.nii"):
        read_image(path)


@pytest.mark.parametrize("value", [0.5, -1.0, 2.0**31])
def test_bad_label(tmp_path, value):
    array = np.zeros((4, 4, 4), np.float32)
    array[0, 0, :3] = value
    path = tmp_path / "seg.nii.gz"
    save(path, array)
    with pytest.raises(DataError, match=r"seg\.nii\.gz: 3 voxels are not valid labels"):
        read_labels(path)


def test_bad_affine(tmp_path):
    path = tmp_path / "flat.nii.gz"
    image = nib.Nifti1Image(np.zeros((4, 4, 4), np.float32), np.eye(4))
    image.header["sform_code"], image.header["qform_code"] = 1, 0
    image.header["srow_x"] = image.header["srow_y"] = image.header["srow_z"] = 0
    image.header["vox_offset"] = 352
    path.write_bytes(gzip.compress(image.header.binaryblock + bytes(4 + 256)))
    with pytest.raises(GeometryError, match=r"flat\.nii\.gz: the affine"):
        read_image(path)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (4, 4, 4, 1, 2), (4, 4, 4, 2, 3)])
def test_bad_vectors(tmp_path, shape):
    path = tmp_path / "v.nii.gz"
    save(path, np.zeros(shape, np.float32))
    with pytest.raises(DataError, match="a vector field must"):
        read_vectors(path)
