"""ConvexAdam with MIND features (Siebert et al.), on the CPU."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np


def open_method(settings: Mapping[str, Any]) -> Callable[..., np.ndarray]:
    """Make the function that registers a pair of three axes.

    The settings are keywords of `convex_adam_pt`; MIND suits one contrast and several.
    """
    torch: Any = import_module("torch")
    convex_adam: Any = import_module("convexAdam.convex_adam_MIND")

    options = {k: v for k, v in settings.items() if k != "is_multimodal"}

    def register(
        fixed: np.ndarray, moving: np.ndarray, spacing: Sequence[float]
    ) -> np.ndarray:
        del spacing
        if fixed.ndim != 3:
            raise ValueError(f"convexadam needs three axes, got {fixed.ndim}")
        cpu = torch.device("cpu")
        return convex_adam.convex_adam_pt(
            fixed, moving, dtype=torch.float32, device=cpu, **options
        )

    return register
