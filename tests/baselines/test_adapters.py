"""Third-party programs recover a warp that is known, on a grid of unequal spacing."""

import json
import os
import stat
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from autoreg_jax.baselines.adapters import ADAPTERS
from autoreg_jax.baselines.adapters import _niftyreg as niftyreg

SPACING = (1.0, 2.0, 1.5)


def _pair(shape, shift):
    """A blurred noise image, and itself pulled back by a smooth bump."""
    rng = np.random.default_rng(0)
    moving = gaussian_filter(rng.standard_normal(shape), 2.0)
    moving = (moving - moving.min()) / np.ptp(moving)
    grid = np.indices(shape)
    radius = sum(
        ((x - (n - 1) / 2) / (n / 3)) ** 2 for x, n in zip(grid, shape, strict=True)
    )
    bump = np.exp(-radius)
    truth = np.stack([s * bump for s in shift], -1)
    fixed = map_coordinates(moving, grid + np.moveaxis(truth, -1, 0), order=1)
    return fixed.astype(np.float32), moving.astype(np.float32), truth, bump > 0.5


def _register(name, folder, fixed, moving, spacing=SPACING):
    """Register in a process of its own: some of these libraries crash each other."""
    adapter = ADAPTERS[name]
    for package in adapter.packages:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    pair = folder / "pair.npz"
    np.savez(pair, fixed=fixed, moving=moving, spacing=spacing)
    settings = json.dumps(adapter.settings["default"])
    program = [sys.executable, "-m", "autoreg_jax.baselines.adapters"]
    subprocess.run(
        [*program, adapter.module, settings, "0"],
        input=f"{pair}\n",
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with np.load(folder / "pair.answer.npz") as answer:
        assert answer["seconds"] > 0
        assert answer["peak_memory_bytes"] > 10e6
        return answer["displacement"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ants_syn", "convexadam", "elastix"])
def test_a_known_warp_is_found_on_all_axes(name, tmp_path):
    fixed, moving, truth, inside = _pair((36, 30, 42), (2.0, 0.0, -1.5))
    found = _register(name, tmp_path, fixed, moving)
    error = np.linalg.norm(found - truth, axis=-1)[inside].mean()
    assert error < 0.5 * np.linalg.norm(truth, axis=-1)[inside].mean()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ants_syn", "elastix"])
def test_two_dimensions(name, tmp_path):
    fixed, moving, truth, inside = _pair((48, 40), (1.0, -2.0))
    found = _register(name, tmp_path, fixed, moving, (1.0, 2.0))
    error = np.linalg.norm(found - truth, axis=-1)[inside].mean()
    assert error < 0.5 * np.linalg.norm(truth, axis=-1)[inside].mean()


_PROGRAM = """#!{python}
import sys, nibabel, numpy as np
words = sys.argv[1:]
assert words[0] == "-ref"
image = nibabel.load(words[1])
if {name!r} == "reg_f3d":
    assert words[words.index("-maxit") + 1] == "7" and "--lncc" in words
    nibabel.save(image, words[words.index("-cpp") + 1])
else:
    grid = np.moveaxis(np.indices(image.shape), 0, -1).astype(np.float32)
    world = grid * image.header.get_zooms() + np.float32([3.0, 4.0, 6.0])
    stored = nibabel.Nifti1Image(world[:, :, :, None], image.affine)
    nibabel.save(stored, words[words.index("-def") + 2])
"""


@pytest.mark.skipif(os.name != "posix", reason="the stand-in is a script")
def test_niftyreg_positions_become_voxels(tmp_path, monkeypatch):
    for name in ("reg_f3d", "reg_transform"):
        path = tmp_path / name
        path.write_text(_PROGRAM.format(python=sys.executable, name=name))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    register = niftyreg.open_method({"iterations": 7})
    image = np.zeros((5, 6, 7), np.float32)
    found = register(image, image, (1.0, 2.0, 1.5))
    assert found.shape == (5, 6, 7, 3)
    np.testing.assert_allclose(found, np.broadcast_to([3, 2, 4], found.shape), 1e-5)


def test_niftyreg_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImportError, match="reg_f3d is not on PATH"):
        niftyreg.open_method({"iterations": 7})
    assert "reg_f3d" in ADAPTERS["niftyreg"].source


def test_every_program_has_default_settings_and_a_source():
    for name, adapter in ADAPTERS.items():
        assert next(iter(adapter.settings)) == "default"
        assert adapter.module.endswith(f"._{name}")
        assert adapter.source
    assert ADAPTERS["ants_syn"].settings["paper"] == {
        "grad_step": 0.25,
        "flow_sigma": 9,
        "total_sigma": 0.2,
        "reg_iterations": (201, 201, 201),
    }
    assert ADAPTERS["niftyreg"].settings["paper"] == {"iterations": 1500}
