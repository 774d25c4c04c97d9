"""Files: what is in them, that they come back, that nothing is half-written."""

import gzip

import h5py
import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from world import Case, make_grid, smooth, smooth_vectors

from autoreg_jax.data import write_displacement
from autoreg_jax.errors import TransformError
from autoreg_jax.transforms import (
    Displacement,
    Grid,
    InverseDisplacement,
    Transform,
    read_chain,
)

angles = st.floats(-1.5, 1.5)
spacings = st.floats(0.3, 4.0)
places = st.floats(-200, 200)


@st.composite
def grids(draw, ndim=None):
    d = ndim or draw(st.sampled_from([2, 3]))
    shape = tuple(draw(st.integers(2, 6)) for _ in range(d))
    spacing = [draw(spacings) for _ in range(d)]
    turned = [draw(angles) for _ in range(3)] if d == 3 else [0, 0, draw(angles)]
    middle = [draw(places) for _ in range(d)] + [0.0] * (3 - d)
    return make_grid(shape, spacing, turned, middle, draw(st.sampled_from([1.0, -1.0])))


def vectors_of(grid, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1, (*grid.shape, grid.ndim))


def same(one, other, points, tolerance=1e-4):
    np.testing.assert_allclose(one(points), other(points), atol=tolerance)


@settings(deadline=None, max_examples=20, derandomize=True)
@given(
    d=st.sampled_from([2, 3]),
    seed=st.integers(0, 1000),
    ending=st.sampled_from([".mat", ".tfm", ".h5"]),
)
def test_affine_maps_come_back(tmp_path_factory, d, seed, ending):
    rng = np.random.default_rng(seed)
    matrix = np.eye(d + 1)
    matrix[:-1] += rng.normal(0, 0.2, (d, d + 1))
    matrix[:-1, -1] *= 100
    path = tmp_path_factory.mktemp("t") / f"a{ending}"
    again = Transform.read(Transform.affine(matrix).write(path))
    assert again.ndim == d
    np.testing.assert_allclose(again.links[0].matrix, matrix, atol=1e-12)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    grid=grids(),
    seed=st.integers(0, 1000),
    file=st.sampled_from(
        [
            ("t.tfm", None),
            ("t.h5", None),
            ("t.nii", "ras"),
            ("t.nii.gz", "ants"),
            ("t.nii.gz", None),
            ("disp.nii.gz", "learn2reg"),
            ("disp.npz", None),
        ]
    ),
)
def test_displacements_come_back(tmp_path_factory, grid, seed, file):
    name, layout = file
    ours = Transform.displacement(vectors_of(grid, seed), grid)
    path = ours.write(tmp_path_factory.mktemp("t") / name, layout=layout)
    needs = grid if "disp" in name else None
    again = Transform.read(path, grid=needs, layout=layout)
    assert again.ndim == ours.ndim == grid.ndim
    (link,) = again.links
    assert isinstance(link, Displacement)
    assert link.grid.matches(grid)
    np.testing.assert_allclose(link.vectors, ours.links[0].vectors, atol=1e-5)


def test_a_chain_is_sampled_on_the_grid_of_its_first_map(case, tmp_path):
    path = case.chain.write(tmp_path / "w.nii.gz", layout="ants")
    (link,) = Transform.read(path).links
    assert link.grid.matches(case.fixed)
    np.testing.assert_allclose(
        link.vectors, case.chain.displacement_on(case.fixed), atol=1e-4
    )


def test_an_affine_map_is_sampled_on_a_given_grid(case, tmp_path):
    path = case.affine.write(tmp_path / "w.nii.gz", layout="ants", grid=case.moving)
    (link,) = Transform.read(path).links
    assert link.grid.matches(case.moving)
    inner = case.moving.points()[..., : case.ndim][(slice(1, -1),) * case.ndim]
    same(Transform.read(path), case.affine, inner)


def test_affine_maps_of_a_chain_are_multiplied(case, tmp_path):
    both = case.affine @ case.affine.inverse() @ case.affine
    again = Transform.read(both.write(tmp_path / "a.mat"))
    same(again, case.affine, case.points(), 1e-9)


def test_headers_are_as_itk_and_slicer_want_them(tmp_path):
    for shape, stored in (((5, 6, 7), (5, 6, 7, 1, 3)), ((5, 6), (5, 6, 1, 1, 2))):
        grid = Grid(shape, np.diag([1.0, 2.0, 3.0, 1.0]))
        d = len(shape)
        ours = Transform.displacement(np.ones((*shape, d)), grid)
        image = nibabel.load(ours.write(tmp_path / "1Warp.nii.gz", layout="ants"))
        assert image.shape == stored
        assert int(image.header["intent_code"]) == 1007
        assert image.header["dim"][:6].tolist() == [5, *stored]
        assert image.header.get_xyzt_units()[0] == "mm"
        assert image.header["qform_code"] > 0
        assert image.header["sform_code"] > 0
        np.testing.assert_allclose(image.affine, grid.affine)
        values = np.asarray(image.dataobj)[1, 1, 0, 0]
        np.testing.assert_array_equal(values, [-1, -1, 1][:d])
        image = nibabel.load(ours.write(tmp_path / "u.nii.gz"))
        assert image.shape == (*stored[:4], 3)
        assert int(image.header["intent_code"]) == 1006
        values = np.asarray(image.dataobj)[1, 1, 0, 0]
        np.testing.assert_array_equal(values, [1, 1, 1 if d == 3 else 0])


def test_our_own_displacement_is_read(case, tmp_path):
    vectors = case.field.links[0].vectors
    shape = (*case.fixed.shape, 1)[:3]
    path = write_displacement(
        tmp_path / "u.nii.gz", vectors.reshape(*shape, 3), case.fixed.affine
    )
    same(Transform.read(path), case.field, case.points())


def test_layout_overrules_the_header(tmp_path):
    grid = Grid((4, 5, 6), np.eye(4))
    image = nibabel.Nifti1Image(np.ones((4, 5, 6, 1, 3), np.float32), np.eye(4))
    image.header["intent_code"] = 1007
    nibabel.save(image, tmp_path / "old.nii.gz")
    for layout, expected in (("ras", [1, 1, 1]), (None, [-1, -1, 1])):
        field = Transform.read(tmp_path / "old.nii.gz", layout=layout)
        np.testing.assert_array_equal(field.displacement_on(grid)[1, 1, 1], expected)


def test_learn2reg_evaluates_what_we_mean(tmp_path):
    # As the challenge does: map_coordinates(moving, identity + disp), nearest.
    case = Case(3)
    moving = smooth(case.fixed.shape, 8)
    path = case.field.write(tmp_path / "disp_0001_0002.npz")
    disp = np.load(path)["arr_0"]
    assert disp.shape == (*case.fixed.shape, 3)
    where = np.indices(case.fixed.shape) + disp.transpose(3, 0, 1, 2)
    expected = ndimage.map_coordinates(moving, where, order=0)
    found = case.field.apply(moving, case.fixed, case.fixed, "nearest")
    inner = (slice(3, -3),) * 3
    np.testing.assert_array_equal(found[inner], expected[inner])
    image = nibabel.load(case.field.write(tmp_path / "d.nii.gz", layout="learn2reg"))
    assert image.shape == disp.shape
    np.testing.assert_array_equal(image.get_fdata(dtype=np.float32), disp)
    first = tmp_path / "disp_first.npz"
    np.savez(first, disp.transpose(3, 0, 1, 2).astype(np.float16))
    again = Transform.read(first, grid=case.fixed)
    same(again, case.field, case.points(), 1e-2)


def test_old_spelling_and_single_precision(case, tmp_path):
    path = case.field.write(tmp_path / "t.h5")
    old = tmp_path / "old.h5"
    with h5py.File(path) as new, h5py.File(old, "w") as file:
        source, target = new["TransformGroup/0"], file.create_group("TransformGroup/0")
        name = source["TransformType"][0].decode().replace("double", "float")
        target["TransformType"] = [name]
        for key in ("TransformParameters", "TransformFixedParameters"):
            target[key.replace("Transform", "Tranform")] = source[key][()].astype("f4")
    same(Transform.read(old), case.field, case.points())


def test_chain_of_files_in_the_order_of_ants(case, tmp_path):
    warp = case.field.write(tmp_path / "1Warp.nii.gz", layout="ants")
    affine = case.affine.write(tmp_path / "0GenericAffine.mat")
    p = case.points()
    forward = read_chain([warp, affine])
    same(forward, case.chain, p)
    same(read_chain([f"[{affine}, 0]"]), case.affine, p)
    backward = read_chain([f"[{affine},1]", f"[{warp},1]"])
    np.testing.assert_allclose(backward(forward(p)), p, atol=1e-3)
    assert isinstance(backward.links[0], InverseDisplacement)


@pytest.mark.parametrize("name", ["t.mat", "t.tfm", "t.h5", "t.nii.gz", "t.npz"])
def test_an_interrupted_write_leaves_the_old_file(case, tmp_path, monkeypatch, name):
    ours = case.affine
    path = ours.write(tmp_path / "new" / name, grid=case.fixed)
    old = path.read_bytes()

    def fail(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(KeyboardInterrupt):
        case.affine.inverse().write(path, grid=case.fixed)
    assert path.read_bytes() == old
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", ["t.mat", "t.tfm", "t.h5", "t.nii.gz", "t.npz"])
def test_truncated_files(tmp_path, name):
    grid = Grid((6, 5, 4), np.eye(4))
    ours = Transform.affine(np.eye(4))
    if name != "t.mat":
        ours = Transform.displacement(smooth_vectors(grid.shape, 3, 1, 1.0), grid)
    content = ours.write(tmp_path / name).read_bytes()
    for part in (0.0, 0.3, 0.7, 0.95):
        (tmp_path / name).write_bytes(content[: int(part * len(content))])
        with pytest.raises(TransformError, match=f"{name}: cannot be used"):
            Transform.read(tmp_path / name, grid=grid)


def text(*lines):
    return "\n".join(["#Insight Transform File V1.0", *lines]).encode()


AFFINE = "Transform: AffineTransform_double_3_3"
TWELVE = "Parameters: 1 0 0 0 1 0 0 0 1 0 0 0"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello", "does not begin with"),
        (b"\xff\xfe\x00", "does not begin with"),
        (text(), "contains no transform"),
        (text("Parameters: 1 2"), "comes before any transform"),
        (text(AFFINE, "Parameters: 1 2", "FixedParameters: 0 0 0"), "12 parameters"),
        (text(AFFINE, TWELVE, "FixedParameters: 0"), "of the centre, found 12 and 1"),
        (text(AFFINE, TWELVE.replace("1", "x")), "could not convert"),
        (text(AFFINE, TWELVE.replace("1", "nan")), "not finite"),
        (text(AFFINE, TWELVE.replace("1", "0")), "singular"),
        (text(AFFINE, TWELVE, AFFINE, TWELVE), "2 transforms that are not one"),
        (text("Transform: AzimuthTransform_double_3_3"), "AzimuthTransform are not"),
        (text("Transform: BSplineTransform_double_3_3"), "18 fixed parameters"),
        (text("Transform: AffineTransform_double_4_4"), "of the plane or of space"),
        (text("Transform: nonsense"), "'nonsense' is no transform"),
        (text("Transform: VersorTransform_double_2_2"), "None parameters"),
        (
            text("Transform: DisplacementFieldTransform_double_2_2", "Parameters: 1"),
            "10 fixed parameters",
        ),
        (
            text(
                "Transform: CompositeTransform_double_3_3",
                "Transform: TranslationTransform_double_3_3",
                "Parameters: 1 2 3",
                "Transform: TranslationTransform_double_2_2",
                "Parameters: 1 2",
            ),
            "mixes",
        ),
    ],
)
def test_bad_text(tmp_path, content, message):
    path = tmp_path / "bad.tfm"
    path.write_bytes(content)
    with pytest.raises(TransformError, match=message) as caught:
        Transform.read(path)
    assert str(path) in str(caught.value)


def test_names_of_older_itk(tmp_path):
    (tmp_path / "Affine.txt").write_bytes(
        text(
            "# Transform 0",
            "Transform: MatrixOffsetTransformBase_double_2_2",
            "Parameters: 2 0 0 1 5 6",
            "FixedParameters: 1 0",
            "",
        )
    )
    # LPS: x' = 2 (x - 1) + 1 + 5, y' = y + 6.
    found = Transform.read(tmp_path / "Affine.txt")([[-3.0, -4.0]])
    np.testing.assert_allclose(found, [[-10.0, -10.0]])
    path = Transform().write(tmp_path / "i.mat")
    np.testing.assert_array_equal(Transform.read(path).links[0].matrix, np.eye(4))


def image_of(shape, intent=0):
    image = nibabel.Nifti1Image(np.zeros(shape, np.float32), np.eye(4))
    image.header["intent_code"] = intent
    return image.to_bytes()


def not_finite():
    array = np.full((4, 4, 4, 1, 3), np.nan, np.float32)
    image = nibabel.Nifti1Image(array, np.eye(4))
    image.header["intent_code"] = 1007
    return image.to_bytes()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.png", b"", "must end in one of"),
        ("t.mat", b"hello", "not a readable MATLAB file of ITK"),
        ("t.h5", b"hello", "not a readable HDF5 file of ITK"),
        ("t.npz", b"hello", "not a readable NumPy archive"),
        ("t.nii", b"hello", "not a readable NIfTI image"),
        (
            "t.nii.gz",
            gzip.compress(b"hello", mtime=0)[:-4],
            "not a readable NIfTI image",
        ),
        ("t.nii", image_of((4, 4, 4)), "a displacement has the shape"),
        ("t.nii", image_of((4, 4, 4, 1, 6)), "a displacement has the shape"),
        ("t.nii", image_of((4, 4, 4, 1, 3)), r"header \(intent 0\) does not"),
        ("t.nii", image_of((4, 4, 4, 3), intent=2006), "give --fsl-source"),
        ("t.nii.gz", gzip.compress(not_finite(), mtime=0), "NaN or infinite"),
    ],
)
def test_bad_files(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(TransformError, match=message):
        Transform.read(path)


def test_missing_and_unfitting_files(tmp_path):
    with pytest.raises(TransformError, match="no such transform"):
        Transform.read(tmp_path / "no.h5")
    grid = Grid((4, 5, 6), np.eye(4))
    path = tmp_path / "d.npz"
    Transform.displacement(np.zeros((4, 5, 6, 3)), grid).write(path)
    with pytest.raises(TransformError, match=r"\(4, 5, 7, 3\), found \(4, 5, 6, 3\)"):
        Transform.read(path, grid=Grid((4, 5, 7), np.eye(4)))
    np.savez(path, a=np.zeros(3), b=np.zeros(3))
    with pytest.raises(TransformError, match="of one array"):
        Transform.read(path, grid=grid)
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["TransformGroup/0/TransformType"] = ["AffineTransform_double_3_3"]
    with pytest.raises(TransformError, match="12 parameters"):
        Transform.read(tmp_path / "t.h5")


def test_what_a_format_cannot_hold(tmp_path, case):
    before = list(tmp_path.iterdir())
    for make, message in (
        (lambda: case.chain.write(tmp_path / "t.mat"), "and no displacement"),
        (lambda: case.affine.write(tmp_path / "t.nii"), "no grid of its own"),
        (lambda: case.affine.write(tmp_path / "t.xyz"), "must end in one of"),
    ):
        with pytest.raises(TransformError, match=message):
            make()
    sheared = np.eye(4)
    sheared[0, 1] = 0.5
    field = Transform.displacement(np.zeros((4, 4, 4, 3)), Grid((4, 4, 4), sheared))
    with pytest.raises(TransformError, match="right angles"):
        field.write(tmp_path / "t.nii", layout="ants")
    assert list(tmp_path.iterdir()) == before
