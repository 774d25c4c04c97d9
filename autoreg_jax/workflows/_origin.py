"""What a checkpoint belongs to: its step, its records, the inputs of the stage."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from autoreg_jax.data import Cohort
from autoreg_jax.errors import ArtifactError
from autoreg_jax.files import plain_json
from autoreg_jax.runtime import RunFolder

# Subjects of a split that are looked at, evenly spread, and voxels of each, about.
_SUBJECTS, _VOXELS = 16, 32_768
# Means of grey values in [0, 1]: another device aligns and resamples a little
# differently; other images differ by more.
_TOLERANCE = 2e-3


def origin(
    step: int,
    records: Sequence[Mapping[str, Any]],
    inputs: Callable[[], Mapping[str, Any]] | None,
) -> dict[str, Any]:
    """The facts that are stored with a checkpoint, values of JSON.

    Args:
        step: Of the checkpoint.
        records: Those of the stage up to this step.
        inputs: See `Task`.
    """
    return {
        "seconds": records[-1]["seconds"],
        "step": step,
        "records": _digest(records),
        "inputs": plain_json(inputs() if inputs else {}),
    }


def check_origin(
    facts: Mapping[str, Any],
    folder: RunFolder,
    stage: str,
    step: int,
    records: Sequence[Mapping[str, Any]],
    inputs: Callable[[], Mapping[str, Any]] | None,
) -> None:
    """Refuse to go on from a checkpoint that does not belong to what is there.

    Checkpoints of earlier versions know their seconds alone.

    Raises:
        ArtifactError: If its number, its records or the inputs are others.
    """
    place = f"{folder.checkpoints / stage}: checkpoint {step}"
    if facts.get("step", step) != step:
        raise ArtifactError(
            f"{place} is that of step {facts['step']}, under another name; name its "
            "folder as before, or start without resuming."
        )
    if not records or records[-1]["step"] != step:
        raise ArtifactError(
            f"{folder.metrics}: the record of step {step} of stage {stage!r} is "
            "missing, to which there is a checkpoint; restore the file, or start "
            "without resuming."
        )
    if facts.get("records", _digest(records)) != _digest(records):
        raise ArtifactError(
            f"{folder.metrics}: the records of stage {stage!r} are not those that were "
            f"written before checkpoint {step}; restore the file, or start without "
            "resuming."
        )
    before, now = facts.get("inputs") or {}, plain_json(inputs() if inputs else {})
    for name in before.keys() & now.keys():
        # A trial that becomes the run had no use for the validation images.
        is_known = before[name] is not None and now[name] is not None
        if is_known and not _is_same(before[name], now[name]):
            raise ArtifactError(
                f"{place} was made with other {name}; restore what the run was started "
                "with, or start without resuming in another folder."
            )


def of_splits(train: Cohort, validation: Cohort | None) -> dict[str, Any]:
    """The images and the pairs of both splits, as inputs of a stage."""
    return {
        "training images": looks(train),
        "validation images": looks(validation),
        "training pairs": _listed(train),
        "validation pairs": _listed(validation),
    }


def _listed(cohort: Cohort | None) -> str | None:
    """A digest of the listed pairs of a split; None without subjects."""
    if cohort is None:
        return None
    if cohort.pairs is None:
        return "any"
    names = [[cohort.names[one] for one in pair] for pair in cohort.pairs]
    return hashlib.sha256(json.dumps(sorted(names)).encode()).hexdigest()


def looks(cohort: Cohort | None) -> dict[str, Any] | None:
    """A fingerprint of the subjects of a split, to notice that they were exchanged.

    It holds a digest of the names and, for some of the subjects, the mean intensity of
    each quadrant of the image (octant in 3-D) and the share of foreground in each
    quadrant of the label map. None without subjects.
    """
    if cohort is None:
        return None
    count = len(cohort.names)
    chosen = np.unique(np.linspace(0, count - 1, min(count, _SUBJECTS)).round())
    places = chosen.astype(int).tolist()
    found: dict[str, Any] = {
        "names": hashlib.sha256("\n".join(cohort.names).encode()).hexdigest(),
        "images": [_means(cohort.images[place][..., 0]) for place in places],
    }
    if cohort.labels is not None:
        labels = cohort.labels
        found["labels"] = [_means(labels[place] > 0) for place in places]
    return found


def _means(image: np.ndarray) -> list[float]:
    stride = max(1, round((image.size / _VOXELS) ** (1 / image.ndim)))
    blocks = [np.asarray(image[(slice(None, None, stride),) * image.ndim], np.float64)]
    for axis in range(image.ndim):
        blocks = [
            half
            for block in blocks
            for half in np.array_split(block, [block.shape[axis] // 2], axis)
        ]
    return [round(float(block.mean()), 5) if block.size else 0.0 for block in blocks]


def _is_same(one: Any, other: Any) -> bool:
    """Whether two inputs agree, numbers within the tolerance."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(
            _is_same(one[name], other[name]) for name in one
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, float) and isinstance(other, float | int):
        return abs(one - other) <= _TOLERANCE * max(1.0, abs(one))
    return one == other


def _digest(records: Sequence[Mapping[str, Any]]) -> str:
    """Digest of records as they are in metrics.jsonl.

    Without `paused`: a trial that becomes the run loses it.
    """
    found = hashlib.sha256()
    for record in records:
        fields = {k: v for k, v in record.items() if k != "paused"}
        found.update(json.dumps(plain_json(fields), sort_keys=True).encode())
    return found.hexdigest()
