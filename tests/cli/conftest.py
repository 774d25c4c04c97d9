"""Files to call the command line with."""

import csv

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from autoreg_jax import inference
from autoreg_jax.data import write_volume
from autoreg_jax.geometry import Volume
from autoreg_jax.networks import RegistrationNetwork
from autoreg_jax.search_space import Genotype

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])


@pytest.fixture(autouse=True)
def _as_users_do(terminal):
    """Every test of this folder runs as the command line does."""


def smooth(seed, shape=(16, 14, 12)):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), 1.5)
    return (1000 * noise).astype(np.float32)


@pytest.fixture(scope="package")
def model(tmp_path_factory):
    """Folder of a tiny random model at 2 mm."""
    genotype = Genotype.uniform("conv_3")
    network = RegistrationNetwork(genotype, 0.1, 4)
    image = jax.ShapeDtypeStruct((1, 8, 8, 8, 1), jnp.float32)
    shapes = jax.eval_shape(network.init, jax.random.key(0), image, image)["params"]
    rng = np.random.default_rng(0)
    params = jax.tree.map(
        lambda leaf: (0.05 * rng.standard_normal(leaf.shape)).astype(np.float32), shapes
    )
    lam = {"full": 10.0, "smooth": 15.0, "half": 3.2, "quarter": 0.8}
    description = inference.ModelDescription(
        genotype=genotype,
        width=0.1,
        num_steps=4,
        orientation="RAS",
        spacing=(2.0, 2.0, 2.0),
        lam=lam,
        similarity="ncc",
        windows=(5, 5, 3),
    )
    folder = tmp_path_factory.mktemp("model")
    return inference.RegistrationModel(description, params).save(folder)


@pytest.fixture
def images(tmp_path):
    """Folder with a fixed and a moving image and their label maps."""
    folder = tmp_path / "images"
    for seed, name in enumerate(("fixed", "moving")):
        array = smooth(seed)
        labels = (array > np.median(array)).astype(np.int32) * 3
        write_volume(folder / f"{name}.nii.gz", Volume(array, AFFINE))
        write_volume(folder / f"{name}_labels.nii.gz", Volume(labels, AFFINE))
    return folder


@pytest.fixture
def dataset(tmp_path):
    """Folder of dataset.csv with two subjects in each split."""
    folder = tmp_path / "subjects"
    rows = []
    for index, split in enumerate(("train", "validation", "test") * 2):
        array = smooth(index)
        labels = (array > np.median(array)).astype(np.int32) * 3
        write_volume(folder / f"{index}.nii.gz", Volume(array, AFFINE))
        write_volume(folder / f"{index}_labels.nii.gz", Volume(labels, AFFINE))
        files = [f"{index}.nii.gz", f"{index}_labels.nii.gz"]
        rows.append([f"s{index}", *files, split, "t1"])
    columns = ["subject", "image", "labels", "split", "modality"]
    with (folder / "dataset.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return folder
