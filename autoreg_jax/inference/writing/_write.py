"""Writes the result of a registration: all of its files, or none."""

import logging
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autoreg_jax.data import write_volume
from autoreg_jax.errors import ConfigError, ImageWarning
from autoreg_jax.files import together, write_json, write_text
from autoreg_jax.geometry import Grid, Volume
from autoreg_jax.inference.writing._outputs import moved_kinds
from autoreg_jax.transforms import Affine, Displacement, Transform

if TYPE_CHECKING:
    from autoreg_jax.inference._registered import Registered

__all__ = ["Page", "check_page", "full_summary", "write_map", "write_results"]

Page = Callable[["Registered", Mapping[str, Any]], str]
"""Makes a page of a registration and its numbers, as `report.pair_page` does."""

_LOGGER = logging.getLogger(__name__)
# Fraction of the volume of moved labels below which something may be wrong.
_LITTLE = 0.25


def write_results(
    found: "Registered",
    paths: Mapping[str, Path],
    labels: Volume | None,
    one_field: bool,
    summary: Mapping[str, Any] | None,
    page: Page | None = None,
) -> tuple[Path, ...]:
    """Write what `paths` names, see `Registered.write`."""
    check_page(paths, page)
    written = []
    with together():
        kinds = moved_kinds(1 + len(found.more_channels))
        if wanted := [kind for kind in kinds if kind in paths]:
            # Without a prefix the first one alone has a name.
            images = zip(wanted, found.moved_channels, strict=False)
            written += [write_volume(paths[kind], image) for kind, image in images]
        if "displacement" in paths:
            follows = None if one_field else paths.get("affine")
            grid, path = found.fixed.grid, paths["displacement"]
            written += write_map(found.transform, grid, path, follows)
        if labels is not None and "labels" in paths:
            moved_labels = found.apply(labels, "label")
            _say_what_is_lost(labels, moved_labels, found.fixed)
            written.append(write_volume(paths["labels"], moved_labels))
        written += _write_extra(found, paths)
        if "report" in paths or "summary" in paths:
            content = full_summary(found, paths) if summary is None else summary
            if "report" in paths and page is not None:
                written.append(write_text(paths["report"], page(found, content)))
            if "summary" in paths:
                write_json(paths["summary"], content)
                written.append(paths["summary"])
    if "displacement" in paths:
        _remove_earlier(paths.get("affine"), written)
    return tuple(written)


def check_page(kinds: Iterable[str], page: Page | None) -> None:
    """Refuse a report that nothing makes.

    Raises:
        ConfigError: If "report" is asked for and there is no `page`.
    """
    if "report" in kinds and page is None:
        raise ConfigError(
            "report: nothing makes the page; give page=autoreg_jax.report.pair_page to "
            "register_files, register_many or Registered.write."
        )


def full_summary(found: "Registered", paths: Mapping[str, Path]) -> dict[str, Any]:
    """The summary with the numbers of what else is written.

    A warning is added if the inverse is off by more than a voxel of the fixed image.
    """
    content = found.summary()
    if "inverse_displacement" not in paths:
        return content
    error = found.inverse_error()
    content |= {
        f"inverse_error_{name}": value for name, value in error._asdict().items()
    }
    if error.max_mm is not None and error.max_mm > max(found.fixed.spacing):
        content["warnings"] = (
            *content["warnings"],
            f"The inverse displacement is off by up to {error.max_mm:.2g} mm, "
            f"{error.mean_mm:.2g} mm on average: where the map folds or is steep it "
            "has no inverse. Register with more smoothness if you need one there.",
        )
    return content


def _write_extra(found: "Registered", paths: Mapping[str, Path]) -> list[Path]:
    """Write the files that were asked for beyond the usual ones."""
    written = []
    if path := paths.get("inverse_displacement"):
        vectors, grid = found.inverse_displacement_mm, found.moving.grid
        written.append(Transform.displacement(vectors, grid).write(path))
        written.append(write_volume(paths["inverse_moved"], found.inverse_moved))
    if path := paths.get("jacobian"):
        array = found.jacobian_determinant().astype(np.float32)
        fixed = found.fixed
        volume = Volume(array, fixed.affine, space=fixed.space)
        written.append(write_volume(path, volume))
    if path := paths.get("grid"):
        written.append(write_volume(path, found.grid_image()))
    if path := paths.get("uncertainty"):
        if found.uncertainty is None:
            raise ConfigError(
                "uncertainty: was not computed; register with uncertainty=True."
            )
        written.append(write_volume(path, found.uncertainty))
    return written


def write_map(
    transform: Transform, grid: Grid, path: Path, follows: Path | None
) -> list[Path]:
    """Write a map as one file, or as a displacement and the affine map behind it.

    Args:
        transform: The map from the grid; a chain that ends in an affine map is divided.
        grid: Of the fixed image, and of the displacement.
        path: File of the displacement, or of the whole map.
        follows: File of the affine map; None writes one file.

    Returns:
        The files that were written.
    """
    match transform.links:
        case (Affine() as affine, *rest) if follows:
            # In space, as the vectors of the displacement are, also for a plane.
            Transform.affine(affine.full).write(follows)
            before = Transform(tuple(rest)).displacement_on(grid)
            field = Displacement(before, grid, followed_by=follows.name)
            return [Transform((field,)).write(path), follows]
    return [transform.write(path, grid=grid)]


def _remove_earlier(affine: Path | None, written: Sequence[Path]) -> None:
    """Remove the affine map of an earlier run, if this one has none."""
    if affine and affine not in written and affine.is_file():
        affine.unlink()
        _LOGGER.warning(
            "%s: of an earlier run, removed: this run has no affine map beside the "
            "displacement.",
            affine,
        )


def _say_what_is_lost(labels: Volume, moved: Volume, fixed: Volume) -> None:
    """Warn if little of a label map is left on the fixed grid."""
    before, after = (
        np.count_nonzero(v.array) * np.prod(v.spacing) / 1000 for v in (labels, moved)
    )
    if after < _LITTLE * before:
        warnings.warn(
            f"{labels.path or 'the moving labels'}: {after:.3g} of {before:.3g} ml are "
            f"left on the grid of {fixed.path or 'the fixed image'}; the rest lies "
            "outside of it. Check the headers.",
            ImageWarning,
            stacklevel=3,
        )
