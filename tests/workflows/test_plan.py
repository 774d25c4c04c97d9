"""The plan follows from what is measured, says why, and is obeyed when it is edited."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
import yaml
from scipy.ndimage import gaussian_filter
from searched import SEARCHED

from autoreg_jax import config, data, geometry, workflows
from autoreg_jax.errors import ArtifactError, ConfigError
from autoreg_jax.workflows.planning._grid import _coarser
from autoreg_jax.workflows.planning._memory import estimate_memory
from autoreg_jax.workflows.planning._plan import apply_plan
from autoreg_jax.workflows.planning._prepare import cache_of

# An alignment runs for longer than it compiles.
pytestmark = pytest.mark.optimised


def anatomy(points, seed=0, contrast=1.0):
    """A head of three nested ellipsoids in world mm, a little different by seed."""
    rng = np.random.default_rng(seed)
    radii = np.array([[40, 50, 45], [30, 38, 34], [12, 10, 14]]) * rng.uniform(
        0.97, 1.03, (3, 1)
    )
    values = np.zeros(points.shape[:-1])
    for radius, value in zip(radii, (0.5, 1.0, 0.2), strict=True):
        inside = np.sum((points[..., : radius.size] / radius) ** 2, -1) < 1
        values[inside] = value if contrast > 0 else 1.1 - value
    return values


def scan(path, shape, affine, *, seed=0, shift=(0, 0, 0), contrast=1.0):
    """Write a scan of the anatomy on a grid, and its label map."""
    index = np.moveaxis(np.indices(shape), 0, -1)
    points = index @ affine[:3, : len(shape)].T + affine[:3, 3] - np.asarray(shift)
    exact = anatomy(points, seed, contrast)
    noise = 0.02 * np.random.default_rng(seed).random(shape)
    image = gaussian_filter(exact, 0.5) + noise * (exact > 0)
    data.write_volume(path, geometry.Volume(image.astype(np.float32) * 100, affine))
    labels = (anatomy(points, seed) == 0.2).astype(np.int32) * 7
    name = path.name.replace(".nii.gz", "_seg.nii.gz")
    data.write_volume(path.with_name(name), geometry.Volume(labels, affine))


def grid(shape, spacing, turn=None):
    """An affine whose field of view is centred at the origin."""
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if turn is None else turn) @ np.diag(spacing)
    affine[:3, 3] = -affine[:3, : len(shape)] @ ((np.asarray(shape) - 1) / 2)
    return affine


SHAPE, SPACING = (24, 27, 26), (4.0, 4.0, 4.0)


@pytest.fixture
def alike(tmp_path):
    """Six people on one grid whose shape nothing divides."""
    for seed in range(6):
        path = tmp_path / "scans" / f"p{seed}_t1.nii.gz"
        scan(path, SHAPE, grid(SHAPE, SPACING), seed=seed)
    return tmp_path / "scans"


@pytest.fixture
def unlike(tmp_path):
    """Six people in all orientations, oblique and anisotropic, shifted, of any size."""
    oblique = np.linalg.qr(np.array([[1, 0.2, 0], [-0.2, 1, 0.1], [0, -0.1, 1]]))[0]
    turns = [
        np.eye(3),
        np.diag([-1.0, 1, 1]),
        np.eye(3)[[2, 0, 1]],
        oblique @ np.diag(np.sign(np.diag(oblique))),
        np.diag([-1.0, -1, 1]),
        np.eye(3)[:, [1, 0, 2]],
    ]
    for seed, turn in enumerate(turns):
        shape = (25 + seed, 33, 17 + 2 * seed)
        spacing = (4.0, 4.0, 8.0) if seed % 2 else (5.0, 4.0, 5.0)
        affine = grid(shape, spacing, turn)
        shift = np.zeros(3) if seed == 0 else [30.0 * seed, -12, 5]
        affine[:3, 3] += shift
        scan(
            tmp_path / "scans" / f"p{seed}_t1.nii.gz",
            shape,
            affine,
            seed=seed,
            shift=shift,
        )
    return tmp_path / "scans"


def test_one_grid_is_kept(alike, tmp_path):
    plan = workflows.plan(alike, tmp_path / "run")
    assert plan.config.grid.shape == SHAPE
    assert plan.config.grid.spacing == SPACING
    assert plan.config.grid.orientation == "RAS"
    assert (plan.config.metric, plan.config.affine) == ("ncc", "none")
    assert "nothing has to be resampled" in plan.reasons["grid"]
    text = (tmp_path / "run" / "plan.yaml").read_text()
    assert text == plan.text
    for words in ("6 images in 3-D", "6 with a label map, 1 values (7)", "hash of"):
        assert words in " ".join(text.replace("#", "").split())
    assert config.load_plan(tmp_path / "run" / "plan.yaml") == plan.config
    assert yaml.safe_load(text)["dataset"] == "../scans"
    prepared = workflows.prepare(alike, tmp_path / "run", config.RunConfig(), "train")
    strict = data.load_cohort(data.read_dataset(alike), "train")
    np.testing.assert_array_equal(prepared.cohorts[0].images, strict.images)
    np.testing.assert_array_equal(prepared.cohorts[0].labels, strict.labels)
    np.testing.assert_allclose(prepared.cohorts[0].affine, strict.affine, atol=1e-6)


def test_voxels_that_images_share_keep_their_values(tmp_path):
    """Turned round and cut off, but on the same voxels: nothing is interpolated."""
    whole = grid(SHAPE, SPACING)
    for seed in range(6):
        path = tmp_path / "scans" / f"p{seed}_t1.nii.gz"
        scan(path, SHAPE, whole, seed=seed)
        for name in (path, path.with_name(f"p{seed}_t1_seg.nii.gz")):
            volume = nibabel.load(name)
            if seed % 2:
                volume = volume.as_reoriented(np.array([[0, -1], [1, 1], [2, -1]]))
            nibabel.save(volume.slicer[:, : SHAPE[1] - seed % 3], name)
    plan = workflows.plan(tmp_path / "scans", tmp_path / "run")
    assert not plan.fingerprint.has_one_grid
    assert plan.config.affine == "none"
    prepared = workflows.prepare(
        tmp_path / "scans", tmp_path / "run", config.RunConfig(), "train"
    )
    (cohort,) = prepared.cohorts
    to_whole = geometry.Grid(cohort.images.shape[1:4], cohort.affine).index_matrix(
        geometry.Grid(SHAPE, whole)
    )
    index = np.moveaxis(np.indices(cohort.images.shape[1:4]), 0, -1)
    index = index @ to_whole[:3, :3].T + to_whole[:3, 3]
    np.testing.assert_allclose(index, np.rint(index), atol=1e-2)
    world = np.rint(index) @ whole[:3, :3].T + whole[:3, 3]
    for name, labels in zip(cohort.names, cohort.labels, strict=True):
        exact = anatomy(world, int(name[1])) == 0.2
        np.testing.assert_array_equal(labels == 1, exact)


def test_any_grid_comes_to_one_grid_with_the_anatomy_in_place(unlike, tmp_path):
    plan = workflows.plan(unlike, tmp_path / "run")
    assert plan.config.affine in ("rigid", "affine")
    assert not plan.fingerprint.has_one_grid
    assert len(plan.fingerprint.orientations) >= 4
    prepared = workflows.prepare(
        unlike, tmp_path / "run", config.RunConfig(), "train", "validation", "test"
    )
    for cohort in prepared.cohorts:
        assert cohort.images.shape[1:-1] == plan.config.grid.shape
        assert cohort.spacing == pytest.approx(plan.config.grid.spacing)
        # The anatomy of each, moved to the place of the reference.
        offset = plan.fingerprint.reference.content.centre
        index = np.moveaxis(np.indices(plan.config.grid.shape), 0, -1)
        world = index @ cohort.affine[:3, :3].T + cohort.affine[:3, 3]
        for name, image, labels in zip(
            cohort.names, cohort.images, cohort.labels, strict=True
        ):
            exact = anatomy(world - offset, int(name[1]))
            assert np.corrcoef(exact.ravel(), image.ravel())[0, 1] > 0.9
            both = np.sum((exact == 0.2) & (labels == 1))
            assert 2 * both / (np.sum(exact == 0.2) + np.sum(labels == 1)) > 0.6


def test_planes_of_any_size_and_orientation(tmp_path):
    for seed in range(6):
        shape = (21 + seed, 30) if seed % 2 else (33, 18 + seed)
        turn = np.diag([-1.0 if seed % 3 else 1.0, 1, 1])
        affine = grid(shape, (5.0, 6.0, 3.0), turn)
        affine[2, 3] = seed
        path = tmp_path / "scans" / f"p{seed}.nii.gz"
        scan(path, shape, affine, seed=seed)
    plan = workflows.plan(tmp_path / "scans", tmp_path / "run")
    assert len(plan.config.grid.shape) == 2
    prepared = workflows.prepare(
        tmp_path / "scans", tmp_path / "run", config.RunConfig(), "train"
    )
    images = prepared.cohorts[0].images[..., 0]
    assert images.shape[1:] == plan.config.grid.shape
    flat = images.reshape(len(images), -1)
    assert np.corrcoef(flat).min() > 0.8


@pytest.mark.parametrize("named", [True, False])
def test_two_contrasts_are_compared_by_mind(tmp_path, named):
    for seed in range(8):
        kind = ("_t1", "_t2")[seed % 2] if named else ""
        path = tmp_path / "scans" / f"p{seed}{kind}.nii.gz"
        contrast = 1 - 2 * (seed % 2)
        scan(path, SHAPE, grid(SHAPE, SPACING), seed=seed, contrast=contrast)
    plan = workflows.plan(tmp_path / "scans")
    assert plan.config.metric == "mind"
    assert ("t1, t2 differ" if named else "no names say") in plan.reasons["metric"]
    asked = config.merge(config.RunConfig(), {"train": {"batch_size": 3}})
    plan = workflows.plan(tmp_path / "scans", config=asked)
    assert plan.config.batch == 3
    if named:
        return
    # What is listed decides: here images of one contrast, then of both.
    names = [f"p{seed}" for seed in range(8)]
    splits = ("train", "train", "validation", "test")
    for step, metric in ((2, "ncc"), (1, "mind")):
        ends = [(0, step), (4, 4 + step), (3 - step, 3), (7 - step, 7)]
        rows = [
            f"{names[one]},{names[other]},{split}"
            for (one, other), split in zip(ends, splits, strict=True)
        ]
        (tmp_path / "pairs.csv").write_text("\n".join(["fixed,moving,split", *rows]))
        listed = {"pairs": {"list": str(tmp_path / "pairs.csv")}}
        settings = config.merge(config.RunConfig(), listed)
        plan = workflows.plan(tmp_path / "scans", config=settings)
        assert plan.config.metric == metric
        assert len(workflows.plan_summary(plan)["listed_pairs"]) == 4


def test_hounsfield_units_get_one_window(tmp_path):
    for seed in range(6):
        path = tmp_path / "scans" / f"p{seed}.nii.gz"
        scan(path, SHAPE, grid(SHAPE, SPACING), seed=seed)
        image = data.read_image(path)
        data.write_volume(path, replace(image, array=10 * image.array - 1000))
    plan = workflows.plan(tmp_path / "scans", tmp_path / "run")
    assert plan.config.intensity.rule == "window"
    assert plan.config.intensity.low == -1000
    assert plan.fingerprint.modalities == {"ct": 6}
    cohort = workflows.prepare(
        tmp_path / "scans", tmp_path / "run", config.RunConfig(), "train"
    ).cohorts[0]
    assert cohort.intensity.rule == "window"
    assert cohort.images.max() == 1


def edit(run, **changes):
    path = run / "plan.yaml"
    values = yaml.safe_load(path.read_text())
    for name, value in changes.items():
        both = isinstance(value, dict)
        values[name] = values[name] | value if both else value
    path.write_text(yaml.safe_dump(values))


def test_an_edited_plan_is_obeyed(alike, tmp_path):
    run = tmp_path / "run"
    workflows.plan(alike, run)
    edit(
        run,
        metric="mind",
        batch=2,
        grid={"shape": [11, 13, 12], "spacing": [9.0, 9.0, 9.0], "orientation": "LPI"},
    )
    prepared = workflows.prepare(alike, run, config.RunConfig(), "train")
    cohort = prepared.cohorts[0]
    assert cohort.images.shape[1:] == (11, 13, 12, 1)
    assert np.all(np.diag(cohort.affine)[:3] == [-9, -9, -9])
    assert prepared.config.objective.similarity == "mind"
    assert prepared.config.train.batch_size == 2
    again = workflows.prepare_again(alike, run, config.RunConfig(), "test")
    assert again.cohorts[0].images.shape[1:] == (11, 13, 12, 1)
    assert again.config.objective.similarity == "mind"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference": "nobody"}, "'nobody' is not a subject"),
        ({"grid": {"orientation": "RAX"}}, "orientation: must be three letters"),
        ({"grid": {"orientation": "RRS"}}, "orientation: must be three letters"),
        ({"grid": {"shape": [8, 8], "spacing": [9, 9]}}, "grid.shape has 2 axes"),
        ({"dataset": "../other"}, "is the plan of ../other"),
    ],
)
def test_a_plan_that_does_not_fit(alike, tmp_path, changes, message):
    run = tmp_path / "run"
    workflows.plan(alike, run)
    edit(run, **changes)
    with pytest.raises(ConfigError, match=r"plan\.yaml") as caught:
        workflows.prepare(alike, run, config.RunConfig(), "train")
    assert message in str(caught.value)


def test_a_plan_is_kept_until_it_is_overwritten(alike, tmp_path):
    run = tmp_path / "run"
    workflows.plan(alike, run)
    edit(run, metric="mind")
    with pytest.raises(ArtifactError, match="already exists; edit it"):
        workflows.plan(alike, run)
    workflows.plan(alike, run, overwrite=True)
    assert config.load_plan(run / "plan.yaml").metric == "ncc"
    assert config.load_plan(run / "previous-1" / "plan.yaml").metric == "mind"


def test_masks_are_applied_or_not(alike, tmp_path):
    image = data.read_image(alike / "p0_t1.nii.gz")
    inside = np.zeros(SHAPE, np.int32)
    inside[6:18, 7:20, 6:20] = 1
    for seed in range(6):
        path = alike / f"p{seed}_mask.nii.gz"
        data.write_volume(path, geometry.Volume(inside, image.affine))
    run = tmp_path / "run"
    assert "6 with a mask" in " ".join(workflows.plan(alike, run).text.split())
    masked = workflows.prepare(alike, run, config.RunConfig(), "test").cohorts[0]
    assert not masked.images[:, inside == 0].any()
    edit(run, masks=False)
    plain = workflows.prepare(alike, run, config.RunConfig(), "test").cohorts[0]
    assert plain.images[:, inside == 0].any()


def test_small_memory_makes_large_voxels(alike, monkeypatch):
    from autoreg_jax.workflows.planning import _plan

    monkeypatch.setattr(_plan, "device_memory", lambda: ("gpu", 10_000_000))
    plan = workflows.plan(alike)
    assert plan.memory.peak < 10_000_000
    assert np.prod(plan.config.grid.shape) < np.prod(SHAPE)
    field = np.multiply(plan.config.grid.shape, plan.config.grid.spacing)
    np.testing.assert_allclose(field, np.multiply(SHAPE, SPACING))
    assert "need more memory" in plan.reasons["grid"]
    assert plan.config.precision == "bfloat16"
    monkeypatch.setattr(_plan, "device_memory", lambda: ("gpu", 40_000_000))
    plan = workflows.plan(alike)
    assert plan.config.grid.shape == SHAPE
    assert plan.config.precision == "bfloat16"
    monkeypatch.setattr(_plan, "device_memory", lambda: ("gpu", 10**9))
    assert workflows.plan(alike).config.precision == "float32"


@pytest.mark.parametrize(
    ("shape", "spacing", "most", "expected"),
    [
        ((512, 512, 40), (0.4, 0.4, 6.0), 1e6, (1.3, 1.3, 6.0)),  # thick slices stay
        ((512, 512, 20), (0.4, 0.4, 6.0), 1e4, (8.1, 8.1, 8.0)),  # until all are alike
        ((160, 192, 224), (1.0, 1.0, 1.0), 1e6, (1.9, 1.9, 1.9)),
        ((100, 90), (1.0, 2.0), 3000.0, (2.5, 2.4)),
    ],
)
def test_the_shortest_edges_of_voxels_grow_first(shape, spacing, most, expected):
    new, edges = _coarser(shape, spacing, most)
    np.testing.assert_allclose(edges, expected, atol=0.1)
    np.testing.assert_allclose(np.multiply(new, edges), np.multiply(shape, spacing))
    assert 0.9 * most < np.prod(new) <= most


def test_memory_grows_with_what_costs():
    base = config.merge(config.RunConfig(), {"network": SEARCHED | {"width": 0.5}})
    peak = estimate_memory((32, 32, 32), 10, base).peak
    assert estimate_memory((64, 32, 32), 10, base).peak == pytest.approx(2 * peak)
    for changes in (
        {"train": {"batch_size": 4}},
        {"network": {"width": 1.0}},
        {"network": {"iterations": [2]}},
        {"network": {"scales": 3}},
        {"network": {"feature_channels": [20]}},
        {"network": {"resolution": "full"}},
        {"objective": {"similarity": "mind"}},
    ):
        assert (
            estimate_memory((32, 32, 32), 10, config.merge(base, changes)).peak > peak
        )
    small = config.merge(base, {"network": {"precision": "bfloat16"}})
    assert estimate_memory((32, 32, 32), 10, small).peak < peak
    made = config.merge(base, {"network": {"operations": ["conv_3"]}})
    assert estimate_memory((32, 32, 32), 10, made).search == 0
    nothing = {"steps": 0, "warm_up": 0}
    trained = config.merge(made, {"search": {"lam": nothing}})
    twice = [estimate_memory((32, 32, 32), 10, c).train for c in (made, trained)]
    assert twice[0] == 2 * twice[1]


def test_the_plan_stands_above_the_configuration(alike):
    plan = replace(workflows.plan(alike).config, precision="bfloat16", batch=5)
    changed = apply_plan(config.RunConfig(), plan)
    assert changed.network.precision == "bfloat16"
    assert changed.train.batch_size == 5


def test_the_summary_is_json(alike):
    shown = json.loads(json.dumps(workflows.plan_summary(workflows.plan(alike))))
    assert shown["images"] == 6
    assert shown["correlation"]["t1-t1"] > 0.6
    assert shown["metric"] == "ncc"


def test_an_unknown_similarity_is_refused_before_anything_is_read(tmp_path):
    unknown = config.merge(config.RunConfig(), {"objective": {"similarity": "mi"}})
    message = r"objective\.similarity: must be one of ncc, mind, got 'mi'"
    with pytest.raises(ConfigError, match=message):
        workflows.prepare(tmp_path / "no.csv", tmp_path / "run", unknown, "train")
    plan = SimpleNamespace(metric="mi")
    with pytest.raises(ConfigError, match=r"metric: must be one of ncc, mind"):
        apply_plan(config.RunConfig(), plan)


def test_the_cache_of_a_run_is_as_its_settings_say(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = config.DataConfig(cache="~/images", host_memory=None)
    cache = cache_of(config.RunConfig(data=settings))
    assert cache.folder == tmp_path / "images"
    assert cache.above == math.inf
