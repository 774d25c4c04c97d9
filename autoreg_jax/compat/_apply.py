"""`ants.apply_transforms`: the same arguments."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autoreg_jax.data import Image, as_given, read_image, read_labels
from autoreg_jax.errors import ConfigError
from autoreg_jax.geometry import Interpolation
from autoreg_jax.transforms import ImagePair, read_chain

# ANTs' names of the interpolations that there are here.
_INTERPOLATIONS: dict[str, Interpolation] = {
    "linear": "linear",
    "nearestNeighbor": "nearest",
    "genericLabel": "label",
}


def apply_transforms(
    fixed: Image,
    moving: Image,
    transformlist: Sequence[Path | str] | Path | str,
    interpolator: str = "linear",
    *,
    whichtoinvert: Sequence[bool] | None = None,
    defaultvalue: float = 0.0,
) -> Any:
    """Bring an image to the grid of another, as `ants.apply_transforms` does.

    Args:
        fixed: Image whose grid the result gets, see `registration`.
        moving: The image that is moved; for "genericLabel" a label map.
        transformlist: Transform files, the one that is applied to the image first last,
            in any format of `autoreg apply`.
        interpolator: "linear", "nearestNeighbor" or "genericLabel".
        whichtoinvert: For each file, whether its inverse is taken; default: of an
            affine map that is followed by one displacement, as ANTs assumes, else none.
        defaultvalue: Value where the moving image has no voxels.

    Returns:
        The moved image, of the kind of `fixed`.

    Raises:
        ConfigError: If the interpolator is unknown, there is no transform, or
            `whichtoinvert` has another length.
        DataError: If an image cannot be used.
        TransformError: If a transform cannot be used.
    """
    if interpolator not in _INTERPOLATIONS:
        raise ConfigError(
            f"interpolator: must be one of {', '.join(_INTERPOLATIONS)}, got "
            f"{interpolator!r}."
        )
    files = transformlist
    files = [files] if isinstance(files, Path | str) else list(files)
    if not files:
        raise ConfigError("transformlist: no transform in the list; give one.")
    if whichtoinvert is None:
        is_affine = [str(name).endswith(".mat") for name in files]
        is_inverse = is_affine == [True, False]
        whichtoinvert = is_affine if is_inverse else [False] * len(files)
    if len(whichtoinvert) != len(files):
        raise ConfigError(
            f"whichtoinvert: needs a value for each of the {len(files)} transforms, "
            f"got {len(whichtoinvert)}."
        )
    words = [
        f"[{name},1]" if is_inverted else name
        for name, is_inverted in zip(files, whichtoinvert, strict=True)
    ]
    onto = read_image(fixed)
    is_image = interpolator == "linear"
    source = read_image(moving) if is_image else read_labels(moving)
    images = ImagePair(source.grid, onto.grid, assumed=len(words) == 1)
    transform = read_chain(words, grid=onto.grid, images=images)
    moved = transform.apply(
        source.array,
        source.grid,
        onto.grid,
        _INTERPOLATIONS[interpolator],
        fill=defaultvalue,
    )
    return as_given(moved, fixed)
