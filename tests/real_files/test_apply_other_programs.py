"""`autoreg apply` with files of other programs, as people call it."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from autoreg_jax.cli import main

SHAPE = (14, 16, 12)
AFFINE = np.array([[2.0, 0, 0, -13], [0, 2, 0, -15], [0, 0, 3, -17], [0, 0, 0, 1]])
RADIOLOGICAL = AFFINE @ np.diag([-1.0, 1, 1, 1]) + 13 * 2 * np.eye(4)[[0]].T * [
    0,
    0,
    0,
    1,
]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command in a folder with an image; its code, output and errors."""
    monkeypatch.chdir(tmp_path)
    values = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    nibabel.save(nibabel.Nifti1Image(values, AFFINE), "m.nii.gz")
    nibabel.save(nibabel.Nifti1Image(values[::-1], RADIOLOGICAL), "r.nii.gz")
    (tmp_path / "p.csv").write_text("x,y,z\n1,2,3\n")

    def call(*words):
        code = main(["apply", *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def values(name):
    return nibabel.load(name).get_fdata()


def rows(name):
    lines = Path(name).read_text().splitlines()
    return [[float(word) for word in line.split(",")] for line in lines[1:]]


# From the moving to the fixed image one voxel along FSL's x, which runs to the left.
FLIRT = "1 0 0 2\n0 1 0 0\n0 0 1 0\n0 0 0 1\n"


@pytest.mark.parametrize("moving", ["m.nii.gz", "r.nii.gz"])
@pytest.mark.parametrize("fixed", ["m.nii.gz", "r.nii.gz"])
def test_flirt_moves_to_the_left_in_any_storage(run, tmp_path, moving, fixed):
    (tmp_path / "flirt.mat").write_text(FLIRT)
    code, _, err = run("-i", moving, "-r", fixed, "-t", "flirt.mat", "-o", "o.nii.gz")
    assert code == 0
    assert "flirt.mat: it was read as a matrix of FSL from the input" in err
    step = 1 if fixed == "m.nii.gz" else -1
    found, expected = values("o.nii.gz")[::step], values("m.nii.gz")
    np.testing.assert_allclose(found[:-1], expected[1:], atol=1e-3)
    words = ["--fsl-source", moving, "--fsl-reference", fixed]
    assert run("-i", "p.csv", "-t", "flirt.mat", "-o", "o.csv", *words) == (
        0,
        "written: o.csv\n",
        "",
    )
    np.testing.assert_allclose(rows("o.csv"), [[-1, 2, 3]], atol=1e-5)


def test_the_images_of_flirt_are_not_guessed_in_a_chain(run, tmp_path):
    (tmp_path / "flirt.mat").write_text(FLIRT)
    head = "#Insight Transform File V1.0\nTransform: TranslationTransform_double_3_3\n"
    (tmp_path / "t.tfm").write_text(f"{head}Parameters: 1 0 0\nFixedParameters:\n")
    base = ["-i", "m.nii.gz", "-r", "m.nii.gz", "-o", "o.nii.gz"]
    for words in (
        ["-t", "t.tfm", "flirt.mat"],
        ["-t", "[flirt.mat,1]"],
        ["-t", "flirt.mat", "--inverse"],
    ):
        code, _, err = run(*base, *words)
        assert code == 2
        assert "give --fsl-source IMAGE" in err


def plane(name):
    head = "#Insight Transform File V1.0\nTransform: TranslationTransform_double_2_2\n"
    Path(name).write_text(f"{head}Parameters: 1 -2\nFixedParameters:\n")
    return name


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("x,y\n1,2\n", [[2, 0]]),
        ("x,y,z\n1,2,0\n", [[2, 0, 0]]),
        ("x,y,z\n1,2,3\n", None),
        ("x,y,z\n1,2,0\n1,2,-40\n", None),
    ],
)
def test_points_of_space_are_not_for_transforms_of_a_plane(
    run, tmp_path, table, expected
):
    (tmp_path / "q.csv").write_text(table)
    code, _, err = run("-i", "q.csv", "-t", plane("t.tfm"), "-o", "o.csv")
    if expected is None:
        assert code == 2
        assert "the transforms are 2-D, of the plane z = 0 mm; 1 of" in err
    else:
        assert (code, err) == (0, "")
        np.testing.assert_allclose(rows("o.csv"), expected)


def test_points_of_a_slice_at_its_own_height(run, tmp_path):
    affine = AFFINE.copy()
    affine[2, 3] = 42
    vectors = np.full((14, 16, 1, 1, 3), [1.0, -2, 0], np.float32)
    image = nibabel.Nifti1Image(vectors, affine)
    image.header["intent_code"] = 1006
    nibabel.save(image, "u.nii.gz")
    for z, right in ((42, 0), (43.4, 0), (44, 2), (0, 2)):
        (tmp_path / "q.csv").write_text(f"x,y,z\n1,2,{z}\n")
        code, _, err = run("-i", "q.csv", "-t", "u.nii.gz", "-o", "o.csv", "--inverse")
        assert code == right, err
        if right == 0:
            np.testing.assert_allclose(rows("o.csv"), [[2, 0, z]], atol=1e-5)


def test_points_of_slicer_and_ants_go_through_the_command(run, tmp_path):
    point = {"label": "a", "position": [-1.0, -2, 3]}
    markup = {"type": "Fiducial", "coordinateSystem": "LPS", "controlPoints": [point]}
    (tmp_path / "F.mrk.json").write_text(json.dumps({"markups": [markup]}))
    head = "#Insight Transform File V1.0\nTransform: TranslationTransform_double_3_3\n"
    (tmp_path / "t.tfm").write_text(f"{head}Parameters: 1 5 7\nFixedParameters:\n")
    words = ["-t", "t.tfm", "--inverse"]
    assert run("-i", "F.mrk.json", "-o", "o.mrk.json", *words)[0] == 0
    found = json.loads((tmp_path / "o.mrk.json").read_text())["markups"][0]
    assert found["controlPoints"] == [{"label": "a", "position": [0.0, 3, 10]}]
    (tmp_path / "a.csv").write_text("x,y,z,t\n-1,-2,3,0\n")
    code, _, err = run("-i", "a.csv", "-o", "b.csv", *words)
    assert code == 0
    assert "autoreg apply: warning: a.csv: its columns are those of ANTs" in err
    np.testing.assert_allclose(rows("b.csv"), [[0, 3, 10, 0]])
    run("-i", "a.csv", "-o", "b.csv", *words, "--points-space", "ras")
    np.testing.assert_allclose(rows("b.csv"), [[-2, -7, 10, 0]])
    code, _, err = run("-i", "F.mrk.json", "-o", "o.csv", *words)
    assert code == 2
    assert "points of a .mrk.json file must end in .mrk.json" in err


def test_annotations_of_itk_snap_through_the_command(run, tmp_path):
    text = '<entry key="Format" value="ITK-SNAP Annotation File" />\n'
    (tmp_path / "a.annot").write_text(f'{text}<entry key="Pos" value="3.5 4.5 5.5" />')
    head = "#Insight Transform File V1.0\nTransform: TranslationTransform_double_3_3\n"
    (tmp_path / "t.tfm").write_text(f"{head}Parameters: 0 0 3\nFixedParameters:\n")
    words = ["-t", "t.tfm", "--points-image", "m.nii.gz", "-r", "r.nii.gz"]
    assert run("-i", "a.annot", "-o", "b.annot", *words)[0] == 0
    assert "10.500000 4.500000 4.500000" in (tmp_path / "b.annot").read_text()
