"""The linear part of an alignment goes on where the displacement ends.

A registration writes a displacement and the affine map that follows it. The command,
the result in Python, ITK and ANTs agree, with the two files as with one composite.
"""

import json
import re

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from world import from_itk, itk_points, make_grid, smooth_vectors, turn

from autoreg_jax import inference
from autoreg_jax.cli import main
from autoreg_jax.data import PairFiles, read_image, write_volume
from autoreg_jax.errors import ImageWarning
from autoreg_jax.geometry import Grid, Volume
from autoreg_jax.transforms import Displacement, Transform, doubts, read_chain

MM = 1e-3


def body(points):
    """An object without symmetry about the origin, 0 beyond 36 mm."""
    rng = np.random.default_rng(3)
    value = np.zeros(points.shape[:-1])
    for centre in rng.uniform(-18, 18, (9, 3)) * [1, 1, 0.5]:
        value += rng.uniform(0.4, 1) * np.exp(-((points - centre) ** 2).sum(-1) / 100)
    radius = np.linalg.norm(points / [36, 28, 32], axis=-1)
    return (100 * (0.4 + value) * (radius < 1)).astype(np.float32)


def make_pair(folder, ndim):
    """An object; the same object turned and 95 mm away; a larger, oblique reference."""
    # The shape of test_anything_to_compare, whose programs it shares.
    shape, spacing = (20, 20, 20), (5.5, 5.0, 4.5)
    if ndim == 2:
        shape, spacing = (48, 40), (2.0, 2.5)
    angles = (0.1, -0.2, 0.3) if ndim == 3 else (0, 0, 0.3)
    fixed = make_grid(shape, spacing, angles, (0, 0, 0))
    matrix = np.eye(4)
    matrix[:3, :3] = turn(0.1, 0.15, -0.2) if ndim == 3 else turn(0, 0, 0.2)
    matrix[:3, 3] = 90, -30, 0
    array = body(fixed.points())
    write_volume(folder / "f.nii.gz", Volume(array, fixed.affine))
    write_volume(folder / "m.nii.gz", Volume(array, matrix @ fixed.affine))
    large = make_grid(tuple(2 * n for n in shape), spacing, angles, (20, -5, 0))
    empty = np.zeros(large.shape, np.float32)
    write_volume(folder / "r.nii.gz", Volume(empty, large.affine))
    return body(large.points())


def run(folder, *words):
    """Run the command in a folder; it must succeed."""
    inside = re.compile(r"\w+\.\w[\w.]*|o_\w*")
    words = [str(folder / w) if inside.fullmatch(w) else w for w in map(str, words)]
    assert main(words) == 0


def in_itk(folder):
    """The map as ITK reads it: the two files, or the composite of a plane."""
    if read_image(folder / "f.nii.gz").ndim == 2:
        # ITK knows no displacement in space on a grid of a plane.
        return sitk.ReadTransform(str(folder / "w.h5"))
    field = sitk.ReadImage(
        str(folder / "o_displacement.nii.gz"), sitk.sitkVectorFloat64
    )
    affine = sitk.ReadTransform(str(folder / "o_affine.mat"))
    # A composite applies its last part first.
    return sitk.CompositeTransform([affine, sitk.DisplacementFieldTransform(field)])


def itk_image(path, dimension):
    """An image in ITK, which reads a plane as a volume of one slice."""
    image = sitk.ReadImage(str(path))
    return image if dimension == 3 else image[:, :, 0]


@pytest.fixture(
    scope="module",
    params=[pytest.param(2, marks=pytest.mark.slow), 3],
    ids=["plane", "volume"],
)
def registered(request, tmp_path_factory):
    """Folder of an aligned registration that the command has written."""
    folder = tmp_path_factory.mktemp("aligned")
    make_pair(folder, request.param)
    words = ["register", "-f", "f.nii.gz", "-m", "m.nii.gz", "--affine", "rigid"]
    run(folder, *words, "--refine", 2, "-o", "o_")
    run(folder, *words, "--refine", 2, "--warp", "w.h5")
    return folder


def test_on_a_larger_reference_the_object_is_there_once(registered):
    """As ITK shows it; with the field alone it was there twice."""
    words = ["-i", "m.nii.gz", "-r", "r.nii.gz", "-o", "x.nii.gz"]
    run(registered, "apply", *words, "-t", "o_displacement.nii.gz", "o_affine.mat")
    found = read_image(registered / "x.nii.gz")
    itk = in_itk(registered)
    moving, reference = (
        itk_image(registered / name, itk.GetDimension())
        for name in ("m.nii.gz", "r.nii.gz")
    )
    expected = sitk.Resample(moving, reference, itk, sitk.sitkLinear, 0.0)
    expected = from_itk(expected).reshape(found.shape)
    np.testing.assert_allclose(found.array, expected, atol=1e-3 * expected.max())
    wanted = body(found.grid.points())
    assert found.array.sum() == pytest.approx(wanted.sum(), rel=0.02)
    far = np.linalg.norm(found.grid.points(), axis=-1) > 50
    assert np.abs(found.array[far]).max() < 1


def test_points_beyond_the_field_follow_the_alignment(registered):
    grid = read_image(registered / "f.nii.gz").grid
    rng = np.random.default_rng(0)
    index = rng.uniform(-8, np.array(grid.shape) + 8, (80, grid.ndim))
    points = grid.to_world(index)
    chain = read_chain(
        [registered / "o_displacement.nii.gz", registered / "o_affine.mat"]
    )
    itk, expected = in_itk(registered), points.copy()
    d = itk.GetDimension()
    expected[:, :d] = itk_points(itk, points[:, :d])
    np.testing.assert_allclose(chain(points), expected, atol=MM)
    assert np.linalg.norm(expected - points, axis=-1).min() > 50
    lines = [",".join(map(repr, row)) for row in expected.tolist()]
    (registered / "p.csv").write_text("\n".join(["x,y,z", *lines]))
    words = [
        "-i",
        "p.csv",
        "-o",
        "q.csv",
        "-t",
        "o_displacement.nii.gz",
        "o_affine.mat",
    ]
    run(registered, "apply", *words)
    table = np.loadtxt(registered / "q.csv", delimiter=",", skiprows=1)
    far = np.any((index < -2) | (index > np.array(grid.shape) + 1), -1)
    np.testing.assert_allclose(table[far], points[far], atol=2 * MM)


def test_one_composite_is_the_same_map(registered):
    two = read_chain(
        [registered / "o_displacement.nii.gz", registered / "o_affine.mat"]
    )
    one = Transform.read(registered / "w.h5")
    grid = read_image(registered / "r.nii.gz").grid
    np.testing.assert_allclose(
        one.displacement_on(grid), two.displacement_on(grid), atol=MM
    )
    itk = sitk.ReadTransform(str(registered / "w.h5"))
    points, d = grid.points().reshape(-1, 3)[::37], itk.GetDimension()
    found = itk_points(itk, points[:, :d])
    np.testing.assert_allclose(found, one(points)[:, :d], atol=MM)


def test_python_and_files_agree(registered):
    result = inference.register(
        registered / "f.nii.gz", registered / "m.nii.gz", affine="rigid", refine=2
    )
    two = read_chain(
        [registered / "o_displacement.nii.gz", registered / "o_affine.mat"]
    )
    grid = read_image(registered / "r.nii.gz").grid
    points = grid.points().reshape(-1, 3)[::11]
    np.testing.assert_allclose(result.points_to_moving(points), two(points), atol=MM)
    there = two(points)
    np.testing.assert_allclose(
        result.points_to_fixed(there), two.points_to_fixed(there), atol=MM
    )
    np.testing.assert_allclose(
        result.displacement_mm, two.displacement_on(result.fixed.grid), atol=MM
    )
    summary = json.loads((registered / "o_summary.json").read_text())
    length = np.linalg.norm(result.displacement_mm, axis=-1)
    assert summary["displacement_max_mm"] == pytest.approx(length.max(), rel=1e-4)
    assert summary["displacement_mean_mm"] > 80


def test_everything_in_one_field_on_request(registered):
    words = ["register", "-f", "f.nii.gz", "-m", "m.nii.gz", "--affine", "rigid"]
    run(registered, *words, "--refine", 2, "-o", "o_one_", "--one-field")
    assert not (registered / "o_one_affine.mat").exists()
    run(registered, *words, "--refine", 2, "--warp", "w.nii.gz")
    two = read_chain(
        [registered / "o_displacement.nii.gz", registered / "o_affine.mat"]
    )
    grid = read_image(registered / "f.nii.gz").grid
    for name in ("o_one_displacement.nii.gz", "w.nii.gz"):
        one = Transform.read(registered / name)
        assert len(one.links) == 1
        np.testing.assert_allclose(
            one.displacement_on(grid), two.displacement_on(grid), atol=MM
        )


def test_an_alignment_alone_writes_the_same_two_files(tmp_path):
    make_pair(tmp_path, 2)
    words = ["register", "-f", "f.nii.gz", "-m", "m.nii.gz", "--affine-only"]
    run(tmp_path, *words, "-o", "o_", "--json")
    chain = read_chain([tmp_path / "o_displacement.nii.gz", tmp_path / "o_affine.mat"])
    matrix = json.loads((tmp_path / "o_summary.json").read_text())["alignment"][
        "matrix"
    ]
    np.testing.assert_allclose(chain.links[0].full, matrix, atol=1e-9)
    np.testing.assert_array_equal(chain.links[1].vectors, 0)
    run(tmp_path, *words, "--warp", "w.tfm")
    (affine,) = Transform.read(tmp_path / "w.tfm").links
    np.testing.assert_allclose(affine.full, matrix, atol=1e-9)
    itk = sitk.ReadTransform(str(tmp_path / "w.tfm"))
    assert itk.GetName() == "AffineTransform"


def test_an_affine_map_of_an_earlier_run_does_not_stay(tmp_path, capsys):
    make_pair(tmp_path, 2)
    words = ["register", "-f", "f.nii.gz", "-m", "m.nii.gz", "-o", "o_"]
    run(tmp_path, *words, "--affine-only")
    assert (tmp_path / "o_affine.mat").is_file()
    capsys.readouterr()
    run(tmp_path, *words, "--affine-only", "--one-field")
    assert not (tmp_path / "o_affine.mat").exists()
    assert "o_affine.mat: of an earlier run, removed" in capsys.readouterr().err
    run(tmp_path, *words, "--affine-only", "--one-field")
    assert "earlier run" not in capsys.readouterr().err


def test_many_pairs_have_their_affine_maps(tmp_path):
    make_pair(tmp_path, 2)
    pairs = [
        PairFiles(tmp_path / "f.nii.gz", tmp_path / "m.nii.gz"),
        PairFiles(tmp_path / "m.nii.gz", tmp_path / "m.nii.gz"),
    ]
    found = inference.register_many(pairs, tmp_path / "out_", refine=1)
    names = [[path.name for path in s["files"]] for s in found.values()]
    assert "out_m_to_f_affine.mat" in names[0]
    assert len(names[1]) == 3
    assert not (tmp_path / "out_m_to_m_affine.mat").exists()


def test_half_of_a_registration_is_noticed(registered, capsys):
    """The displacement alone, or in the wrong order, loses the alignment."""
    words = ["apply", "-i", "m.nii.gz", "-r", "f.nii.gz", "-o", "x.nii.gz"]
    field, affine = "o_displacement.nii.gz", "o_affine.mat"
    capsys.readouterr()
    for chain in ([field], [affine, field]):
        run(registered, *words, "-t", *chain)
        said = capsys.readouterr().err
        assert "autoreg apply: warning: o_affine.mat: this affine map follows" in said
    for chain in ([field, affine], [field, affine, "--inverse"]):
        run(registered, *words, "-t", *chain)
        assert "o_affine.mat" not in capsys.readouterr().err
    inverse = read_chain([registered / field]).inverse()
    assert "o_affine.mat" in doubts(inverse, [], "points")[0]


@pytest.fixture
def shift():
    """5 mm along x on a grid from -0.5 to 9.5 mm."""
    grid = Grid((10, 10, 10), np.eye(4))
    vectors = np.zeros((10, 10, 10, 3))
    vectors[..., 0] = 5
    return Transform.displacement(vectors, grid)


def test_places_outside_are_counted(shift):
    points = np.zeros((8, 3))
    points[:, 0] = [-9, -1, -0.4, 0, 5, 9.4, 9.6, 20]
    (sentence,) = doubts(shift, [points], "points of p.csv")
    assert sentence.startswith("4 of 8 points of p.csv (50 %) lie outside of the disp")
    assert "x -0 to 10" in sentence
    assert "by up to 5 mm" in sentence
    assert doubts(shift, [points[2:6]], "points") == []
    # What comes from inside lies up to 5 mm beyond.
    (sentence,) = doubts(shift.inverse(), [points], "points")
    assert sentence.startswith("2 of 8 ")
    # An affine map before it moves the places, one after it does not.
    there = Transform.affine(np.eye(4) + np.eye(4, k=3) * 20)
    assert doubts(shift @ there, [points], "points")[0].startswith("8 of 8 ")
    assert doubts(there @ shift, [points], "points")[0].startswith("4 of 8 ")
    assert doubts(there, [points], "points") == []


def test_a_field_that_ends_without_a_step_leaves_nothing_out(shift):
    vectors = smooth_vectors((10, 10, 10), 3, 0, 2.0)
    for axis in range(3):
        part = np.moveaxis(vectors, axis, 0)
        part[0] = part[-1] = 0
    still = Transform.displacement(vectors, shift.links[0].grid)
    assert doubts(still, [np.full((4, 3), 50.0)], "points") == []


def test_the_command_counts_points_and_voxels(shift, tmp_path, capsys):
    shift.write(tmp_path / "u.nii.gz")
    write_volume(
        tmp_path / "i.nii.gz", Volume(np.ones((10, 10, 10), np.float32), np.eye(4))
    )
    wide = Volume(np.zeros((20, 10, 10), np.float32), np.eye(4))
    write_volume(tmp_path / "r.nii.gz", wide)
    (tmp_path / "p.csv").write_text("x,y,z\n5,5,5\n40,5,5\n60,5,5\n70,5,5\n")
    words = ["apply", "-t", "u.nii.gz", "-i"]
    run(tmp_path, *words, "p.csv", "-o", "q.csv")
    assert "3 of 4 points of p.csv (75 %) lie outside" in capsys.readouterr().err
    run(tmp_path, *words, "i.nii.gz", "-r", "r.nii.gz", "-o", "x.nii.gz")
    said = capsys.readouterr().err
    assert "1000 of 2000 voxels of" in said
    assert "(50 %)" in said
    run(tmp_path, *words, "i.nii.gz", "-r", "i.nii.gz", "-o", "x.nii.gz")
    assert capsys.readouterr().err == ""


def test_apply_files_warns_in_python(shift, tmp_path):
    shift.write(tmp_path / "u.nii.gz")
    (tmp_path / "p.csv").write_text("x,y,z\n50,5,5\n")
    with pytest.warns(ImageWarning, match=r"1 of 1 points of p.csv .100 %."):
        inference.apply_files(
            tmp_path / "p.csv", [str(tmp_path / "u.nii.gz")], tmp_path / "q.csv"
        )


def test_the_name_of_the_affine_map_is_in_the_header(tmp_path):
    grid = Grid((4, 4, 4), np.eye(4))
    field = Displacement(np.zeros((4, 4, 4, 3)), grid, followed_by="aff\u00efne.mat")
    Transform((field,)).write(tmp_path / "u.nii.gz")
    (again,) = Transform.read(tmp_path / "u.nii.gz").links
    assert again.followed_by == "aff\u00efne.mat"
    image = nibabel.load(tmp_path / "u.nii.gz")
    image.header["descrip"] = b"FSL5.0"
    nibabel.save(image, tmp_path / "v.nii.gz")
    (other,) = Transform.read(tmp_path / "v.nii.gz").links
    assert other.followed_by == ""


def test_ants_takes_the_two_files(registered):
    ants = pytest.importorskip("ants", reason="antspyx is in the extra peers")
    if read_image(registered / "f.nii.gz").ndim == 2:
        pytest.skip("ITK knows no displacement in space on a grid of a plane")
    fixed, moving = (
        ants.image_read(str(registered / n)) for n in ("r.nii.gz", "m.nii.gz")
    )
    chain = ["o_displacement.nii.gz", "o_affine.mat"]
    found = ants.apply_transforms(
        fixed, moving, [str(registered / name) for name in chain]
    ).numpy()
    words = ["-i", "m.nii.gz", "-r", "r.nii.gz", "-o", "x.nii.gz", "-t", *chain]
    run(registered, "apply", *words)
    expected = read_image(registered / "x.nii.gz").array
    np.testing.assert_allclose(
        found.reshape(expected.shape), expected, atol=1e-3 * expected.max()
    )
