"""Registration of two images of any grid, orientation and spacing."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from autoreg_jax.alignment import prealign
from autoreg_jax.config import Intensity
from autoreg_jax.data import Image
from autoreg_jax.geometry import displacement_on
from autoreg_jax.inference._comparable import check_options
from autoreg_jax.inference._estimate import comparison_grid, estimate
from autoreg_jax.inference._fill import Fill, check_fill
from autoreg_jax.inference._guide import Guide
from autoreg_jax.inference._initial import Start, found_transform, initial_transform
from autoreg_jax.inference._model import RegistrationModel, load_model
from autoreg_jax.inference._quality import check_length, correlations, folding
from autoreg_jax.inference._registered import Registered
from autoreg_jax.inference.channels import (
    Channel,
    bare,
    check_channels,
    check_count,
    check_weights,
    compared_channels,
    on_grid,
    read_channels,
    scaled,
)
from autoreg_jax.inference.memory import fit_pair, memory_limit
from autoreg_jax.inference.optimisation import channels_compared_by
from autoreg_jax.inference.trust import (
    Trust,
    directions,
    evidence_of,
    repetition_of,
)
from autoreg_jax.losses import Similarity
from autoreg_jax.runtime import in_single_precision

# Window of the local correlation that is reported without a model, and steps of the
# optimisation without a model at each resolution.
_WINDOW, _STEPS = 9, 100


@in_single_precision
def register(  # noqa: PLR0913
    fixed: Image | Sequence[Image],
    moving: Image | Sequence[Image],
    *,
    model: RegistrationModel | Path | str | None = None,
    init: Start = None,
    affine: Literal["auto", "rigid", "affine", "none"] = "auto",
    refine: int | None = None,
    learning_rate: float | None = None,
    similarity: str | Similarity | None = None,
    smoothness: float | None = None,
    channel_weights: Sequence[float] | None = None,
    fixed_mask: Image | None = None,
    moving_mask: Image | None = None,
    fixed_lesion: Image | None = None,
    moving_lesion: Image | None = None,
    guide: Guide | None = None,
    fill: Fill = None,
    uncertainty: bool = False,
    max_memory: str | float | None = None,
) -> Registered:
    """Find the displacement that brings a moving image onto a fixed one.

    The pair is resampled, in world space, to the orientation and spacing of the model;
    the result is on the grid of the fixed image. The moving image is interpolated once.

    Args:
        fixed: The fixed image, 2-D or 3-D, with any intensities: a file, a `Volume`, an
            image of nibabel, SimpleITK or ANTs, or a pair `(array, affine)`. Or a list
            of several images of the subject, such as T1 and T2, on any grids: channels.
            All decide on one displacement; what else looks at one image, such as the
            alignment, looks at the first.
        moving: The moving image, on any grid of the same world; or as many channels.
        model: A model, its folder or a run folder; default: no model, alignment and
            optimisation alone. A folder is read and compiled at every call: to register
            many pairs, pass `load_model(...)`.
        init: Where to begin: a transform from fixed to moving, its file, or files in
            the order of `autoreg apply`. What is found comes before it, and the result
            holds both. `similarity_before` is that of the start.
        affine: Whether the images are aligned first, from there: "rigid" and "affine"
            always align, see `align`; "none" trusts the start; "auto" aligns affinely
            if the images agree measurably better and the alignment is trusted.
        refine: Largest number of optimisation steps on this pair at each resolution, of
            which the full one takes a third. Default: 0 with a model; without one 100,
            or 0 if `affine` asks for a rigid or affine alignment. With 0 and no model
            the result is the alignment alone, and "auto" means "affine".
        learning_rate: Initial learning rate, voxels of half resolution per step;
            default: 0.2 after a network, 0.1 without.
        similarity: Similarity to optimise, a name in `losses.SIMILARITIES`, a
            `Similarity` of your own, or "auto": local correlation ("ncc") for images of
            one contrast, "mind" for two, see `data.shared_contrast`, for each channel
            by itself. Default: that of the model, or "auto".
        smoothness: Factor on the weight of the smoothness of the displacement (> 0):
            above 1 smoother, below 1 closer to the images. A network has to be trained
            for it (`network.conditions`), within a range; one that is not leaves it to
            the refinement. Default: as the model was trained, or the usual weight.
        channel_weights: Weight of each channel in the similarity that is optimised, a
            mean; default: all equal.
        fixed_mask: Compare only where this mask of the fixed image is not 0 (from 0.5
            if a file holds probabilities, see `data.read_mask`). A network does not
            know masks: with a model they are those of the refinement.
        moving_mask: Compare only inside this mask of the moving image.
        fixed_lesion: Do not compare where this mask of the fixed image is not 0: what
            is there has no influence on the result, as if it had not been seen.
        moving_lesion: The same for the moving image.
        guide: Structures and landmarks that the optimisation brings together.
        fill: Value of the moved image where the moving one has no voxels, see
            `Registered.apply`.
        uncertainty: Also compute `Registered.uncertainty`. Without a model the pair is
            registered twice for that, also with the images swapped.
        max_memory: Most main memory that the whole process may hold, bytes or as
            "8GiB"; default: what is free. If more is needed (an estimate), a refinement
            is done on a coarser grid, with a warning, or the pair is refused.

    Returns:
        The result, with `apply` for other images, labels and points, and `save`.

    Raises:
        ArtifactError: If there is no usable model in the folder.
        ConfigError: If there is nothing to do (no model, `refine` 0 and `affine`
            "none"), an option has an unknown value, or nothing takes `smoothness`: the
            factor is out of the model's range, or there is neither a model that is
            trained for it nor an optimisation; if masks with a model or a guide have no
            optimisation, or an alignment alone is asked for its uncertainty.
        DataError: If an image file cannot be used, an image has no contrast, alone or
            where the images are compared, or a mask is empty.
        GeometryError: If the images differ in the number of axes, among themselves or
            from the model, or if the images or masks share too little to compare.
        MemoryNeededError: If there is too little memory.
        NonFiniteError: If the displacement is not finite.
        TransformError: If the initial transform cannot be used.
    """
    if refine is None:
        refine = _STEPS if model is None and affine in ("auto", "none") else 0
    elif model is None and refine == 0 and affine == "auto":
        affine = "affine"
    given_masks = (fixed_mask, moving_mask, fixed_lesion, moving_lesion)
    check_options(
        model,
        affine,
        refine,
        similarity,
        smoothness,
        has_mask=any(mask is not None for mask in given_masks),
        is_guided=guide is not None,
    )
    check_fill(fill)
    limit = memory_limit(max_memory)
    channels, doubts = read_channels(fixed, moving)
    check_weights(channel_weights, len(channels), refine)
    if isinstance(model, Path | str):
        model = load_model(model)
    check_count(model, len(channels))
    is_asked = similarity is not None
    of_model = None if model is None else model.description.similarity
    if model is not None and smoothness is not None:
        is_left = refine > 0 and not model.description.is_told_smoothness
        model = model if is_left else model.with_smoothness(smoothness)
    begin = time.perf_counter()
    given = channels
    channels, masks, more = compared_channels(
        channels, (fixed_mask, moving_mask), (fixed_lesion, moving_lesion)
    )
    (fixed, moving), doubts = channels[0], [*doubts, *more]
    read = guide and guide.read(fixed, moving)
    doubts += read.doubts if read else ()
    initial = initial_transform(init, fixed, moving)
    chosen = None
    if refine > 0:
        asked = similarity, of_model, channels, channel_weights
        chosen = channels_compared_by(*asked, masks=masks, place=initial.place)
    similarity = chosen.similarity if chosen else None
    grid = comparison_grid(fixed, model)
    fitting = fit_pair(
        (fixed, moving),
        grid,
        model and model.description,
        limit,
        affine=affine,
        refine=refine,
        similarity=similarity,
        masks=masks,
        channels=len(channels),
        names=chosen.names if chosen else (),
        both_ways=uncertainty,
    )
    doubts += fitting.notes
    channels = [Channel(f, initial.place(m, fixed)) for f, m in channels]
    moving = channels[0].moving
    masks = (masks[0], masks[1] and initial.place(masks[1], fixed, "nearest"))
    prealignment = prealign(fixed, moving, affine, masks)
    doubts += prealignment.warnings
    intensity = Intensity() if model is None else model.description.intensity

    still, start = (scaled(side, intensity) for side in zip(*channels, strict=True))
    placed = [prealignment.place(image) for image in start]
    arrays = on_grid(still, grid), on_grid(placed, grid)
    unaligned = on_grid(start, grid) if prealignment.is_used else arrays[1]
    placed_masks = (masks[0], masks[1] and prealignment.place(masks[1]))
    weights = [mask and on_grid([mask], grid) for mask in placed_masks]
    if model is not None and is_asked and refine == 0:
        doubts.append(
            "The similarity is not used: the network alone registers the pair; a "
            "refinement (refine, --refine N) uses it."
        )
    if model is not None:
        bared = map(bare, arrays)
        doubts += model.description.doubts((fixed, placed[0]), bared, grid.spacing)
    doubts += check_channels(still, placed, arrays, placed_masks, weights, grid)
    of_pair: dict[str, Any] = {}
    if refine > 0:
        of_pair = {"fixed_mask": weights[0], "moving_mask": weights[1]}
        of_pair["coarsening"] = fitting.coarsening
        of_pair["guidance"] = read and read.on_grid(
            grid,
            lambda labels: prealignment.place(initial.place(labels, fixed, "nearest")),
            lambda points: prealignment.place_points(initial.place_points(points)),
        )
    estimated = estimate(
        *arrays,
        model,
        spacing=grid.spacing,
        steps=refine,
        learning_rate=learning_rate,
        similarity=similarity,
        smoothness=smoothness,
        both_ways=uncertainty,
        **of_pair,
    )
    displacement = estimated.displacement
    usual = 1.0 if model is None else model.smoothness
    window = _WINDOW if model is None else model.description.windows[0]
    before, after = correlations(
        arrays[0], unaligned, arrays[1], displacement, window=window
    )
    # After an alignment alone other subjects still differ, which is not unusual.
    is_judged = model is not None or refine > 0
    parts = *arrays, displacement, weights, grid.spacing
    evidence = evidence_of(*parts) if is_judged else None
    known = model and model.description.usual
    shown = bare(arrays[0])
    repeated = repetition_of(shown, estimated, weights, grid.spacing, known)
    # Of a large pair they would be a quarter of the peak.
    del still, start, placed, arrays, unaligned, weights, parts, estimated
    of_pair.clear()
    displacement_mm = displacement_on(np.asarray(displacement[0]), grid, fixed.grid)
    del displacement
    check_length(displacement_mm, fixed, moving)
    found = found_transform(prealignment, displacement_mm, fixed.grid)
    transform = initial.before(found)
    if not initial.is_linear:
        displacement_mm = transform.displacement_on(fixed.grid)
    folds = folding(displacement_mm, fixed)
    places = directions(grid.affine, grid.ndim)
    return Registered(
        fixed=given[0].fixed,
        moving=given[0].moving,
        transform=transform,
        folding_fraction=folds,
        similarity_before=before,
        similarity=after,
        seconds=time.perf_counter() - begin,
        refined_steps=refine,
        compared_by=chosen,
        coarsening=fitting.coarsening,
        smoothness=usual if smoothness is None else smoothness,
        model=None if model is None else model.path,
        alignment=prealignment.alignment,
        is_aligned=prealignment.is_used,
        warnings=tuple(doubts),
        fill=fill,
        more_channels=given[1:],
        trust=evidence
        and Trust(
            replace(evidence, folding=folds),
            prealignment.turn,
            places,
            repeated.numbers,
        ),
        uncertainty=repeated.on(given[0].fixed, grid) if uncertainty else None,
    )
