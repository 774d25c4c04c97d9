"""The average of a cohort that favours no image of it."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from autoreg_jax.data import Image, read_image
from autoreg_jax.errors import ConfigError
from autoreg_jax.geometry import Grid, Volume, working_grid
from autoreg_jax.inference import RegistrationModel, load_model
from autoreg_jax.losses import SIMILARITIES
from autoreg_jax.runtime import in_single_precision, owns
from autoreg_jax.workflows.cohorts._members import check_members, find_members
from autoreg_jax.workflows.cohorts._outputs import read_state
from autoreg_jax.workflows.cohorts._resume import check_folder
from autoreg_jax.workflows.cohorts._rounds import (
    UNFINISHED,
    deformable_round,
    linear_round,
    start,
)

__all__ = ["Template", "build_template"]


@dataclass(frozen=True, eq=False)
class Template:
    """The average of a cohort.

    Attributes:
        image: Intensities in [0, 1].
        variance: Of the aligned images at each voxel.
        summary: The content of `summary.json`: `settings`, `grid`, `rounds` (what each
            one changed) and `subjects`.
        folder: Where all results are, see `build_template`.
    """

    image: Volume
    variance: Volume
    summary: dict[str, Any]
    folder: Path


@in_single_precision
@owns("folder")
def build_template(  # noqa: PLR0913
    images: Path | str | Sequence[Image],
    folder: Path | str,
    *,
    labels: Sequence[Image] | None = None,
    reference: Image | None = None,
    affine: Literal["affine", "rigid", "none"] = "affine",
    position: Literal["reference", "mean"] = "reference",
    deformable: bool = True,
    rounds: int = 4,
    spacing: float | None = None,
    sharpen: float = 0.0,
    resume: bool = False,
    model: RegistrationModel | Path | str | None = None,
    refine: int | None = None,
    similarity: str | None = None,
    smoothness: float | None = None,
    max_memory: str | float | None = None,
) -> Template:
    """Build the average of a cohort that favours no image of it.

    The images are aligned to one of them, averaged, and aligned to that average. In
    each round every image is then registered to the template T, φ_i = A_i ∘ exp(v_i);
    the template moves by the inverse of the mean velocity v̄, so that each image now
    belongs to it by A_i ∘ exp(v_i) ∘ exp(-v̄), and is the mean of the images along
    these. So the mean of the velocities becomes zero (Guimond et al., CVIU 2000; Joshi
    et al., NeuroImage 2004; Avants et al., NeuroImage 2010). Of the linear maps the
    mean stretch is taken out in the same way; position and orientation, which are no
    shape, stay those of the reference, or become the mean ones: of several scans of one
    person a mid-space that favours no time point (Reuter et al., NeuroImage 2012).

    The folder gets, after each round and all at once:

    - `template.nii.gz`, and `mean.nii.gz` (without sharpening) and `variance.nii.gz`;
    - `subjects/NAME_displacement.nii.gz` and `NAME_affine.mat`, as `register` writes
      them: `apply -t` both of them brings anything of that subject to the template;
    - `subjects/NAME_moved.nii.gz`, intensities in [0, 1];
    - with label maps `labels.nii.gz` (what most subjects have), their shares as
      `probabilities/label_N.nii.gz`, and `subjects/NAME_moved_labels.nii.gz`;
    - `summary.json`.

    Args:
        images: A dataset as `data.read_dataset` reads it, with the label maps that it
            names; or at least two images, 2-D or 3-D, on any grids.
        folder: For the results.
        labels: Label map of each image, if images are listed.
        reference: Its grid, position and orientation are those of the template;
            default: the first image.
        affine: The alignment of the images; "none" trusts their headers.
        position: "reference", or "mean": the position in the middle of all images, by
            the logarithms of their maps; the grid of the reference follows by whole
            voxels. Not with affine "none".
        deformable: Register deformably; otherwise all rounds are linear alignments.
        rounds: Number of rounds, ≥ 1.
        spacing: Of the template, mm, along each axis; default: that of the reference.
        sharpen: How much of what a blur of one voxel takes away is added to each mean,
            ≥ 0.
        resume: Go on after the last finished round in this folder; `rounds` may be more
            than before. Registrations of an unfinished round are not repeated.
        model: Trained network, as for `register`; default: optimisation alone.
        refine: As for `register`; default: 100, with a model 0.
        similarity: As for `register`.
        smoothness: As for `register`.
        max_memory: As for `register`.

    Returns:
        The template.

    Raises:
        ArtifactError: If the model, or what is to be resumed, cannot be read, or if
            another process owns the folder.
        ConfigError: If an option is out of its range; if the folder has a template and
            `resume` is not set, or one of other images or settings.
        DataError: If an image or label map cannot be used, or there are fewer than two.
        GeometryError: If some images are slices and some volumes, or images share too
            little to compare.
        MemoryNeededError: If there is too little memory.
        NonFiniteError: If a displacement is not finite.
    """
    folder = Path(folder)
    settings = {
        "affine": affine,
        "deformable": deformable,
        "spacing": spacing,
        "sharpen": sharpen,
        "refine": refine,
        "similarity": similarity,
        "smoothness": smoothness,
        # Earlier versions did not know it.
        "position": None if position == "reference" else position,
    }
    _check(settings, rounds, has_model=model is not None)
    members = find_members(images, labels)
    if isinstance(model, Path | str):
        model = load_model(model)
    settings["model"] = None if model is None else model.digest
    settings["images"] = check_members(members)
    first = read_image(members[0].image if reference is None else reference)
    grid = _grid(first, spacing)
    state = check_folder(folder, settings, grid, resume=resume)
    if state is None:
        shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
        state = start(folder, first, grid, members, settings)
    options = {"model": model, "refine": refine, "similarity": similarity}
    options |= {"smoothness": smoothness, "max_memory": max_memory}
    kinds = ["linear"] * (affine != "none") + ["deformable"] * rounds
    if not deformable:
        kinds = ["linear"] * rounds
    for kind in kinds[len(state.rounds) - 1 :]:
        if kind == "linear":
            state = linear_round(folder, state, members, settings)
        else:
            state = deformable_round(folder, state, members, settings, options)
    shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
    _, summary = read_state(folder)
    variance = read_image(folder / "variance.nii.gz")
    return Template(state.template, variance, summary, folder)


def _check(settings: dict[str, Any], rounds: int, *, has_model: bool) -> None:
    """Refuse options that are out of their range."""
    affine, spacing = settings["affine"], settings["spacing"]
    if affine not in ("affine", "rigid", "none"):
        raise ConfigError(f"affine: must be affine, rigid or none, got {affine!r}.")
    if settings["position"] not in (None, "mean"):
        found = settings["position"]
        raise ConfigError(f"position: must be reference or mean, got {found!r}.")
    if affine == "none" and settings["position"]:
        raise ConfigError(
            "position: the mean one is found by an alignment; let affine be rigid or "
            "affine, or leave the position to the headers."
        )
    if affine == "none" and not settings["deformable"]:
        raise ConfigError("there is nothing to do: no alignment, nothing deformable.")
    if rounds < 1:
        raise ConfigError(f"rounds: must be at least 1, got {rounds}.")
    if settings["deformable"] and not has_model and settings["refine"] == 0:
        raise ConfigError("refine: 0 steps and no model register nothing; give one.")
    known = (None, "auto", *SIMILARITIES)
    if settings["similarity"] not in known:
        raise ConfigError(
            f"similarity: must be one of {', '.join(known[1:])}, got "
            f"{settings['similarity']!r}."
        )
    if spacing is not None and not 0 < spacing < np.inf:
        raise ConfigError(f"spacing: must be above 0 mm, got {spacing}.")
    if not 0 <= settings["sharpen"] < np.inf:
        raise ConfigError(f"sharpen: must be at least 0, got {settings['sharpen']}.")


def _grid(reference: Volume, spacing: float | None) -> Grid:
    """The grid of the template: of the reference, or over its field of view."""
    if spacing is None:
        return reference.grid
    found = working_grid(reference, reference.grid.axcodes, (spacing,) * reference.ndim)
    return replace(found, space=reference.space)
