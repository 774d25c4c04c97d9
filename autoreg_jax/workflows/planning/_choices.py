"""What follows from the fingerprint of a dataset, each choice with its reason."""

from typing import NamedTuple

import numpy as np

from autoreg_jax.config import IntensityConfig, ObjectiveConfig, RunConfig
from autoreg_jax.data import Fingerprint

# Grey values of one contrast correlate at least so much between people, of two less
# (measured: T1 to T1 0.6 to 0.9, T1 to T2 0.2 to 0.3).
ALIKE = 0.45
# Positions within this part of the size of the content need no alignment.
_SAME_PLACE = 0.05
# Sizes within this part of their median need none either, or no scaling.
_SAME_SIZE, _SAME_SIZE_RIGID = 0.25, 0.05
_MOST_IN_WORDS = 8


class Choice(NamedTuple):
    """A value of the plan and why.

    Attributes:
        value: For the field of the plan.
        reason: In sentences.
    """

    value: object
    reason: str


def choose_metric(found: Fingerprint, config: RunConfig) -> Choice:
    """`ncc` for images of one contrast, `mind` for several or unlike ones."""
    asked = config.objective.similarity
    if asked != ObjectiveConfig().similarity:
        return Choice(asked, "The configuration asks for it.")
    names = sorted(found.modalities)
    across = {pair: r for pair, r in found.relations.items() if pair[0] != pair[1]}
    said = ", ".join(
        f"{one} to {other} {relation.median:.2f}"
        for (one, other), relation in sorted(found.relations.items())
    )
    measured = f"Grey values correlate, median over pairs of people: {said}. "
    if not found.relations:
        measured = "Too few voxels show something to compare grey values. "
    if across:
        lowest = min(relation.quartile for relation in across.values())
        if lowest >= ALIKE:
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
        if relation.quartile < ALIKE:
            return Choice(
                "mind",
                f"{measured}A quarter of the pairs is below {relation.quartile:.2f}: "
                "there may be several contrasts, and no names say which. MIND is safe "
                "for both; write ncc if all images have one contrast.",
            )
    return Choice(
        "ncc",
        f"{measured}The images have one contrast, for which the local correlation is "
        "the sharpest measure.",
    )


def choose_affine(found: Fingerprint) -> Choice:
    """What has to be aligned before, by positions and sizes of the content."""
    distances, sizes = found.distances_mm(), found.size_differences()
    far, unlike = np.quantile(distances, 0.9), np.quantile(sizes, 0.9)
    diameter = float(found.reference.content.size.max())
    measured = (
        f"Centres of mass lie {np.median(distances):.1f} mm from that of the reference "
        f"(median; nine of ten within {far:.1f} mm), extents within "
        f"{100 * unlike:.0f} % of their median, fields of view share "
        f"{100 * found.overlap[0]:.0f} % (median; {100 * found.overlap[1]:.0f} % at "
        "least). "
    )
    if far <= _SAME_PLACE * diameter and unlike <= _SAME_SIZE:
        return Choice(
            "none",
            f"{measured}The headers place them well enough for a deformable "
            "registration.",
        )
    if unlike <= _SAME_SIZE_RIGID:
        return Choice("rigid", f"{measured}They differ in position and hardly in size.")
    return Choice("affine", f"{measured}They differ in position or size.")


def choose_intensity(found: Fingerprint) -> Choice:
    """Percentiles of each image, or one window for CT."""
    names = set(found.modalities)
    quantiles = np.asarray([scan.content.quantiles for scan in found.scans])
    low, middle, high = np.median(quantiles, 0)
    measured = (
        f"Grey values from {low:.4g} over {middle:.4g} to {high:.4g} (0.5, 50 and "
        "99.5 %, median over images). "
    )
    if names <= {"ct", "cbct", "fbct"} and low <= -900:
        window = IntensityConfig(
            rule="window", low=-1000.0, high=float(round(quantiles[:, 2].max()))
        )
        return Choice(
            window,
            f"{measured}They are Hounsfield units, which mean the same in every image: "
            "one window for all.",
        )
    return Choice(
        IntensityConfig(),
        f"{measured}Each image is scaled by its own percentiles; the upper one is of "
        "what is brighter than the lower one.",
    )


def describe_labels(found: Fingerprint) -> str:
    """Which label values there are, in a sentence."""
    subjects = found.dataset.subjects
    count = sum(subject.labels is not None for subject in subjects)
    masks = sum(subject.mask is not None for subject in subjects)
    values = found.labels
    shown = ", ".join(map(str, values[:_MOST_IN_WORDS]))
    more = ", …" if len(values) > _MOST_IN_WORDS else ""
    said = f"{len(values)} values ({shown}{more})" if values else "no values"
    labels = f"{count} with a label map, {said}" if count else "none with a label map"
    return f"{labels}; {masks or 'none'} with a mask"
