"""A model on disk: its description and its weights, which belong together."""

import hashlib
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np

from autoreg_jax.config import Intensity, build, convert
from autoreg_jax.errors import ArtifactError
from autoreg_jax.files import (
    json_digest,
    parse_json,
    read_arrays,
    together,
    write_bytes,
    write_json,
)
from autoreg_jax.inference._description import ModelDescription
from autoreg_jax.inference._seen import Seen
from autoreg_jax.inference.trust import Usual
from autoreg_jax.losses import SIMILARITIES
from autoreg_jax.networks import Conditions, Structure, Wiring
from autoreg_jax.search_space import Genotype

DESCRIPTION, WEIGHTS = "model.json", "weights.npz"

_FORMAT = 6
# Format 1 has neither `wiring` nor `is_dimmed`: both are the defaults. So is
# `intensity` if it is missing. Format 2 has no `structure`: two scales, and how
# velocities are joined is part of `wiring`. Format 3 has no `seen`, format 4 no
# digests, format 5 no `conditions`: it is told nothing.
_READABLE = (1, 2, 3, 4, 5, _FORMAT)
_WITH_DIGESTS = 5
_PARTS = {
    "wiring": Wiring,
    "structure": Structure,
    "intensity": Intensity,
    "seen": Seen,
    "conditions": Conditions,
    "usual": Usual,
}
_AXES = ("LR", "PA", "IS")
# The weights of a network are around 1; images are from 0 to 1.
_MOST = 1e6


def write_model(
    folder: Path, description: ModelDescription, weights: Mapping[str, Any]
) -> None:
    """Write both files of a model, or none."""
    arrays: dict[str, Any] = {name: np.asarray(weights[name]) for name in weights}
    about = asdict(description)
    for name in ("refine_smoothness", "channels"):
        if about[name] == 1:  # which earlier versions do not know
            del about[name]
    if description.usual is None:
        del about["usual"]
    if isinstance(description.genotype, Genotype):
        about["genotype"] = json.loads(description.genotype.to_json())
    about = {"format": _FORMAT, **about, "weights_sha256": digest(arrays)}
    content = io.BytesIO()
    np.savez(content, **arrays)
    with together():
        write_bytes(folder / WEIGHTS, content.getvalue())
        write_json(folder / DESCRIPTION, about, is_sealed=True)


def read_model(folder: Path) -> tuple[ModelDescription, dict[str, np.ndarray]]:
    """Read the description and the weights of a model, by their names.

    Raises:
        ArtifactError: If the format is unknown, a value cannot be used, or a file was
            changed or comes from another model.
        Exception: If a file is damaged: that of what cannot be used.
    """
    path = folder / DESCRIPTION
    content = parse_json(path.read_bytes())
    if not isinstance(content, dict):
        raise ValueError(f"{DESCRIPTION} is no JSON object")
    found = content.pop("format", None)
    if isinstance(found, bool) or found not in _READABLE:
        raise ArtifactError(
            f"{path}: model format {found!r:.40}, but the newest known is {_FORMAT}; "
            "train the model again or install the version that wrote it."
        )
    expected = None
    if found >= _WITH_DIGESTS:
        own = content.pop("sha256", None)
        if own != json_digest({"format": found, **content}):
            raise ArtifactError(
                f"{path}: was changed after the model was written; copy the whole "
                "folder again or train the model again."
            )
        expected = content.pop("weights_sha256")
    description = _described(content, found, str(path))
    weights = read_weights(folder / WEIGHTS)
    if expected not in (None, digest(weights)):
        raise ArtifactError(
            f"{folder / WEIGHTS}: are not the weights that {path} describes; copy the "
            "whole folder again or train the model again."
        )
    return description, weights


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """The arrays of `weights.npz`.

    Raises:
        ArtifactError: If a number is NaN, infinite or beyond 1e6.
        Exception: If the file is damaged.
    """
    weights = read_arrays(path)
    for name, array in weights.items():
        largest = np.max(np.abs(array), initial=0)
        if not largest <= _MOST:
            raise ArtifactError(
                f"{path}: the weights {name} have the value {largest:.3g}, of a "
                "training that diverged or a damaged file; copy the whole folder again "
                "or train the model again."
            )
    return weights


def digest(flat: Mapping[str, Any]) -> str:
    """SHA-256 of arrays, their names and shapes, as hexadecimal digits."""
    found = hashlib.sha256()
    for name in sorted(flat):
        array = np.ascontiguousarray(flat[name])
        found.update(f"{name} {array.dtype} {array.shape} ".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def _described(content: dict[str, Any], version: int, source: str) -> ModelDescription:
    """Each value of its declared type, and no unknown ones."""
    values = _current(content, version)
    declared = {f.name: f for f in fields(ModelDescription)}
    unknown = sorted(values.keys() - declared.keys())
    missing = sorted(
        name
        for name, field in declared.items()
        if field.default is MISSING and field.default_factory is MISSING
        if name not in values
    )
    if unknown or missing:
        word, names = ("unknown", unknown) if unknown else ("missing", missing)
        raise ArtifactError(
            f"{source}: {', '.join(names):.200}: {word}; install the version of "
            "autoreg_jax that wrote the model, or train it again."
        )
    hints = get_type_hints(ModelDescription)
    used: dict[str, Any] = {}
    for name, value in values.items():
        if name == "genotype":
            is_named = isinstance(value, str)
            used[name] = value if is_named else Genotype.from_json(json.dumps(value))
        elif name in _PARTS:
            part = _PARTS[name]
            is_absent = name in ("seen", "conditions", "usual") and value is None
            used[name] = (
                None if is_absent else build(part, value, None, source, f"{name}.")
            )
        else:
            used[name] = convert(value, hints[name], f"{source}: {name}")
    about = ModelDescription(**used)
    for wanted, is_right in _ranges(about):
        if not is_right:
            name = wanted.partition(":")[0]
            raise ArtifactError(
                f"{source}: {wanted}, got {getattr(about, name)!r:.100}; copy the "
                "whole folder again or train the model again."
            )
    return about


def _ranges(about: ModelDescription) -> Iterator[tuple[str, bool]]:
    """What would give a wrong result without an error, and whether it is right."""
    known = ", ".join(SIMILARITIES)
    yield f"similarity: must be one of {known}", about.similarity in SIMILARITIES
    is_known = about.loss_similarity in (None, *SIMILARITIES)
    yield f"loss_similarity: must be one of {known}", is_known
    yield "width: must be above 0", 0 < about.width < math.inf
    yield "num_steps: must be 1 to 12", 1 <= about.num_steps <= 12
    radii = about.matching or (1,)
    yield "matching: must be radii of 1 to 16", all(1 <= r <= 16 for r in radii)
    axes = [pair for pair in _AXES if set(pair) & set(about.orientation)]
    is_right = len(about.orientation) == len(axes) >= len(about.spacing)
    yield "orientation: must name different axes, as RAS", is_right
    is_right = all(0 < size < math.inf for size in about.spacing)
    is_right &= len(about.spacing) in (2, 3)
    yield "spacing: must be two or three sizes in mm above 0", is_right
    yield "lam: must be finite", all(map(math.isfinite, about.lam.values()))
    yield "windows: must be 1 or more", min(about.windows) >= 1
    terms = () if about.conditions is None else about.conditions.terms
    told = [about.lam.get(name, 0.0) > 0 for name in terms]
    yield "conditions: must be terms with a weight in lam above 0", all(told)
    yield "channels: must be 1 or more", about.channels >= 1
    is_right = 0 < about.refine_smoothness < math.inf
    yield "refine_smoothness: must be above 0 and finite", is_right
    ends = () if about.usual is None else vars(about.usual).values()
    is_right = all(0 <= a <= b < math.inf for a, b in ends)
    yield "usual: must be ranges from 0 on, finite", is_right


def _current(content: dict[str, Any], version: int) -> dict[str, Any]:
    """The values of an earlier format by their present names."""
    if version >= 3:
        return content
    wiring = dict(content.get("wiring", {}))
    is_summed = wiring.pop("has_summed_velocities", True)
    velocities = "summed" if is_summed else "replaced"
    return content | {"wiring": wiring, "structure": {"velocities": velocities}}
