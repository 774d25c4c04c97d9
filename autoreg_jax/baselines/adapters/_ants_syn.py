"""ANTs SyN by antspyx, deformable stage only."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

# Radius of the local correlation, bins of the mutual information: ANTs' own defaults.
_RADIUS, _BINS = 4, 32


def open_method(settings: Mapping[str, Any]) -> Callable[..., np.ndarray]:
    """Make the function that registers a pair.

    The settings are keywords of `ants.registration`, and `is_multimodal`: mutual
    information instead of local correlation.
    """
    ants: Any = import_module("ants")

    options = dict(settings)
    is_multimodal = options.pop("is_multimodal", False)
    metric, sampling = ("mattes", _BINS) if is_multimodal else ("CC", _RADIUS)

    def register(
        fixed: np.ndarray, moving: np.ndarray, spacing: Sequence[float]
    ) -> np.ndarray:
        pair = [ants.from_numpy(x, spacing=list(spacing)) for x in (fixed, moving)]
        with tempfile.TemporaryDirectory() as folder:
            found = ants.registration(
                *pair,
                type_of_transform="SyNOnly",
                initial_transform="Identity",
                outprefix=f"{folder}/",
                syn_metric=metric,
                syn_sampling=sampling,
                **options,
            )
            # The axes of these images are those of the world, so are the components.
            warp = next(p for p in found["fwdtransforms"] if str(p).endswith(".nii.gz"))
            field = ants.image_read(warp).numpy()
        return field / np.asarray(spacing)

    return register
