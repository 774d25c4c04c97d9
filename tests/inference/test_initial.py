"""A transform to begin with: it is honoured once, by every way to register."""

import json

import numpy as np
import pytest

from autoreg_jax import inference
from autoreg_jax.cli import main
from autoreg_jax.data import write_volume
from autoreg_jax.errors import ConfigError, GeometryError, TransformError
from autoreg_jax.geometry import Volume
from autoreg_jax.transforms import Affine, Transform, read_chain

SHIFT = np.array([10.0, -6.0, 4.0])  # five, three and two voxels
WAYS = {
    "model": {"affine": "none"},
    "model refined": {"affine": "none", "refine": 3},
    "no model": {"affine": "none", "refine": 3},
    "alignment": {"affine": "affine", "refine": 0},
}


def options(way, model):
    return WAYS[way] | ({"model": model} if way.startswith("model") else {})


def shift(amount=SHIFT):
    matrix = np.eye(4)
    matrix[:3, 3] = amount
    return Transform.affine(matrix)


def elsewhere(volume, transform):
    """The volume with a header by which `transform` maps the old place to the new."""
    (link,) = transform.links
    return Volume(volume.array, link.full @ volume.affine)


def points_of(volume):
    corners = volume.grid.points(0, volume.shape[0]).reshape(-1, 3)
    return corners[::37]


@pytest.mark.parametrize(
    "way",
    [
        "model",
        pytest.param("no model", marks=pytest.mark.slow),
        pytest.param("model refined", marks=pytest.mark.slow),
        pytest.param("alignment", marks=pytest.mark.slow),
    ],
)
def test_an_affine_start_is_a_header(way, pair, model):
    turn = np.eye(4)
    turn[:2, :2] = [[0.96, -0.28], [0.28, 0.96]]
    turn[:3, 3] = 40, 5, -12
    start, (fixed, moving) = Transform.affine(turn), pair
    how = options(way, model)
    plain = inference.register(fixed, moving, **how)
    far = elsewhere(moving, start)
    found = inference.register(fixed, far, init=start, **how)
    points = points_of(fixed)
    wanted = start.points_to_moving(plain.transform.points_to_moving(points))
    np.testing.assert_allclose(
        found.transform.points_to_moving(points), wanted, atol=2e-3
    )
    assert found.moving is far
    assert found.similarity == pytest.approx(plain.similarity, abs=1e-4)
    assert found.folding_fraction == plain.folding_fraction
    np.testing.assert_allclose(found.moved.array, plain.moved.array, atol=0.05)


@pytest.mark.parametrize("is_field", [False, True])
@pytest.mark.parametrize(
    "way",
    [
        *(way for way in WAYS if way != "no model"),
        # Quick with masks, below.
        pytest.param("no model", marks=pytest.mark.slow),
    ],
)
def test_a_known_shift_is_found_once(way, is_field, pair, still_model):
    fixed, start = pair[0], shift()
    moving = elsewhere(fixed, start)
    if is_field:
        vectors = np.broadcast_to(SHIFT, (*fixed.shape, 3))
        start = Transform.displacement(vectors, fixed.grid)
    found = inference.register(fixed, moving, init=start, **options(way, still_model))
    inside = found.displacement_mm[2:-2, 2:-2, 2:-2]
    np.testing.assert_allclose(np.median(inside, (0, 1, 2)), SHIFT, atol=0.1)
    np.testing.assert_allclose(found.moved.array, fixed.array, atol=2)


def test_a_bent_start_is_interpolated_once(pair, model):
    fixed, moving = pair
    rng = np.random.default_rng(3)
    vectors = rng.normal(0, 1, (*fixed.shape, 3))
    start = Transform.displacement(vectors, fixed.grid)
    found = inference.register(fixed, moving, init=start, affine="none", model=model)
    first, *rest = found.transform.links
    assert first is start.links[0]
    own = Transform(tuple(rest))
    assert np.abs(own.displacement_on(fixed.grid)).max() > 0.5
    places = start.points_to_moving(own.points_to_moving(points_of(fixed)))
    np.testing.assert_allclose(
        found.transform.points_to_moving(points_of(fixed)), places, atol=1e-9
    )
    # The network has seen the moving image through the start.
    seen = Volume(start.apply(moving.array, moving.grid, fixed.grid), fixed.affine)
    same = inference.register(fixed, seen, affine="none", model=model)
    np.testing.assert_allclose(
        own.displacement_on(fixed.grid), same.displacement_mm, atol=1e-4
    )
    # Noise of a millimetre folds, and the number speaks of the whole map.
    assert found.folding_fraction > same.folding_fraction


def test_masks_follow_the_start(pair):
    fixed, moving = pair
    mask = Volume((moving.array > 40).astype(np.uint8), moving.affine)
    how = {"affine": "none", "refine": 3}
    plain = inference.register(fixed, moving, moving_mask=mask, **how)
    start = shift()
    found = inference.register(
        fixed,
        elsewhere(moving, start),
        init=start,
        moving_mask=elsewhere(mask, start),
        **how,
    )
    difference = found.displacement_mm - plain.displacement_mm
    np.testing.assert_allclose(difference - SHIFT, 0, atol=2e-3)
    # The verdict looks at what the mask holds, above 40, and nothing is missing there.
    assert plain.trust
    assert found.trust
    assert plain.trust.evidence.uncovered == 0
    assert found.trust.value == pytest.approx(plain.trust.value, abs=1e-3)


def test_files_of_the_result_hold_the_start_once(pair, model, tmp_path):
    fixed, moving = pair
    far = elsewhere(moving, shift())
    paths = [tmp_path / f"{name}.nii.gz" for name in ("fixed", "moving")]
    for path, image in zip(paths, (fixed, far), strict=True):
        write_volume(path, image)
    half = shift(SHIFT / 2)
    first, second = tmp_path / "first.mat", tmp_path / "second.nii.gz"
    half.write(first)
    # A part as a field that reaches beyond the image on all sides.
    affine = fixed.affine.copy()
    affine[:3, 3] -= 40
    wide = Volume(np.zeros((60, 60, 60), np.float32), affine)
    vectors = np.broadcast_to(SHIFT / 2, (60, 60, 60, 3))
    Transform.displacement(vectors, wide.grid).write(second)
    model.save(tmp_path / "model")
    command = ["register", "-f", *paths[:1], "-m", *paths[1:], "-o", tmp_path / "out_"]
    command += ["--model", tmp_path / "model", "--affine", "none"]
    words = [*map(str, command), "--init"]
    assert main([*words, str(first), str(second)]) == 0
    plain = inference.register(fixed, moving, model=model, affine="none")
    written = Transform.read(tmp_path / "out_displacement.nii.gz")
    wanted = plain.displacement_mm + SHIFT
    np.testing.assert_allclose(written.displacement_on(fixed.grid), wanted, atol=5e-3)
    # Affine starts stay beyond the fixed image, as an alignment does.
    assert main([*words, str(first), str(first)]) == 0
    parts = [tmp_path / f"out_{n}" for n in ("displacement.nii.gz", "affine.mat")]
    chain = read_chain(parts)
    assert isinstance(chain.links[0], Affine)
    np.testing.assert_allclose(chain.displacement_on(fixed.grid), wanted, atol=5e-3)
    away = fixed.affine[:3, 3] - 500
    np.testing.assert_allclose(chain.points_to_moving(away), away + SHIFT, atol=1e-3)
    # The start is an input: no output takes its name.
    assert main([*words, str(tmp_path / "out_affine.mat")]) == 2
    assert parts[1].is_file()
    # A line of a table may have a start of its own.
    table = tmp_path / "pairs.csv"
    table.write_text("fixed,moving,init\nfixed.nii.gz,moving.nii.gz,both.mat\n")
    shift().write(tmp_path / "both.mat")
    command = ["register", "--pairs", table, "-o", tmp_path / "many" / ""]
    command += ["--model", tmp_path / "model", "--affine", "none"]
    (tmp_path / "many").mkdir()
    assert main([*map(str, command), "--init", str(first)]) == 0
    summary = tmp_path / "many" / "moving_to_fixed_summary.json"
    assert json.loads(summary.read_text())["displacement_max_mm"] == pytest.approx(
        np.linalg.norm(wanted, axis=-1).max(), abs=5e-3
    )


def test_a_start_that_cannot_be_used(pair, tmp_path):
    with pytest.raises(GeometryError, match="of the plane, the images are volumes"):
        inference.register(*pair, init=Transform.affine(np.eye(3)))
    with pytest.raises(TransformError, match=r"nowhere\.mat"):
        inference.register(*pair, init=tmp_path / "nowhere.mat")
    with pytest.raises(ConfigError, match="no initial transform"):
        inference.register(*pair, init=[])
