"""Every `autoreg apply` in CONVENTIONS.md runs and moves by what its file says."""

import json
import re
import shlex
import warnings
from pathlib import Path

import nibabel
import numpy as np
import pytest

from autoreg_jax.cli import main
from autoreg_jax.transforms import Grid, Transform

PAGE = (Path(__file__).parents[2] / "CONVENTIONS.md").read_text()
BLOCKS = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = [
    shlex.split(line.partition(" # ")[0])
    for line in BLOCKS.replace("\\\n", " ").splitlines()
    if line.startswith("autoreg apply")
]
SHAPE = (14, 16, 12)
AFFINE = np.array([[2.0, 0, 0, -13], [0, 2, 0, -15], [0, 0, 2, -11], [0, 0, 0, 1]])
# One voxel to the right: from the fixed image to the moving one, mm along R, A, S.
SHIFT = np.array([2.0, 0, 0])
LTA = """type = 1
nxforms = 1
mean = 0 0 0
sigma = 1
1 4 4
1 0 0 -2
0 1 0 0
0 0 1 0
0 0 0 1
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """All files of the page; each transform is the same shift."""
    monkeypatch.chdir(tmp_path)
    values = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE) % 251
    images = ["fixed.nii.gz", "moving.nii.gz", "t1.nii", "mni.nii", "mni_labels.nii"]
    for name in images:
        nibabel.save(nibabel.Nifti1Image(values, AFFINE), name)
    for name in ("fixed.mgz", "moving.mgz"):
        nibabel.save(nibabel.MGHImage(values, AFFINE), name)
    grid = Grid(SHAPE, AFFINE)
    shift = Transform.affine(np.eye(4) + 2 * np.eye(4)[[0]].T * np.eye(4)[3])
    shift.write("out.h5")
    shift.write("ants_1Warp.nii.gz", layout="ants", grid=grid)
    Transform().write("ants_0GenericAffine.mat")
    Path("flirt.mat").write_text("1 0 0 2\n0 1 0 0\n0 0 1 0\n0 0 0 1\n")
    Path("moving_to_fixed.lta").write_text(LTA)
    x = grid.points()
    around = np.diag([4.0, 4, 4, 1])
    around[:3, 3] = -20
    knots = Grid((12, 12, 12), around)
    save("y_t1.nii", x + SHIFT, AFFINE, intent_code=1007, intent_name="Mapping")
    save("iy_t1.nii", x + SHIFT, AFFINE, descrip="Inverse Deformation")
    niftyreg = {"intent_code": 1007, "intent_name": "NREG_TRANS", "intent_p1": 2}
    save("cpp.nii.gz", knots.points() + SHIFT, knots.affine, **niftyreg)
    # FSL's x runs to the left here.
    save("field.nii.gz", 0 * x + SHIFT * [-1, 1, 1], AFFINE, intent_code=2006)
    Path("points.csv").write_text("x,y,z\n1,2,3\n")
    point = {"label": "a", "position": [-1, -2, 3]}
    markup = {"type": "Fiducial", "coordinateSystem": "LPS", "controlPoints": [point]}
    Path("F.mrk.json").write_text(json.dumps({"markups": [markup]}))
    return values


def save(name, vectors, affine, **header):
    image = nibabel.Nifti1Image(vectors[:, :, :, None].astype(np.float32), affine)
    for key, value in header.items():
        image.header[key] = value
    nibabel.save(image, name)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_of_the_page(folder, words):
    with warnings.catch_warnings(action="ignore"):
        assert main(words[1:]) == 0
    out = words[words.index("-o") + 1]
    sign = 1 if "--inverse" in words else -1
    if out.endswith(".csv"):
        found = [
            float(word) for word in Path(out).read_text().split("\n")[1].split(",")
        ]
        np.testing.assert_allclose(found, [1 + sign * 2, 2, 3], atol=1e-3)
    elif out.endswith(".mrk.json"):
        (markup,) = json.loads(Path(out).read_text())["markups"]
        np.testing.assert_allclose(markup["controlPoints"][0]["position"], [1, -2, 3])
    else:
        moved = nibabel.load(out).get_fdata()
        np.testing.assert_allclose(moved[:-1], folder[1:], atol=0.01)


def test_the_page_has_an_example_for_each_program():
    assert len(COMMANDS) == 10
    for program in ("ANTs", "Slicer", "FSL", "SPM", "NiftyReg", "FreeSurfer"):
        assert f"**{program}**" in PAGE
