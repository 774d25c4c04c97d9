"""Several images of each subject and one displacement."""

import json

import numpy as np
import pytest

from autoreg_jax import inference
from autoreg_jax.data import PairFiles, read_image, write_volume
from autoreg_jax.errors import ConfigError, DataError, GeometryError
from autoreg_jax.geometry import Volume
from autoreg_jax.inference import register

AFFINE = np.diag([2.0, 2.0, 4.0, 1.0])
SIZE = 48
QUICK = {"affine": "none", "refine": 60}


def texture(x):
    """Waves, known between the pixels."""
    rng = np.random.default_rng(4)
    waves = rng.normal(size=(2, 14))
    waves *= 2 * np.pi / rng.uniform(7, 15, 14) / np.linalg.norm(waves, axis=0)
    return np.sin(x @ waves + rng.uniform(0, 6, 14)).sum(-1) / 14


def half(x, side):
    """1 on the left or on the right (side -1 or 1), with a soft edge, and inside."""
    inside = 1 / (1 + np.exp(np.linalg.norm(x - 23.5, axis=-1) - 19))
    return inside / (1 + np.exp(-side * (x[..., 0] - 23.5) * 1.5))


@pytest.fixture(scope="module")
def phantom():
    """Two channels, each of which shows one half; the warp in mm, and where it counts.

    What lies at x in the fixed image lies at x + u(x) in the moving one.
    """
    x = np.stack(np.indices((SIZE, SIZE)), -1).astype(float)
    bumps = [
        np.exp(-(np.linalg.norm(x - centre, axis=-1) ** 2) / 60)
        for centre in ((14, 23), (33, 24))
    ]
    u = np.stack([1.2 * (bumps[1] - bumps[0]), 2.4 * bumps[0] - 2.2 * bumps[1]], -1)

    def image(points, side):
        values = (1 + texture(points)) * half(points, side)
        return Volume(values.astype(np.float32), AFFINE)

    fixed, moving = ([image(p, side) for side in (-1, 1)] for p in (x + u, x))
    shown = np.linalg.norm(x - 23.5, axis=-1) < 17
    return fixed, moving, 2 * u, shown


def error(found, truth, shown):
    """Mean distance from the true position, mm."""
    apart = found.displacement_mm[..., :2] - truth
    return np.linalg.norm(apart, axis=-1)[shown].mean()


@pytest.mark.slow
@pytest.mark.parametrize("similarity", ["ncc", "mind"])
def test_equal_channels_register_as_one(phantom, similarity):
    # Without a background, in whose ties rounding would decide.
    fixed, moving = (
        [Volume(sum(image.array for image in side), AFFINE)] for side in phantom[:2]
    )
    options = QUICK | {"similarity": similarity, "refine": 20}
    one = register(fixed[0], moving[0], **options)
    two = register(fixed * 2, moving * 2, **options)
    assert np.abs(one.displacement_mm).max() > 1
    np.testing.assert_allclose(two.displacement_mm, one.displacement_mm, atol=0.01)
    assert two.similarity == pytest.approx(one.similarity, abs=1e-4)
    assert two.trust.value == pytest.approx(one.trust.value, abs=1e-3)
    assert (one.compared_by.name, two.compared_by.name) == (
        similarity,
        f"{similarity} + {similarity}",
    )


def test_channels_see_what_each_alone_does_not(phantom):
    fixed, moving, truth, shown = phantom
    both = register(fixed, moving, **QUICK)
    alone = [register(f, m, **QUICK) for f, m in zip(fixed, moving, strict=True)]
    errors = [error(found, truth, shown) for found in (both, *alone)]
    before = np.linalg.norm(truth, axis=-1)[shown].mean()
    assert errors[0] < 0.5 * min(errors[1:])
    assert errors[0] < 0.25 * before
    # Each is moved by the one displacement, and the first is `moved`.
    for image, source in zip(both.moved_channels, moving, strict=True):
        np.testing.assert_array_equal(image.array, both.apply(source).array)
    assert both.summary()["compared_by"] == "ncc + ncc"


@pytest.mark.slow
def test_a_weight_decides_between_channels(phantom):
    fixed, moving, truth, _ = phantom
    # The second channel says that nothing has moved.
    still = [fixed[0], moving[0]], [moving[0], moving[0]]
    firm = register(*still, channel_weights=[1e-3, 1], **QUICK)
    free = register(*still, channel_weights=[1, 1e-3], **QUICK)
    longest = [np.abs(one.displacement_mm).max() for one in (firm, free)]
    assert longest[0] < 0.2 * longest[1]
    assert longest[1] > 0.5 * np.abs(truth).max()


@pytest.mark.slow
def test_the_contrast_of_each_channel_decides(phantom):
    fixed, moving, truth, shown = phantom
    array = moving[1].array
    other = Volume(np.where(array > 0.05, 1.6 - array, 0), AFFINE)
    found = register(fixed, [moving[0], other], **QUICK)
    assert found.compared_by.name == "ncc + mind"
    assert "Channel 2: The grey values" in found.compared_by.reason
    assert error(found, truth, shown) < error(
        register(fixed[0], moving[0], **QUICK), truth, shown
    )


def test_channels_lie_on_any_grid(phantom):
    fixed, moving, truth, shown = phantom
    finer = read_image((np.kron(moving[1].array, np.ones((2, 2))), AFFINE))
    affine = AFFINE @ np.diag([0.5, 0.5, 1, 1])
    affine[:2, 3] = -0.5
    turned = Volume(fixed[1].array[::-1], AFFINE @ np.diag([-1.0, 1, 1, 1]))
    turned.affine[0, 3] = 2 * (SIZE - 1)
    same = register(fixed, moving, **QUICK)
    found = register(
        [fixed[0], turned], [moving[0], Volume(finer.array, affine)], **QUICK
    )
    assert found.moved_channels[1].shape == (SIZE, SIZE)
    assert error(found, truth, shown) < 1.2 * error(same, truth, shown) + 0.05


@pytest.mark.slow
def test_a_lesion_is_hidden_in_every_channel(phantom):
    fixed, moving, _, _ = phantom
    lesion = np.zeros((SIZE, SIZE), np.float32)
    lesion[8:20, 16:30] = 1
    hidden = Volume(lesion, AFFINE)
    spoilt = [Volume(f.array + 5 * lesion, AFFINE) for f in fixed]
    clean, found = (
        register(images, moving, fixed_lesion=hidden, **QUICK | {"refine": 10})
        for images in (fixed, spoilt)
    )
    np.testing.assert_array_equal(found.displacement_mm, clean.displacement_mm)


def test_what_cannot_be_channels_is_refused(phantom, plane_model):
    fixed, moving, _, _ = phantom
    with pytest.raises(ConfigError, match="2 fixed and 1 moving images"):
        register(fixed, moving[0], **QUICK)
    with pytest.raises(ConfigError, match="0 fixed and 2 moving images"):
        register([], moving, **QUICK)
    away = AFFINE.copy()
    away[0, 3] = 60
    with pytest.raises(GeometryError, match=r"channel 2 covers 38 % of the field"):
        register(fixed, [moving[0], Volume(moving[1].array, away)], **QUICK)
    solid = Volume(np.random.default_rng(0).random((9, 9, 9), np.float32), np.eye(4))
    with pytest.raises(GeometryError, match="channel 2 has 3 axes"):
        register([fixed[0], solid], moving, **QUICK)
    broken = fixed[1].array.copy()
    broken[3, 4] = np.nan
    with pytest.raises(DataError, match="1 of 2304 voxels are NaN"):
        register([fixed[0], (broken, AFFINE)], moving, **QUICK)
    constant = Volume(np.ones((SIZE, SIZE), np.float32), AFFINE)
    with pytest.raises(DataError, match="all voxels are 1"):
        register(fixed, [moving[0], constant], **QUICK)
    for weights in ([1], [1, 0], [1, np.nan]):
        with pytest.raises(ConfigError, match="one for each of the 2 images"):
            register(fixed, moving, channel_weights=weights, **QUICK)
    with pytest.raises(ConfigError, match="they weigh what is optimised"):
        register(fixed, moving, channel_weights=[1, 1], affine="rigid")
    with pytest.raises(ConfigError, match="trained on 1 image of each subject, got 2"):
        register(fixed, moving, model=plane_model)


def test_files_of_channels(phantom, tmp_path):
    fixed, moving, _, _ = phantom
    names = ["f1", "f2", "m1", "m2"]
    paths = [tmp_path / f"{name}.nii.gz" for name in names]
    for path, image in zip(paths, [*fixed, *moving], strict=True):
        write_volume(path, image)
    pair = PairFiles(
        paths[0], paths[2], more_fixed=(paths[1],), more_moving=(paths[3],)
    )
    assert set(pair.files) == set(paths)
    out = tmp_path / "out_"
    summary = inference.register_files(
        pair, out, extra=["inverse"], **QUICK | {"refine": 5}
    )
    written = {path.name for path in summary["files"]}
    assert written >= {"out_moved.nii.gz", "out_moved_2.nii.gz", "out_summary.json"}
    field = tmp_path / "out_displacement.nii.gz"
    inference.apply_files(
        paths[3], [str(field)], tmp_path / "again.nii.gz", reference=paths[0]
    )
    again, second = (
        read_image(tmp_path / f"{n}.nii.gz").array for n in ("again", "out_moved_2")
    )
    np.testing.assert_allclose(again, second, atol=1e-5)
    stored = json.loads((tmp_path / "out_summary.json").read_text())
    assert stored["more_channels"] == [
        {"fixed": str(paths[1]), "moving": str(paths[3])}
    ]
    # A second channel is an input, which is not overwritten.
    paths[1].rename(tmp_path / "out_moved.nii.gz")
    pair = PairFiles(
        paths[0],
        paths[2],
        more_fixed=(tmp_path / "out_moved.nii.gz",),
        more_moving=(paths[3],),
    )
    with pytest.raises(ConfigError, match="is an input"):
        inference.register_files(pair, out, **QUICK)
