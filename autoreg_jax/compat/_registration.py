"""`ants.registration`: the same arguments and the same keys."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autoreg_jax.data import Image, as_given, channels_of
from autoreg_jax.errors import ConfigError
from autoreg_jax.inference import RegistrationModel, register
from autoreg_jax.transforms import Transform

# What `register` is asked for.
_TYPES: dict[str, dict[str, Any]] = {
    "AutoReg": {},
    "Affine": {"affine": "affine", "refine": 0},
    "Rigid": {"affine": "rigid", "refine": 0},
}

# The displacement comes first: a point of the fixed image passes it first.
_FORWARD = ("displacement.nii.gz", "affine.mat")


def registration(
    fixed: Image,
    moving: Image,
    type_of_transform: str = "AutoReg",
    *,
    initial_transform: Transform | Path | str | Sequence[Path | str] | None = None,
    outprefix: Path | str = "",
    mask: Image | None = None,
    moving_mask: Image | None = None,
    model: RegistrationModel | Path | str | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Register two images as `ants.registration` does, with its names.

    Its transforms are files that `ants.apply_transforms` and `apply_transforms` read.

    Args:
        fixed: The fixed image: a file, a `Volume`, an image of nibabel, SimpleITK or
            ANTs, or a pair `(array, affine)`, the affine in mm, RAS+.
        moving: The moving image.
        type_of_transform: "AutoReg", or "Rigid" or "Affine" for an alignment alone.
        initial_transform: A transform file or several of them, see `register`.
        outprefix: Prefix of the files; default: in a temporary folder, which stays.
        mask: Compare only where this mask of the fixed image is not 0.
        moving_mask: The same for the moving image.
        model: A trained model, "brain" or a run folder; default: none.
        **options: Further arguments of `register`, as `refine`.

    Returns:
        `warpedmovout`, the moving image on the grid of the fixed one, as an image of
        the kind of `fixed`; `warpedfixout`, the fixed image on the moving grid, as one
        of the kind of `moving`; `fwdtransforms` and `invtransforms`, names of files, in
        the order of ANTs: the former bring the moving image to the fixed one.

    Raises:
        ConfigError: If `type_of_transform` is unknown, or several images of a subject
            are given.
        AutoregError: As `register`.
    """
    if type_of_transform not in _TYPES:
        raise ConfigError(
            f"type_of_transform: must be one of {', '.join(_TYPES)}, got "
            f"{type_of_transform!r}."
        )
    if len(channels_of(fixed)) > 1 or len(channels_of(moving)) > 1:
        raise ConfigError(
            "registration takes one image of each subject; several are channels of "
            "autoreg_jax.register."
        )
    found = register(
        fixed,
        moving,
        init=initial_transform,
        fixed_mask=mask,
        moving_mask=moving_mask,
        model=model,
        **(_TYPES[type_of_transform] | options),
    )
    prefix = outprefix or f"{tempfile.mkdtemp(prefix='autoreg-')}/"
    files = found.save(prefix, extra=("inverse",))
    by_name = {path.name.removeprefix(_last_part(prefix)): path for path in files}
    forward = [by_name[name] for name in _FORWARD if name in by_name]
    return {
        "warpedmovout": as_given(found.moved.array, fixed),
        "warpedfixout": as_given(found.inverse_moved.array, moving),
        "fwdtransforms": [str(path) for path in forward],
        "invtransforms": [str(by_name["inverse_displacement.nii.gz"])],
    }


def _last_part(prefix: Path | str) -> str:
    """What a prefix adds to the name of a file."""
    is_folder = str(prefix).endswith("/") or Path(prefix).is_dir()
    return "" if is_folder else Path(prefix).name
