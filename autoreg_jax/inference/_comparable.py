"""Whether there is anything to compare: masks, label maps and what is left of them."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float

from autoreg_jax.data import Image, read_mask, without_lesion
from autoreg_jax.errors import ConfigError, DataError, GeometryError
from autoreg_jax.geometry import Grid, Volume, is_inside, resample, shared_part
from autoreg_jax.inference.optimisation import AUTO
from autoreg_jax.losses import SIMILARITIES

__all__ = ["check_companion", "check_compared", "check_options", "compared_part"]

# Fractions below which a part is refused, and below which a warning is given.
_LEAST, _FEW, _MOST = 0.05, 0.3, 0.95
# Two grids of one shape that share less than this are one grid with a lost header.
_SAME_PLACE = 0.5
# Voxels that are looked at, at most.
_MANY = 1_000_000
# Weight of a mask from which a voxel counts, and grey values, from 0 to 1, that differ.
_COUNTS, _CONTRAST = 0.1, 1e-4
# Share of an image above which a lesion looks like a mask of what to compare.
_LARGE = 0.5


def compared_part(
    image: Volume, mask: Image | None, lesion: Image | None
) -> tuple[Volume, Volume | None, list[str]]:
    """What of an image is compared with the other one.

    Under a lesion the image takes the value of the nearest voxel outside, so that what
    was there does not even count for windows and intensities around it.

    Args:
        image: The image.
        mask: Where to compare, or its file; default: everywhere.
        lesion: Where not to compare, or its file; default: nowhere.

    Returns:
        The image without the lesion; 1 where it is compared and 0 elsewhere, None if
        that is everywhere; and sentences on what may be meant otherwise.

    Raises:
        DataError: If a mask is empty, or nothing is left beside the lesion.
        GeometryError: If a mask has other axes than the image, or lies elsewhere.
    """
    part = _binary(mask, image, "mask")
    doubts = [] if part is None else [*check_companion(part, image, "mask")]
    hidden = _binary(lesion, image, "lesion mask")
    if hidden is None:
        return image, part, doubts
    doubts += check_companion(hidden, image, "lesion mask")
    filled, inside = without_lesion(image, hidden)
    compared = ~inside
    if part is not None:
        compared &= resample(part, image.grid) >= 0.5
    name = f"{hidden.path or 'the lesion mask'} of {image.path or 'its image'}"
    if not compared.any():
        raise DataError(
            f"{name}: nothing is left to compare; a lesion mask is not 0 where the "
            "lesion is, and a mask of what to compare is another option."
        )
    if inside.mean() > _LARGE:
        doubts.append(
            f"{name} covers {100 * inside.mean():.0f} % of the image; a lesion mask is "
            "not 0 where the lesion is. If it says where to compare, give it as a mask."
        )
    path = (part or hidden).path
    left = Volume(compared.astype(np.float32), image.affine, path)
    return filled, left, doubts


def _binary(mask: Image | None, image: Volume, kind: str) -> Volume | None:
    """A mask, or its file, as an image of 0 and 1."""
    if mask is None:
        return None
    mask = read_mask(mask)
    if mask.ndim != image.ndim:
        name = mask.path or f"the {kind}"
        raise GeometryError(
            f"{name} has {mask.ndim} axes, the images have {image.ndim}."
        )
    return Volume((mask.array != 0).astype(np.float32), mask.affine, mask.path)


def check_companion(part: Volume, image: Volume, kind: str) -> tuple[str, ...]:
    """Make sure that a mask or label map lies on its image, on whatever grid.

    Args:
        part: The mask or label map, with as many axes as the image.
        image: The image.
        kind: "mask", "lesion mask" or "label map".

    Returns:
        A sentence with percentages if a part of it lies elsewhere.

    Raises:
        DataError: If it is empty.
        GeometryError: If less than 5 % of its voxels lie in the field of view of the
            image, or if it has the shape of the image and is elsewhere.
    """
    name, whole = part.path or f"the {kind}", image.path or "its image"
    voxels = np.argwhere(part.array != 0)
    if not len(voxels):
        raise DataError(
            f"{name}: the {kind} of {whole} is empty, all {part.array.size} voxels are "
            "background, 0; correct it, or leave it out."
        )
    if part.grid.matches(image.grid):
        return ()
    some = voxels[:: 1 + len(voxels) // _MANY]
    places = image.grid.to_voxels(part.grid.to_world(some))
    found = float(is_inside(places, image.shape).mean())
    shared = shared_part(image.grid, part.grid)
    apart = np.linalg.norm(part.grid.centre - image.grid.centre)
    where = (
        f"by the headers their centres are {apart:.3g} mm apart and their voxels "
        f"{_spacing(part)} and {_spacing(image)} mm"
    )
    remedy = f"Copy the header of the image, or resample the {kind} onto its grid."
    if found < _LEAST:
        raise GeometryError(
            f"{name}: only {100 * found:.2g} % of its {len(voxels)} voxels that are "
            f"not 0 lie in the field of view of {whole}; {where}. {remedy}"
        )
    if part.shape == image.shape and min(shared[:2]) < _SAME_PLACE:
        raise GeometryError(
            f"{name} has the shape of {whole} and lies elsewhere: {where}, and "
            f"{100 * min(shared[:2]):.2g} % of a field of view are shared. {remedy}"
        )
    if found < _MOST:
        return (
            f"{name}: {100 * found:.2g} % of its {len(voxels)} voxels that are not 0 "
            f"lie in the field of view of {whole}, the others are lost; {where}.",
        )
    if min(shared[:2]) < _SAME_PLACE:
        return (
            f"{name} covers {100 * shared.fixed:.2g} % of the field of view of "
            f"{whole}; {where}. If that is not meant, {remedy[0].lower()}{remedy[1:]}",
        )
    return ()


def check_compared(
    pair: tuple[Volume, Volume],
    arrays: Sequence[Float[np.ndarray, "*space"]],
    masks: tuple[Volume | None, Volume | None],
    weights: Sequence[Float[np.ndarray, "*space"] | None],
    grid: Grid,
) -> tuple[str, ...]:
    """Make sure that something is left to compare on the working grid.

    Args:
        pair: The fixed image, and the moving one where it is placed.
        arrays: Their grey values on the grid, from 0 to 1.
        masks: Their masks.
        weights: The masks on the grid, from 0 to 1.
        grid: The working grid.

    Returns:
        Sentences with percentages if it is little.

    Raises:
        DataError: If an image has a single grey value where the images are compared.
        GeometryError: If a mask is empty there, or if the masks and the field of view
            of the moving image share less than 5 % of the smaller part.
    """
    for mask, weight in zip(masks, weights, strict=True):
        if mask is not None and weight is not None and weight.max() < _COUNTS:
            raise GeometryError(
                f"{mask.path or 'a mask'}: of its {np.count_nonzero(mask.array)} "
                "voxels that are not 0 none is left on the grid of "
                f"{_name(pair[0], 'fixed')}, {grid.shape} voxels; correct the header "
                "of the mask, or draw it where both images are."
            )
    step = int(np.ceil((np.prod(grid.shape) / _MANY) ** (1 / grid.ndim)))
    places = np.meshgrid(*(range(0, n, step) for n in grid.shape), indexing="ij")
    some = tuple(slice(None, None, step) for _ in grid.shape)
    index = pair[1].grid.to_voxels(grid.to_world(np.stack(places, -1)))
    parts = [np.ones(index.shape[:-1], bool), _within(index, pair[1].shape)]
    for number, weight in enumerate(weights):
        if weight is not None:
            parts[number] &= weight[some] >= _COUNTS
    both = parts[0] & parts[1]
    smaller = min(np.count_nonzero(part) for part in parts)
    share = np.count_nonzero(both) / smaller if smaller else 0.0
    return tuple(_judge(pair, arrays, masks, both, some, share))


def _judge(pair, arrays, masks, both, some, share: float) -> Iterator[str]:
    """Refuse a part that is too small or shows nothing; a sentence if it is small."""
    fixed, moving = (
        _name(v, k) for v, k in zip(pair, ("fixed", "moving"), strict=True)
    )
    names = " and ".join(str(m.path or "a mask") for m in masks if m is not None)
    if names and share < _LEAST:
        raise GeometryError(
            f"{names}: inside of what is to be compared {fixed} and {moving} share "
            f"{100 * share:.2g} % of the smaller part; correct the masks or their "
            "headers, or align the images (affine)."
        )
    for array, name in zip(arrays, (fixed, moving), strict=True):
        values = array[some][both]
        if values.size == 0 or np.ptp(values) < _CONTRAST:
            raise DataError(
                f"{name} shows nothing where the images are compared, which is "
                f"{100 * both.mean():.2g} % of the grid of {fixed}: there it has a "
                "single grey value. Correct the headers or the masks, or align the "
                "images (affine)."
            )
    if names and share < _FEW:
        yield (
            f"{names}: inside of what is compared {fixed} and {moving} share only "
            f"{100 * share:.2g} % of the smaller part."
        )


def _within(index: np.ndarray, shape: tuple[int, ...]) -> Bool[np.ndarray, "*space"]:
    """Places between voxel centres, where no value fades to zero at the border."""
    last = np.asarray(shape) - 1
    margin = np.where(last == 0, 0.5, 1e-3)
    return np.all((index >= -margin) & (index <= last + margin), axis=-1)


def _name(volume: Volume, kind: str) -> str:
    return str(volume.path or f"the {kind} image")


def _spacing(volume: Volume) -> str:
    return " × ".join(f"{size:.3g}" for size in volume.spacing)


def check_options(
    model: object,
    affine: str,
    refine: int,
    similarity: object,
    smoothness: float | None,
    *,
    has_mask: bool,
    is_guided: bool,
) -> None:
    """Reject invalid options of `register` before any file is read.

    Raises:
        ConfigError: As `register`.
    """
    if affine not in ("auto", "rigid", "affine", "none"):
        raise ConfigError(
            f'affine: must be "auto", "rigid", "affine" or "none", got {affine!r}.'
        )
    known = (AUTO, *SIMILARITIES)
    if isinstance(similarity, str) and similarity not in known:
        raise ConfigError(
            f"similarity: must be one of {', '.join(known)}, got {similarity!r}."
        )
    if refine < 0:
        raise ConfigError(
            f"refine: must be a number of steps, 0 or more, got {refine}."
        )
    if smoothness is not None and not 0 < smoothness < np.inf:
        raise ConfigError(
            f"smoothness: must be a factor above 0, got {smoothness:g}; 1 is the usual "
            "smoothness."
        )
    if model is None and refine == 0 and affine == "none":
        raise ConfigError(
            'nothing to do: no model, refine 0 and affine "none"; give a model or '
            "refine steps (e.g. 100), or ask for an alignment."
        )
    if model is None and refine == 0 and smoothness is not None:
        raise ConfigError(
            "smoothness: an alignment alone has none to change; refine (e.g. 100 "
            "steps), or give a model."
        )
    if model is not None and has_mask and refine == 0:
        raise ConfigError(
            "a network does not know masks: refine its result (e.g. 100 steps), which "
            "uses them, or leave out the masks."
        )
    if is_guided and refine == 0:
        raise ConfigError(
            "guide: labels and landmarks guide the optimisation alone; refine (e.g. "
            "100 steps), or leave them out."
        )
