"""Read the files of a RUN folder; a file that is absent becomes None or empty."""

import csv
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoreg_jax.errors import ArtifactError

_SOURCES = (
    "metrics.jsonl",
    "genotype.json",
    "objective.json",
    "evaluation.json",
    "evaluation.csv",
    "panels.npz",
)


@dataclass(frozen=True)
class Pair:
    """Images of one registered pair, for display.

    Attributes:
        name: What the run calls the pair.
        fixed, moving: Images, `(*space)`.
        moved: Moving image on the fixed grid, after refinement where there was one.
        displacement: `(*space, d)`, voxels, the one that made `moved`.
        fixed_labels, moving_labels, moved_labels: Integer maps, or None.
    """

    name: str
    fixed: NDArray[Any]
    moving: NDArray[Any]
    moved: NDArray[Any]
    displacement: NDArray[Any]
    fixed_labels: NDArray[Any] | None
    moving_labels: NDArray[Any] | None
    moved_labels: NDArray[Any] | None


@dataclass(frozen=True)
class Run:
    """What a RUN folder holds.

    Attributes:
        path: The folder.
        records: Lines of `metrics.jsonl`, in order.
        genotype, objective, evaluation, provenance: The JSON files, or None.
        rows: Lines of `evaluation.csv`, scores as floats (NaN where empty).
        pairs: Pairs of `panels.npz`.
        spacing: mm per array axis of the pairs.
        affine: Voxel to world mm RAS+ `(4, 4)`, or None where it was not stored.
        config: Text of `config.yaml`, or None.
    """

    path: Path
    records: tuple[Mapping[str, Any], ...]
    genotype: Mapping[str, Any] | None
    objective: Mapping[str, Any] | None
    evaluation: Mapping[str, Any] | None
    provenance: Mapping[str, Any] | None
    rows: tuple[Mapping[str, Any], ...]
    pairs: tuple[Pair, ...]
    spacing: tuple[float, ...]
    affine: NDArray[Any] | None
    config: str | None


def read_run(path: Path) -> Run:
    """Read a RUN folder.

    Args:
        path: The folder.

    Returns:
        Its contents.

    Raises:
        ArtifactError: If the folder is missing or holds no results, or if a file in
            it is damaged.
    """
    if not path.is_dir():
        raise ArtifactError(
            f"{path}: no such run folder; give the folder that `autoreg auto` wrote."
        )
    if not any((path / name).is_file() for name in _SOURCES):
        raise ArtifactError(
            f"{path}: no results to report, none of {', '.join(_SOURCES)} is there; "
            "run `autoreg auto` or one of its steps into this folder first."
        )
    pairs, spacing, affine = _read_panels(path / "panels.npz")
    config = path / "config.yaml"
    return Run(
        path=path,
        records=_read_records(path / "metrics.jsonl"),
        genotype=_read_json(path / "genotype.json"),
        objective=_read_json(path / "objective.json"),
        evaluation=_read_json(path / "evaluation.json"),
        provenance=_read_json(path / "provenance.json"),
        rows=_read_rows(path / "evaluation.csv"),
        pairs=pairs,
        spacing=spacing,
        affine=affine,
        config=config.read_text(encoding="utf-8") if config.is_file() else None,
    )


def _read_json(path: Path) -> Mapping[str, Any] | None:
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArtifactError(
            f"{path}: not valid JSON ({error}); run the step that writes it again."
        ) from error
    if not isinstance(value, dict):
        raise ArtifactError(
            f"{path}: expected a JSON object, found {type(value).__name__}; "
            "run the step that writes it again."
        )
    return value


def _read_records(path: Path) -> tuple[Mapping[str, Any], ...]:
    if not path.is_file():
        return ()
    lines = path.read_text(encoding="utf-8").split("\n")
    records: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            records.append(json.loads(line))
        except ValueError as error:
            # A run that is still going or was stopped may end in half a line.
            if number == len(lines):
                break
            raise ArtifactError(
                f"{path}, line {number}: not valid JSON ({error}); "
                "delete the line or run the step again."
            ) from error
    return _joined_rounds(records)


def _joined_rounds(records: list[dict[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Later rounds of a stage, "lam-2", as a continuation of the first."""
    steps: dict[str, int] = {}
    joined = []
    for record in records:
        stage, _, turn = record.get("stage", "").partition("-")
        if turn:
            before = sum(
                count
                for name, count in steps.items()
                if name != record["stage"] and name.partition("-")[0] == stage
            )
            joined.append(record | {"stage": stage, "step": before + record["step"]})
        else:
            joined.append(record)
        steps[record.get("stage", "")] = record.get("step", 0)
    return tuple(joined)


def _read_rows(path: Path) -> tuple[Mapping[str, Any], ...]:
    if not path.is_file():
        return ()
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = {"fixed", "moving", "structure", "dice"} - set(
            reader.fieldnames or ()
        )
        if missing:
            raise ArtifactError(
                f"{path}: column {', '.join(sorted(missing))} is missing; "
                "run `autoreg evaluate` again."
            )
        return tuple(
            {
                key: text if key in ("fixed", "moving", "structure") else _number(text)
                for key, text in row.items()
            }
            for row in reader
        )


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def _read_panels(
    path: Path,
) -> tuple[tuple[Pair, ...], tuple[float, ...], NDArray[Any] | None]:
    if not path.is_file():
        return (), (), None
    try:
        with np.load(path, allow_pickle=False) as archive:
            stored = {name: archive[name] for name in archive.files}
        pairs = tuple(
            Pair(
                name=str(name),
                fixed=stored[f"fixed_{i}"],
                moving=stored[f"moving_{i}"],
                moved=stored.get(f"moved_refined_{i}", stored[f"moved_{i}"]),
                displacement=stored[f"displacement_{i}"],
                fixed_labels=stored.get(f"fixed_labels_{i}"),
                moving_labels=stored.get(f"moving_labels_{i}"),
                moved_labels=stored.get(f"moved_labels_{i}"),
            )
            for i, name in enumerate(stored["names"])
        )
        spacing = tuple(float(size) for size in stored["spacing"])
    except (KeyError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise ArtifactError(
            f"{path}: cannot be read ({error}); run `autoreg evaluate` again."
        ) from error
    return pairs, spacing, stored.get("affine")
