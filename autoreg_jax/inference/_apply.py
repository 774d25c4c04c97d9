"""Transforms applied from files to files: images, label maps and points."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from autoreg_jax.data import ENDINGS, read_image
from autoreg_jax.errors import ConfigError
from autoreg_jax.files import together
from autoreg_jax.inference._applying import Applying, Conventions, points_ending
from autoreg_jax.inference._fill import Fill, check_fill
from autoreg_jax.transforms import POINT_ENDINGS, split_word


def apply_files(
    source: Path | str | Sequence[Path | str],
    chain: Sequence[str],
    output: Path,
    *,
    reference: Path | None = None,
    interpolation: Literal["linear", "nearest", "label"] = "linear",
    inverse: bool = False,
    fill: Fill = None,
    conventions: Conventions | None = None,
) -> tuple[Path, ...]:
    """Move images, label maps or points and write the results, all or none.

    Args:
        source: Image or label map, or points (CSV, or a file of Slicer, elastix or
            ITK-SNAP), of the moving subject; or several of them.
        chain: Transform files in the order of antsApplyTransforms: the last one is
            applied to the image first. `[FILE,1]` is the inverse of FILE.
        output: File to write, in a format of `data.read_image`; points are written
            with the ending of the source. For several sources a folder, in which each
            result has the name of its source.
        reference: Image whose grid the results get; not needed for points.
        interpolation: "linear" for images; for label maps "nearest", or "label", the
            label with the largest linear share.
        inverse: Apply the inverse of the whole chain.
        fill: Value of an image where the source has no voxels: a number, or "auto" for
            its smallest value if that is below 0, as in CT; default: 0.
        conventions: What the files do not say themselves.

    Returns:
        The files that were written.

    Warns:
        ImageWarning: If points or voxels of the reference lie outside of a
            displacement, if an affine map that follows one is missing, or if an image
            with values below 0 is filled with 0 because no `fill` was given.

    Raises:
        ConfigError: If there is no transform or no reference, if an output has an
            unknown ending or is an input or another output, if several results have no
            folder, or if `fill` is given and no image.
        DataError: If an image or points cannot be read.
        GeometryError: If image, points, reference and transforms differ in dimension.
        TransformError: If a transform cannot be read or inverted.
    """
    if not chain:
        raise ConfigError("no transform given; give one or more with -t.")
    check_fill(fill)
    given = [source] if isinstance(source, Path | str) else source
    sources = [Path(path) for path in given]
    has_points = any(points_ending(one) for one in sources)
    if fill is not None and (has_points or interpolation != "linear"):
        raise ConfigError(
            "fill is for images; label maps get 0, points have no outside."
        )
    outputs = [output] if len(sources) == 1 else _in_folder(sources, output)
    inputs = [*sources, reference, *(split_word(word)[0] for word in chain)]
    taken = {path.resolve() for path in inputs if path is not None}
    for one, target in zip(sources, outputs, strict=True):
        _check(one, target, reference)
        if target.resolve() in taken:
            raise ConfigError(f"{target}: is an input; choose another name.")
    onto = read_image(reference) if reference else None
    noted = conventions or Conventions()
    applying = Applying(chain, onto, interpolation, inverse, fill, noted)
    with together():
        applying.to_each(sources, outputs)
    return tuple(outputs)


def _in_folder(sources: Sequence[Path], folder: Path) -> list[Path]:
    """The names of several results in a folder.

    Raises:
        ConfigError: If it is none, or two sources have the same name.
    """
    if folder.is_file() or folder.name.lower().endswith((*ENDINGS, *POINT_ENDINGS)):
        raise ConfigError(f"{folder}: several inputs need a folder for the results.")
    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"{name}: is the name of several inputs, whose results would be one "
                "file; apply the transforms to them one by one."
            )
    return [folder / name for name in names]


def _check(source: Path, output: Path, reference: Path | None) -> None:
    """Refuse an input or an output by its name, before anything is read."""
    ending = points_ending(source)
    if ending is None and not source.name.lower().endswith(ENDINGS):
        raise ConfigError(
            f"{source}: is neither an image ({', '.join(ENDINGS)}) nor points "
            f"({', '.join(POINT_ENDINGS)}) by its name; convert it."
        )
    if ending is None and reference is None:
        raise ConfigError("images need a reference grid; give one with -r.")
    allowed = ENDINGS if ending is None else (ending,)
    if not output.name.lower().endswith(allowed):
        what = "the output" if ending is None else f"points of a {ending} file"
        raise ConfigError(
            f"{output}: the name of {what} must end in {' or '.join(allowed)}."
        )
