"""Registration from files to files, as a program calls it."""

import numpy as np
import pytest
from scipy import ndimage

from autoreg_jax import data, inference
from autoreg_jax.data import write_volume
from autoreg_jax.errors import ConfigError
from autoreg_jax.geometry import Volume

OPTIONS = {"affine": "none", "refine": 2}


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("fixed", "moving"):
        array = ndimage.gaussian_filter(rng.random((18, 16)), 1.5).astype(np.float32)
        write_volume(tmp_path / f"{name}.nii.gz", Volume(array, np.eye(4)))
    flat = Volume(np.ones((18, 16), np.float32), np.eye(4))
    write_volume(tmp_path / "flat.nii.gz", flat)
    (tmp_path / "pairs.csv").write_text(
        "fixed,moving\nfixed.nii.gz,moving.nii.gz\nfixed.nii.gz,flat.nii.gz\n"
    )
    return tmp_path


def test_one_pair_and_many_agree(folder):
    pairs = data.read_pairs(folder / "pairs.csv")
    found = inference.register_many(pairs, folder / "out", **OPTIONS)
    assert list(found) == ["moving_to_fixed", "flat_to_fixed"]
    assert "shows nothing" in found["flat_to_fixed"]["error"]
    alone = inference.register_files(pairs[0], folder / "alone_", **OPTIONS)
    many = found["moving_to_fixed"]
    for name in ("similarity", "displacement_max_mm", "folding_fraction"):
        assert many[name] == alone[name]
    assert [path.name for path in alone["files"]] == [
        "alone_moved.nii.gz",
        "alone_displacement.nii.gz",
        "alone_summary.json",
    ]
    assert many["files"][0].name == "outmoving_to_fixed_moved.nii.gz"


def test_outputs_are_checked_before_the_images_are_read(folder):
    pair = data.PairFiles(folder / "no.nii.gz", folder / "no_either.nii.gz")
    with pytest.raises(ConfigError, match="must end in"):
        inference.register_files(pair, moved=folder / "moved.png")
    with pytest.raises(ConfigError, match="is an input"):
        inference.register_files(pair, moved=pair.fixed)
