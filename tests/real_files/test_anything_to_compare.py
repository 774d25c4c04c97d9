"""There is something to compare, or an error or a warning with numbers.

Never displacement 0 and exit code 0 for images, masks or labels that lie elsewhere.
"""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from autoreg_jax.alignment import align
from autoreg_jax.cli import main
from autoreg_jax.config import Intensity
from autoreg_jax.data import PairFiles, write_volume
from autoreg_jax.errors import DataError, GeometryError, ImageWarning
from autoreg_jax.geometry import Grid, Volume, check_field_of_view, shared_part
from autoreg_jax.inference import register
from autoreg_jax.networks import Structure

AFFINE = np.diag([4.0, 4, 4, 1])
AFFINE[:3, 3] = -38
SHAPE = (20, 20, 20)
QUICK = {"affine": "none", "refine": 1}


def moved_by(*shift, scale=1.0):
    """The affine of the images, shifted by some mm, voxels scaled."""
    affine = AFFINE.copy()
    affine[:3, :3] *= scale
    affine[:3, 3] = AFFINE[:3, 3] * scale + shift
    return affine


def body(points, seed=0):
    """An object about the origin, 0 beyond 34 mm."""
    rng = np.random.default_rng(seed)
    value = np.full(points.shape[:-1], 0.5)
    for centre in rng.uniform(-18, 18, (9, 3)):
        value += rng.uniform(0.4, 1) * np.exp(-((points - centre) ** 2).sum(-1) / 80)
    radius = np.linalg.norm(points / [34, 26, 30], axis=-1)
    return (100 * value * (radius < 1)).astype(np.float32)


FIXED = Volume(body(Grid(SHAPE, AFFINE).points()), AFFINE)
MOVING = Volume(body(Grid(SHAPE, AFFINE).points() + np.array([3, -2, 1])), AFFINE)


def mask_at(affine, shape=SHAPE, box=slice(6, 14)):
    """A box of a mask on a grid."""
    array = np.zeros(shape, np.int32)
    array[box, box, box] = 1
    return Volume(array, affine)


@pytest.mark.parametrize("which", ["fixed_mask", "moving_mask"])
@pytest.mark.parametrize("affine", ["none", "rigid", "auto"])
def test_an_empty_mask_is_refused(which, affine):
    mask = Volume(np.zeros(SHAPE, np.int32), AFFINE)
    with pytest.raises(DataError, match="is empty, all 8000 voxels are background"):
        register(FIXED, MOVING, affine=affine, refine=1, **{which: mask})


@pytest.mark.parametrize("which", ["fixed_mask", "moving_mask"])
@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (mask_at(moved_by(300, 0, 0)), r"only 0 % of its 512 voxels .* 300 mm apart"),
        (mask_at(moved_by(300, 0, 0), (24,) * 3), "only 0 % of its 512 voxels"),
        (mask_at(np.eye(4)), r"has the shape of .* lies elsewhere: .* 1 × 1 × 1 and 4"),
        (mask_at(moved_by(0, 0, 0, scale=0.001)), "has the shape of"),
    ],
    ids=["elsewhere", "another grid elsewhere", "identity", "metres"],
)
def test_a_mask_of_another_world_is_refused(which, mask, message):
    with pytest.raises(GeometryError, match=message):
        register(FIXED, MOVING, **QUICK, **{which: mask})


def test_masks_that_share_nothing_are_refused():
    left, right = (mask_at(AFFINE, box=slice(a, a + 6)) for a in (2, 12))
    with pytest.raises(GeometryError, match="share 0 % of the smaller part"):
        register(FIXED, MOVING, **QUICK, fixed_mask=left, moving_mask=right)


def test_masks_that_share_little_are_a_warning():
    left, right = (mask_at(AFFINE, box=slice(a, a + 8)) for a in (5, 8))
    result = register(FIXED, MOVING, **QUICK, fixed_mask=left, moving_mask=right)
    # 5³ of 8³ voxels.
    assert "share only 24 % of the smaller part" in " ".join(result.warnings)


def test_a_mask_on_a_finer_grid_of_the_same_world_is_fine():
    fine = np.diag([2.0, 2, 2, 1])
    fine[:3, 3] = -39
    array = body(Grid((40,) * 3, fine).points()) > 0
    mask = Volume(array.astype(np.int32), fine)
    result = register(FIXED, MOVING, **QUICK, fixed_mask=mask, moving_mask=mask)
    assert result.warnings == ()
    assert np.abs(result.displacement_mm).max() > 0


def test_a_mask_that_is_partly_outside_is_a_warning():
    mask = mask_at(moved_by(40, 0, 0), (24,) * 3)
    whole = mask_at(AFFINE, box=slice(None))
    result = register(FIXED, MOVING, **QUICK, fixed_mask=mask, moving_mask=whole)
    # Planes 6 to 13 lie at 26 to 54 mm, the image ends at 40 mm.
    assert (
        "50 % of its 512 voxels that are not 0 lie in the field" in result.warnings[0]
    )


SMALL = {
    "a billionth": moved_by(0, 0, 0, scale=0.001),
    "micrometres wide": moved_by(10, 5, 0, scale=1e-6),
    "a thousandth": moved_by(0, 0, 0, scale=0.1),
    "a million times as large": moved_by(0, 0, 0, scale=100),
}


@pytest.mark.parametrize(
    "affine",
    [
        pytest.param(SMALL["micrometres wide"], id="micrometres wide"),
        pytest.param(SMALL["a thousandth"], id="a thousandth"),
        *(
            pytest.param(SMALL[name], id=name, marks=pytest.mark.slow)
            for name in ("a billionth", "a million times as large")
        ),
    ],
)
def test_an_image_of_another_size_is_refused(affine):
    with pytest.raises(GeometryError, match=r"share \S+ voxels, too few .* covers"):
        register(FIXED, Volume(MOVING.array, affine), **QUICK)
    match = "mm after the alignment; correct the spacing or the unit"
    for kind in ("rigid", "auto"):
        with pytest.raises(GeometryError, match=match):
            register(FIXED, Volume(MOVING.array, affine), affine=kind, refine=1)


def test_a_small_part_is_compared_with_a_warning():
    affine = moved_by(0, 0, 0, scale=0.3)
    array = body(Grid(SHAPE, affine).points())
    result = register(FIXED, Volume(array, affine), **QUICK)
    assert "covers only 2.7 % of the field of view" in result.warnings[0]
    assert "80 × 80 × 80 mm and 24 × 24 × 24 mm" in result.warnings[0]


def test_few_per_cent_of_overlap_are_refused_and_some_are_a_warning():
    some = "overlap in only 2.5 % of the smaller one"
    for shift, how in ((78, some), (90, "do not overlap"), (-500, "do not overlap")):
        far = Volume(MOVING.array, moved_by(shift, 0, 0))
        match = f"{how} in the world; .* {abs(shift)} mm apart"
        with pytest.raises(GeometryError, match=match):
            check_field_of_view(FIXED, far)
    (sentence,) = check_field_of_view(FIXED, Volume(MOVING.array, moved_by(60, 0, 0)))
    assert "share only 25 % of the smaller field of view" in sentence
    assert check_field_of_view(FIXED, Volume(MOVING.array, moved_by(30, 0, 0))) == ()


def test_only_the_backgrounds_overlap():
    """A fifth of the fields of view is shared, and the fixed image is empty there."""
    left = FIXED.array * (Grid(SHAPE, AFFINE).points()[..., 0] < 20)
    far = Volume(MOVING.array, moved_by(64, 0, 0))
    with pytest.raises(DataError, match=r"fixed image shows nothing where .* 20 %"):
        register(Volume(left, AFFINE), far, **QUICK)


def test_the_alignment_is_used_where_the_headers_leave_nothing():
    """By strangers it is not trusted, and used, with a warning: nothing is left."""
    rng = np.random.default_rng(5)
    noise = Volume(rng.random(SHAPE).astype(np.float32), moved_by(700, 0, 0))
    result = register(FIXED, noise, affine="auto", refine=1)
    assert result.is_aligned
    assert "by the headers the images lie apart" in result.warnings[0]
    far = Volume(MOVING.array, moved_by(700, 0, 0))
    result = register(FIXED, far, affine="auto", refine=1)
    np.testing.assert_allclose(result.displacement_mm[..., 0].mean(), 700, atol=6)


def test_shared_parts_against_arithmetic():
    one = Grid((10, 20), np.diag([2.0, 1, 1, 1]))
    assert shared_part(one, one) == (1, 1, 200)
    other = Grid((40, 40), np.diag([1.0, 1, 1, 1]) + np.eye(4, k=3) * 9.5)
    # x from 9 to 19 of -1 to 19, all of y: 200 mm² of 400 and 1600.
    assert shared_part(one, other) == pytest.approx((0.5, 0.125, 100), rel=0.06)
    assert shared_part(other, one) == pytest.approx((0.125, 0.5, 100), rel=0.06)


@pytest.fixture
def files(tmp_path):
    """The pair and a function that writes another volume."""
    pair = PairFiles(
        write_volume(tmp_path / "f.nii.gz", FIXED),
        write_volume(tmp_path / "m.nii.gz", MOVING),
    )

    def run(*words, **volumes):
        """Exit code of `autoreg register --json` with volumes as options."""
        for name, volume in volumes.items():
            path = write_volume(tmp_path / f"{name}.nii.gz", volume)
            words = [*words, f"--{name.replace('_', '-')}", path]
        words = ["register", "-f", pair.fixed, "-m", pair.moving, *words]
        words += ["--affine", "none", "--refine", 1, "--json", "-o", tmp_path / "o_"]
        return main([str(word) for word in words])

    return run


def labels_at(affine, shape=SHAPE):
    return mask_at(affine, shape)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (labels_at(np.eye(4)), "has the shape of"),
        (labels_at(moved_by(0, 200, 0)), "only 0 % of its 512 voxels"),
        (labels_at(moved_by(0, 200, 0), (30,) * 3), "only 0 % of its 512 voxels"),
    ],
)
def test_moving_labels_elsewhere_are_refused_as_fixed_ones(
    files, capsys, labels, message
):
    assert files(moving_labels=labels) == 2
    assert message in capsys.readouterr().err
    good = labels_at(AFFINE)
    assert files(moving_labels=good, fixed_labels=labels) == 2


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (labels_at(moved_by(0, 36, 0), (21,) * 3), "62 % of its 512 voxels"),
        (labels_at(np.eye(4), (25,) * 3), "covers 3.1 % of the field of view"),
    ],
)
def test_moving_labels_that_are_partly_elsewhere_are_a_warning(
    files, capsys, labels, message
):
    assert files(moving_labels=labels) == 0
    assert message in json.loads(capsys.readouterr().out)["warnings"][0]


def test_moving_labels_on_another_grid_of_the_same_world_are_moved(files, capsys):
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = -39
    fine = Volume((body(Grid((40,) * 3, affine).points()) > 0).astype(np.int32), affine)
    assert files(moving_labels=fine) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["warnings"] == []
    assert "left on the grid" not in captured.err


def test_labels_that_the_fixed_image_does_not_show_are_counted(tmp_path):
    """An arm in the moving image, beyond the border of the fixed one."""
    shape = (30, 20, 20)
    wide = Volume(body(Grid(shape, AFFINE).points()), AFFINE)
    array = np.zeros(shape, np.int32)
    array[24:, 4:16, 4:16] = 1
    result = register(FIXED, wide, **QUICK)
    with pytest.warns(ImageWarning, match=r"0 of 55.3 ml are left on the grid"):
        result.save(tmp_path / "o_", labels=Volume(array, AFFINE))


def test_the_same_guard_for_many_pairs(tmp_path, capsys):
    names = {
        "f": FIXED,
        "m": MOVING,
        "tiny": Volume(MOVING.array, moved_by(0, 0, 0, scale=1e-4)),
        "part": Volume(MOVING.array, moved_by(60, 0, 0)),
        "empty": Volume(np.zeros(SHAPE, np.int32), AFFINE),
        "wrong": mask_at(np.eye(4)),
    }
    for name, volume in names.items():
        write_volume(tmp_path / f"{name}.nii.gz", volume)
    rows = ["fixed,moving,fixed_mask"]
    rows += [f"f.nii.gz,{m}.nii.gz," for m in ("m", "tiny")]
    (tmp_path / "pairs.csv").write_text("\n".join(rows))
    words = ["register", "--pairs", tmp_path / "pairs.csv", "-o", f"{tmp_path}/x_"]
    words += ["--affine", "none", "--refine", 1]
    assert main([str(word) for word in words]) == 1
    assert "failed: tiny_to_f" in capsys.readouterr().out
    rows[1:] = [f"f.nii.gz,m.nii.gz,{k}.nii.gz" for k in ("empty", "wrong")]
    for row, message in zip(rows[1:], ("is empty", "has the shape of"), strict=True):
        (tmp_path / "pairs.csv").write_text("\n".join([rows[0], row]))
        assert main([str(word) for word in words]) == 1
        assert message in " ".join(capsys.readouterr().out.split())
    rows[1:] = ["f.nii.gz,part.nii.gz,"]
    (tmp_path / "pairs.csv").write_text("\n".join(rows))
    assert main([str(word) for word in words]) == 0
    assert "warning: part_to_f: " in (said := capsys.readouterr().err)
    assert "share only 25 % of the smaller field of view" in said


def test_an_alignment_with_an_empty_mask_is_refused():
    mask = Volume(np.zeros(SHAPE, np.int32), AFFINE)
    with pytest.raises(GeometryError, match="none of its 0 voxels above 0"):
        align(FIXED, MOVING, masks=(mask, None))


def test_a_model_has_the_same_guard():
    """It comes before the network, which is never called."""
    about = SimpleNamespace(
        orientation="RAS",
        spacing=(4.0,) * 3,
        windows=(5, 5, 3),
        similarity="ncc",
        intensity=Intensity(),
        doubts=lambda *_: [],
        structure=Structure(),
        width=1.0,
        matching=None,
    )
    model = SimpleNamespace(
        path=None, description=about, check_channels=lambda count: None
    )
    left = FIXED.array * (Grid(SHAPE, AFFINE).points()[..., 0] < 20)
    far = Volume(MOVING.array, moved_by(64, 0, 0))
    with pytest.raises(DataError, match="shows nothing"):
        register(Volume(left, AFFINE), far, model=model, affine="none")
    with pytest.raises(GeometryError, match=r"overlap in only 2\.5 %"):
        register(
            FIXED, Volume(MOVING.array, moved_by(79, 0, 0)), model=model, affine="none"
        )
