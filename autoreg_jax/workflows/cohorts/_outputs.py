"""The files of a template: written after every round, and read to go on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from autoreg_jax.data import (
    normalize_intensity,
    read_image,
    read_labels,
    write_volume,
)
from autoreg_jax.errors import ArtifactError
from autoreg_jax.files import read_json, together, write_json
from autoreg_jax.geometry import Grid, Volume
from autoreg_jax.inference.writing import write_map
from autoreg_jax.runtime import progress
from autoreg_jax.transforms import Transform
from autoreg_jax.workflows.cohorts._average import Average, sharpened
from autoreg_jax.workflows.cohorts._members import Member

__all__ = ["SUMMARY", "State", "read_state", "write_round"]

SUMMARY = "summary.json"


@dataclass(frozen=True, eq=False)
class State:
    """What a round begins with.

    Attributes:
        template: Intensities in [0, 1].
        matrices: World of the template to that of each image, mm, by name.
        rounds: The numbers of each round so far, the start first.
    """

    template: Volume
    matrices: dict[str, Float[np.ndarray, "4 4"]]
    rounds: tuple[dict[str, Any], ...] = ()


def write_round(
    folder: Path,
    state: State,
    members: Sequence[Member],
    transform_of: Callable[[Member], Transform],
    numbers: dict[str, Any],
    about: Mapping[str, Mapping[str, Any]],
    settings: Mapping[str, Any],
) -> State:
    """Average the images along their transforms, and write all results, or none.

    Args:
        folder: Of the results.
        state: Before the round; the matrices are those of the transforms.
        members: The subjects.
        transform_of: From the new template to the image of a subject.
        numbers: Of the round.
        about: Of each subject.
        settings: What the template was asked to be; `sharpen` is used.

    Returns:
        The state after it.
    """
    grid = state.template.grid
    average = Average(grid)
    with together():
        with progress("average", len(members)) as advance:
            for member in members:
                _add(average, member, transform_of(member), grid, folder / "subjects")
                advance()
        template = _volume(sharpened(average.mean, settings["sharpen"]), grid)
        difference = template.array - state.template.array
        scale = float(np.sqrt(np.mean(np.square(template.array)))) or 1.0
        change = float(np.sqrt(np.mean(np.square(difference)))) / scale
        numbers = {**numbers, "intensity_change": change}
        _write_averages(folder, average, template)
        state = State(template, state.matrices, (*state.rounds, numbers))
        subjects = {
            member.name: {
                "image": member.path,
                "matrix": state.matrices[member.name],
                **about.get(member.name, {}),
            }
            for member in members
        }
        content = {
            "settings": settings,
            "grid": {"shape": grid.shape, "affine": grid.affine, "space": grid.space},
            "rounds": state.rounds,
            "subjects": subjects,
        }
        write_json(folder / SUMMARY, content)
    return state


def read_state(folder: Path) -> tuple[State, dict[str, Any]]:
    """The state after the last round that was finished, and the whole summary.

    Raises:
        ArtifactError: If the summary or the template is missing or damaged.
    """
    path = folder / SUMMARY
    summary = read_json(path)
    try:
        place = summary["grid"]
        grid = Grid(place["shape"], np.array(place["affine"]), place["space"])
        matrices = {
            name: np.array(about["matrix"], np.float64)
            for name, about in summary["subjects"].items()
        }
        rounds = tuple(summary["rounds"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{path}: is not the summary of a template ({error}); choose another "
            "folder, or remove it."
        ) from None
    template = read_image(folder / "template.nii.gz")
    if template.shape != grid.shape:
        raise ArtifactError(
            f"{template.path}: has the shape {template.shape}, by {path} it has "
            f"{grid.shape}; build the template again."
        )
    return State(_volume(template.array, grid), matrices, rounds), summary


def _add(
    average: Average, member: Member, transform: Transform, grid: Grid, folder: Path
) -> None:
    """Move what there is of a subject, add it, and write it."""
    image = read_image(member.image)
    scaled = normalize_intensity(image.array)
    moved = transform.apply(scaled, image.grid, grid, fill=np.nan)
    average.add(moved)
    write_volume(folder / f"{member.name}_moved.nii.gz", _volume(moved, grid))
    path = folder / f"{member.name}_displacement.nii.gz"
    write_map(transform, grid, path, folder / f"{member.name}_affine.mat")
    if member.labels is not None:
        labels = read_labels(member.labels)
        found = transform.apply(labels.array, labels.grid, grid, "label")
        average.add_labels(found)
        path = folder / f"{member.name}_moved_labels.nii.gz"
        write_volume(path, _volume(found, grid))


def _write_averages(folder: Path, average: Average, template: Volume) -> None:
    grid = template.grid
    write_volume(folder / "template.nii.gz", template)
    write_volume(folder / "mean.nii.gz", _volume(average.mean, grid))
    write_volume(folder / "variance.nii.gz", _volume(average.variance, grid))
    if not average.has_labels:
        return
    write_volume(folder / "labels.nii.gz", _volume(average.majority(), grid))
    for value, share in average.probabilities().items():
        path = folder / "probabilities" / f"label_{value}.nii.gz"
        write_volume(path, _volume(share, grid))


def _volume(array: np.ndarray, grid: Grid) -> Volume:
    """An array on a grid; what is not seen is 0."""
    if array.dtype.kind == "f":
        array = np.nan_to_num(array)
    return Volume(array, grid.affine, space=grid.space)
