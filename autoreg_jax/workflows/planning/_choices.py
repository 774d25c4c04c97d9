"""The fingerprint of a dataset in words, and the choices that follow from it."""

from typing import Any, NamedTuple

import numpy as np

from autoreg_jax.config import Intensity, ObjectiveConfig, RunConfig
from autoreg_jax.data import Fingerprint

_MOST_LABELS = 8
# Positions within this fraction of the size of the content need no alignment.
_SAME_PLACE = 0.05
# Sizes within these fractions of their median need no alignment, or no scaling.
_SAME_SIZE, _SAME_SIZE_RIGID = 0.25, 0.05


class Choice(NamedTuple):
    """A value of a field of the plan, and its reason in sentences."""

    value: Any
    reason: str


def choose_metric(found: Fingerprint, config: RunConfig) -> Choice:
    """`ncc` for images of one contrast, `mind` for several or unlike ones."""
    asked = config.objective.similarity
    if asked != ObjectiveConfig().similarity:
        return Choice(asked, "The configuration asks for it.")
    names = sorted(found.modalities)
    across = {pair: r for pair, r in found.relations.items() if pair[0] != pair[1]}
    medians = ", ".join(
        f"{one} to {other} {relation.median:.2f}"
        for (one, other), relation in sorted(found.relations.items())
    )
    measured = (
        "Part of the relation of grey values that is a rising line, median over pairs "
        f"of people: {medians}. "
    )
    if not found.relations:
        measured = "Too few voxels show content to compare grey values. "
    if across:
        if all(relation.is_one_contrast for relation in across.values()):
            return Choice(
                "ncc",
                f"{measured}The modalities {', '.join(names)} look alike, so the local "
                "correlation of grey values compares them.",
            )
        return Choice(
            "mind",
            f"{measured}The modalities {', '.join(names)} differ in contrast, so "
            "their local structure is compared, not their grey values.",
        )
    if names == ["unknown"] and found.relations:
        (relation,) = found.relations.values()
        if not relation.is_one_contrast:
            return Choice(
                "mind",
                f"{measured}A quarter of the pairs is below {relation.quartile:.2f}: "
                "there may be several contrasts, and no names say which. MIND works "
                "for both; write ncc if all images have one contrast.",
            )
    return Choice(
        "ncc",
        f"{measured}The images have one contrast, for which the local correlation is "
        "the most accurate similarity.",
    )


def choose_affine(found: Fingerprint) -> Choice:
    """The alignment that positions and sizes of the content call for."""
    distances, sizes = found.distances_mm(), found.size_differences()
    far, unlike = np.quantile(distances, 0.9), np.quantile(sizes, 0.9)
    diameter = float(found.reference.content.size.max())
    measured = (
        f"Centres of mass are {np.median(distances):.1f} mm from that of the reference "
        f"(median; nine of ten within {far:.1f} mm), extents within "
        f"{100 * unlike:.0f} % of their median; fields of view share "
        f"{100 * found.overlap[0]:.0f} % (median; at least "
        f"{100 * found.overlap[1]:.0f} %). "
    )
    if far <= _SAME_PLACE * diameter and unlike <= _SAME_SIZE:
        return Choice(
            "none",
            f"{measured}The headers align them well enough for a deformable "
            "registration.",
        )
    if unlike <= _SAME_SIZE_RIGID:
        return Choice("rigid", f"{measured}They differ in position, hardly in size.")
    return Choice("affine", f"{measured}They differ in position or size.")


def choose_intensity(found: Fingerprint) -> Choice:
    """Percentiles of each image, or one window for CT."""
    names = set(found.modalities)
    quantiles = np.asarray([scan.content.quantiles for scan in found.scans])
    low, middle, high = np.median(quantiles, 0)
    measured = (
        f"Grey values at 0.5, 50 and 99.5 %: {low:.4g}, {middle:.4g} and {high:.4g} "
        "(median over images). "
    )
    if names <= {"ct", "cbct", "fbct"} and low <= -900:
        window = Intensity(
            rule="window", low=-1000.0, high=float(round(quantiles[:, 2].max()))
        )
        return Choice(
            window,
            f"{measured}They are Hounsfield units, which mean the same in every image: "
            "one window for all.",
        )
    return Choice(
        Intensity(),
        f"{measured}Each image is scaled by its own percentiles; the upper one counts "
        "the voxels brighter than the lower one.",
    )


_ADVICE = (
    "Edit what you know better; search, train and evaluate obey this file. It "
    "overrides config.yaml in metric, batch and precision."
)


def describe(found: Fingerprint, advice: str = _ADVICE) -> str:
    """The head of plan.yaml."""
    dataset = found.dataset
    splits = ", ".join(
        f"{len(names)} {split} ({why})" for split, why, names in dataset.sources
    )
    modalities = ", ".join(f"{n} {name}" for name, n in found.modalities.items())
    return (
        f"Plan of {dataset.path.name}: {len(dataset.subjects)} images in "
        f"{found.ndim}-D: {splits}; {_describe_labels(found)}; modalities of the "
        f"{len(found.scans)} sampled images: {modalities}. {' '.join(dataset.notes)}"
        f"\n\n{advice}"
    )


def _describe_labels(found: Fingerprint) -> str:
    """Label maps, their values and masks."""
    subjects, values = found.dataset.subjects, found.label_values
    count = sum(subject.labels is not None for subject in subjects)
    masks = sum(subject.mask is not None for subject in subjects)
    shown = ", ".join(map(str, values[:_MOST_LABELS]))
    more = ", …" if len(values) > _MOST_LABELS else ""
    words = f"{len(values)} values ({shown}{more})" if values else "no values"
    labels = f"{count} with a label map, {words}" if count else "none with a label map"
    return f"{labels}; {masks or 'none'} with a mask"
