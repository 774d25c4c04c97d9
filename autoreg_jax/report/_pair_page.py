"""The page of one registered pair: what was found, slice by slice, and how."""

from collections.abc import Iterator, Mapping
from typing import Any

from autoreg_jax.alignment import Alignment
from autoreg_jax.inference import Registered
from autoreg_jax.report._templates import page_templates
from autoreg_jax.report._words import SIMILARITIES, duration
from autoreg_jax.report.slices import SlicePictures, slice_pictures
from autoreg_jax.transforms import Transform


def pair_page(found: Registered, summary: Mapping[str, Any]) -> str:
    """Make the HTML of a registered pair, a self-contained page.

    Args:
        found: The registration.
        summary: Its numbers, as summary.json holds them.
    """
    return (
        page_templates()
        .get_template("pair.html.jinja")
        .render(
            moving=_name(summary["moving"], "moving image"),
            fixed=_name(summary["fixed"], "fixed image"),
            slices=list(_slices(found)),
            decisions=list(_decisions(found)),
            warnings=[*summary["warnings"], *_flags(summary)],
            rows=list(_rows(summary)),
        )
    )


def _flags(summary: Mapping[str, Any]) -> Iterator[str]:
    """What is unusual about the result, as sentences."""
    for flag in summary.get("trust_flags", ()):
        yield f"Doubtful: {flag}."


def _name(path: Any, without: str) -> str:
    return str(path) if path else without


def _slices(found: Registered) -> Iterator[SlicePictures]:
    """Pictures of the slices that show most of the fixed image."""
    fixed, moving = found.fixed, found.moving
    return slice_pictures(
        fixed.array,
        Transform().apply(moving.array, moving.grid, fixed.grid),
        found.moved.array,
        found.jacobian_determinant(),
        moving=moving.array,
        spacing=fixed.spacing,
        affine=fixed.affine,
    )


def _decisions(found: Registered) -> Iterator[str]:
    """What was done to the pair, and why."""
    alignment, steps = found.alignment, found.refined_steps
    if alignment is None:
        yield "No alignment was sought: the images were taken as they were placed."
    elif found.is_aligned:
        trust = (
            ""
            if alignment.is_trusted
            else f" Not trusted: {alignment.reason.rstrip('.')}."
        )
        yield f"Aligned first: {_agreement(alignment)}.{trust}"
    else:
        why = "which is not clearly better"
        if not alignment.is_trusted:
            why = f"which is not trusted: {alignment.reason.rstrip('.')}"
        yield f"An alignment was found and not used: {_agreement(alignment)}, {why}."
    optimised = f"optimised for this pair, {steps} steps at each resolution at most"
    if found.model is None and not steps:
        yield "No displacement was sought, the alignment alone."
    elif found.model is None:
        yield f"The displacement was {optimised}, without a model."
    else:
        then = f", and then {optimised}" if steps else ""
        yield f"The displacement is that of the model {found.model}{then}."
    if found.more_channels:
        yield (
            f"Each subject has {1 + len(found.more_channels)} images, which decide on "
            "one displacement; the pictures show the first."
        )
    if found.compared_by:
        names = found.compared_by.name.split(" + ")
        words = " + ".join(SIMILARITIES.get(name, name) for name in names)
        yield f"Compared by {words}. {found.compared_by.reason}"
    if found.smoothness != 1:
        yield f"The smoothness has {found.smoothness:g} times its usual weight."


def _agreement(alignment: Alignment) -> str:
    metric = {"mi": "mutual information", "ncc": "correlation"}[alignment.metric]
    return (
        f"agreement ({metric}) {alignment.score_before:.3f} by the headers, "
        f"{alignment.score:.3f} by the alignment"
    )


def _rows(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The numbers of the pair that are known, in words."""
    wanted = (
        ("Dice overlap", "dice", "{:.3f}", 1),
        ("Distance from the true position, mm", "displacement_error", "{:.2f}", 1),
        ("Local correlation", "similarity", "{:.3f}", 1),
        ("Mean displacement, mm", "displacement_mean_mm", "{:.2f}", 1),
        ("Largest displacement, mm", "displacement_max_mm", "{:.2f}", 1),
        ("Folded voxels, %", "folding_fraction", "{:.4f}", 100),
        ("Trust, from 0 to 1", "trust", "{:.2f}", 1),
        (
            "Difference if the images are swapped, mean, mm",
            "swapped_difference_mean_mm",
            "{:.2f}",
            1,
        ),
        (
            "Difference of network and result, mean, mm",
            "network_difference_mean_mm",
            "{:.2f}",
            1,
        ),
        ("Inverse consistency, mean, mm", "inverse_error_mean_mm", "{:.4f}", 1),
        ("Inverse consistency, largest, mm", "inverse_error_max_mm", "{:.4f}", 1),
    )
    for label, key, form, factor in wanted:
        values = [summary.get(name) for name in (f"{key}_before", key)]
        known = [form.format(factor * value) for value in values if value is not None]
        if known:
            yield label, " → ".join(known)
    yield "Time, with compilation", duration(summary["seconds"])
