"""NiftyReg: its programs reg_f3d and reg_transform."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

# Standard deviation of the Gaussian of the local correlation, voxels.
_LNCC = "5"


def open_method(settings: Mapping[str, Any]) -> Callable[..., np.ndarray]:
    """Make the function that registers a pair.

    The settings are `iterations` at the finest level, and `is_multimodal`: the
    program's own mutual information instead of local correlation.
    """
    for name in ("reg_f3d", "reg_transform"):
        if shutil.which(name) is None:
            raise ImportError(f"{name} is not on PATH", name=name)
    options = ["-maxit", str(settings["iterations"])]
    options += ["-omp", os.environ.get("OMP_NUM_THREADS", "1")]
    if not settings.get("is_multimodal"):
        options += ["--lncc", _LNCC]

    def register(
        fixed: np.ndarray, moving: np.ndarray, spacing: Sequence[float]
    ) -> np.ndarray:
        affine = np.diag([*spacing, *(1.0,) * (4 - fixed.ndim)])
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            names = ("fixed", "moving", "control", "moved", "positions")
            paths = {name: str(folder / f"{name}.nii") for name in names}
            for name, array in (("fixed", fixed), ("moving", moving)):
                nibabel.save(nibabel.Nifti1Image(array, affine), paths[name])
            _run("reg_f3d", "-ref", paths["fixed"], "-flo", paths["moving"], "-cpp",
                 paths["control"], "-res", paths["moved"], *options)  # fmt: skip
            _run("reg_transform", "-ref", paths["fixed"], "-def", paths["control"],
                 paths["positions"])  # fmt: skip
            stored = nibabel.Nifti1Image.from_filename(paths["positions"]).get_fdata()
        positions = stored.reshape(*fixed.shape, -1)[..., : fixed.ndim]
        grid = np.moveaxis(np.indices(fixed.shape), 0, -1)
        return positions / np.asarray(spacing) - grid

    return register


def _run(*words: str) -> None:
    """Run a program; its last message is in the error if it fails."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["nothing"]
        raise RuntimeError(f"{words[0]} ended with {done.returncode}: {said[-1]}")
