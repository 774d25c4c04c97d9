"""Networks of several images of each subject, from the table to a registration."""

import numpy as np
import pytest
from scipy import ndimage

from autoreg_jax import config, data, inference, workflows
from autoreg_jax.data import ImageCache, Preprocessing, normalize_intensity
from autoreg_jax.errors import ConfigError, DataError
from autoreg_jax.geometry import Grid, Volume
from autoreg_jax.inference import load_model
from autoreg_jax.studies.bench import BenchProtocol, Limits, bench

GRID = Grid((16, 16), np.diag([2.0, 2.0, 2.0, 1.0]))
FINE = np.diag([1.0, 1.0, 2.0, 1.0])
FINE[:2, 3] = -0.5
SPLITS = ("train", "train", "validation", "validation", "test", "test")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Six subjects, the second image of each on a finer grid and in other numbers."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("channels")
    lines = ["subject,image,image_2,split"]
    for number, split in enumerate(SPLITS):
        one = ndimage.gaussian_filter(rng.random((16, 16)), 1.5).astype(np.float32)
        other = ndimage.gaussian_filter(rng.random((32, 32)), 3).astype(np.float32)
        names = f"a{number}.nii.gz", f"b{number}.nii.gz"
        data.write_volume(folder / names[0], Volume(one, GRID.affine))
        data.write_volume(folder / names[1], Volume(50 - 40 * other, FINE))
        lines.append(f"s{number},{','.join(names)},{split}")
    (folder / "dataset.csv").write_text("\n".join(lines) + "\n")
    return folder / "dataset.csv"


def test_channels_of_a_table_lie_on_one_grid(table, tmp_path):
    dataset = data.read_dataset(table)
    assert dataset.channels == 2
    assert "Each subject has 2 images" in " ".join(dataset.notes)
    options = {"preprocessing": Preprocessing(GRID)}
    cohort = data.load_cohort(dataset, "train", **options)
    assert cohort.images.shape == (2, 16, 16, 2)
    assert "2 images each" in repr(cohort)
    first, second = (data.read_image(table.parent / f"{n}1.nii.gz") for n in "ab")
    np.testing.assert_array_equal(
        cohort.images[1, ..., 0], normalize_intensity(first.array)
    )
    wanted = normalize_intensity(second.array).reshape(16, 2, 16, 2).mean((1, 3))
    found = cohort.images[1, ..., 1]
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.99
    # From the cache as from memory, and not those of the first image alone.
    cache = ImageCache(tmp_path, "float32", 0)
    stored = data.load_cohort(dataset, "train", cache=cache, **options)
    np.testing.assert_array_equal(np.asarray(stored.images), cohort.images)
    alone = table.with_name("alone.csv")
    lines = [line.split(",") for line in table.read_text().splitlines()]
    alone.write_text("\n".join(",".join(cells[:2] + cells[3:]) for cells in lines))
    stored = data.load_cohort(data.read_dataset(alone), "train", cache=cache, **options)
    assert stored.images.shape == (2, 16, 16, 1)
    assert stored.images[0].shape == (16, 16, 1)


def test_tables_that_do_not_fit_are_refused(table):
    lines = table.read_text().splitlines()
    other = table.with_name("lacking.csv")
    other.write_text("\n".join([*lines[:-1], lines[-1].replace("b5.nii.gz", "")]))
    with pytest.raises(DataError, match="'s4' has 2 and 's5' has 1; give each"):
        data.read_dataset(other)
    other.write_text("\n".join([*lines[:-1], lines[-1].replace("b5", "nothing")]))
    with pytest.raises(DataError, match="column 'image_2'"):
        data.read_dataset(other)
    with pytest.raises(ConfigError, match="has 2 images of each subject; a template"):
        workflows.build_template(table, table.parent / "template")
    protocol = BenchProtocol(
        dataset=table,
        methods=("none",),
        config=config.RunConfig(),
        limits=Limits(60, 4096, 1),
    )
    with pytest.raises(ConfigError, match="bench compares methods on one"):
        bench(table.parent / "bench", protocol)


@pytest.mark.slow
def test_from_the_table_to_a_registration(table, tmp_path):
    settings = config.merge(
        config.RunConfig(),
        {
            "network": {"operations": ["conv_3"], "width": 0.25, "num_steps": 2},
            "objective": {"similarity": "mind"},
            "search": {"strategy": "darts", "lam": {"steps": 2, "warm_up": 0}},
            "train": {
                "steps": 3,
                "average": None,
                "augment": {
                    "remap": {"probability": 1.0},
                    "bias": {"probability": 1.0},
                    "slices": {"probability": 1.0},
                },
            },
            "evaluate": {"refine": {"steps": 2}},
        },
    )
    run = tmp_path / "run"
    workflows.auto(table, run, settings)
    words = " ".join((run / "plan.yaml").read_text().replace("#", "").split())
    assert "Each subject has 2 images, which the network sees together" in words
    model = load_model(run)
    assert model.description.channels == 2
    assert "2 images each" in repr(model)
    fixed, moving = (
        [table.parent / f"{name}{number}.nii.gz" for name in "ab"] for number in (4, 5)
    )
    found = inference.register(fixed, moving, model=run, affine="none")
    assert found.moved_channels[1].shape == (16, 16)
    refined = inference.register(fixed, moving, model=model, affine="none", refine=3)
    assert refined.compared_by.name == "mind + mind"
    # The second image has its say: another one, another displacement.
    third = table.parent / "b0.nii.gz"
    other = inference.register([fixed[0], third], moving, model=model, affine="none")
    assert np.abs(other.displacement_mm - found.displacement_mm).max() > 0
    message = "was trained on 2 images of each subject, got 1"
    with pytest.raises(ConfigError, match=message):
        inference.register(fixed[0], moving[0], model=run)
    alone = table.with_name("alone.csv")
    lines = [line.split(",") for line in table.read_text().splitlines()]
    alone.write_text("\n".join(",".join(cells[:2] + cells[3:]) for cells in lines))
    with pytest.raises(ConfigError, match=message):
        workflows.evaluate_dataset(run, alone, tmp_path / "other")
