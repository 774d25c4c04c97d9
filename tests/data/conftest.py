"""Small data sets on disk and two virtual populations, made once for all tests."""

from pathlib import Path

import numpy as np
import pytest

from autoreg_jax import data
from autoreg_jax.geometry import Volume


@pytest.fixture
def make_dataset(tmp_path):
    """Write a dataset of four random volumes; keywords replace single files."""

    def make(shape=(4, 5, 6), splits=("train", "train", "test", "test"), **values):
        rng = np.random.default_rng(0)
        affine = np.diag([1.0, 2.0, 3.0, 1.0])
        lines = ["subject,image,labels,split"]
        for index, split in enumerate(splits):
            image = rng.uniform(0, 100, shape).astype(np.float32)
            chosen = values.get("label_values", (0, 3, 7))
            labels = rng.choice(chosen, shape).astype(np.int32)
            data.write_volume(tmp_path / f"{index}.nii.gz", Volume(image, affine))
            data.write_volume(tmp_path / f"{index}_seg.nii.gz", Volume(labels, affine))
            lines.append(f"s{index},{index}.nii.gz,{index}_seg.nii.gz,{split}")
        path = tmp_path / "dataset.csv"
        path.write_text("\n".join(lines) + "\n")
        return path

    return make


@pytest.fixture(scope="session")
def population_3d(tmp_path_factory) -> Path:
    """Six T1-like subjects at 4 mm."""
    pytest.importorskip("nilearn", reason="the template comes with nilearn")
    folder = tmp_path_factory.mktemp("population_3d")
    return data.write_population(folder, num_subjects=6, seed=3)


@pytest.fixture(scope="session")
def population_2d(tmp_path_factory) -> Path:
    """Eight planes at 2 mm, T1-like and T2-like in turn."""
    pytest.importorskip("nilearn", reason="the template comes with nilearn")
    folder = tmp_path_factory.mktemp("population_2d")
    return data.write_population(
        folder, num_subjects=8, spacing=2.0, dimensions=2, contrast="t1t2", seed=5
    )
