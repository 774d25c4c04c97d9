"""A synthetic RUN folder: a brain-like phantom, its registration and its records."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

OPERATIONS = (
    "conv_1", "conv_3", "conv_5", "sep_conv_3", "sep_conv_5",
    "dil_conv_3", "dil_conv_5", "dil_conv_7",
)  # fmt: skip

# Centre and half axes in units of the half image size, intensity; later ones cover
# earlier ones. The names with a side are drawn for x < 0 (left) and x > 0 (right).
_ELLIPSOIDS = (
    ("{} cortex", (0.0, 0.0, 0.0), (0.78, 0.86, 0.74), 0.62),
    ("{} white matter", (0.0, 0.0, 0.02), (0.64, 0.72, 0.60), 0.92),
    ("{} ventricle", (0.17, -0.05, 0.12), (0.10, 0.34, 0.16), 0.12),
    ("{} thalamus", (0.16, -0.10, -0.14), (0.12, 0.17, 0.13), 0.74),
    ("cerebellum", (0.0, -0.52, -0.50), (0.42, 0.26, 0.22), 0.70),
)


def _structures() -> list[str]:
    names = []
    for name, *_ in _ELLIPSOIDS:
        names += [name.format(side) for side in ("left", "right")][: 1 + ("{}" in name)]
    return names


def phantom(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intensity and label at `points` (…, 3), each coordinate in [-1, 1]."""
    image = np.zeros(points.shape[:-1])
    labels = np.zeros(points.shape[:-1], np.int16)
    names = _structures()
    x = points[..., 0]
    for name, centre, axes, intensity in _ELLIPSOIDS:
        for side, sign in (("left", -1), ("right", 1)):
            shifted = points - np.array(centre) * (sign, 1, 1)
            # Gyri: the cortex is folded, so its border is not an ellipsoid's.
            wave = 0.0
            if "white" in name:
                angle = np.arctan2(points[..., 1], x)
                wave = 0.05 * np.sin(14 * angle) * np.cos(9 * points[..., 2])
            inside = np.sum((shifted / axes) ** 2, -1) < 1 + wave
            if "{}" in name:
                inside &= x * sign > 0
            image[inside] = intensity
            labels[inside] = names.index(name.format(side)) + 1
    return image, labels


def smooth_field(
    shape: Sequence[int], size: float, rng: np.random.Generator
) -> np.ndarray:
    """Random displacement (*shape, d) in voxels: a few long waves of given size."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    field = np.zeros((*shape, len(shape)))
    for component in range(len(shape)):
        for _ in range(4):
            wave = rng.normal(size=len(shape)) * 1.6
            phase = rng.uniform(0, 2 * np.pi)
            field[..., component] += np.cos(np.tensordot(wave, grid, 1) + phase)
    return size * field / np.abs(field).max()


def _render(shape: Sequence[int], displacement: np.ndarray, rng: np.random.Generator):
    index = np.stack(np.indices(shape), -1) + displacement
    points = 2 * index / (np.array(shape) - 1) - 1
    if len(shape) == 2:
        points = np.concatenate([points, np.full((*shape, 1), 0.05)], -1)
    image, labels = phantom(points)
    image = np.clip(image + 0.02 * rng.normal(size=shape), 0, 1)
    return image.astype(np.float32), labels


def _dice(first: np.ndarray, second: np.ndarray, value: int) -> float:
    a, b = first == value, second == value
    total = a.sum() + b.sum()
    return 2 * float((a & b).sum()) / float(total) if total else float("nan")


def alpha_at(progress: float) -> dict[str, list]:
    rng = np.random.default_rng(5)
    return {
        kind: (progress * rng.normal(size=(2, 3, 8))).tolist()
        for kind in ("feature", "deformation")
    }


def genotype_of(alpha: dict[str, Any]) -> dict[str, Any]:
    return {"format": 1} | {
        kind: {
            scale: [OPERATIONS[np.argmax(edge)] for edge in logits]
            for scale, logits in zip(("half", "quarter"), alpha[kind], strict=True)
        }
        for kind in ("feature", "deformation")
    }


def search_records(num_steps: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    records = []
    for number, stage in enumerate(("feature", "deformation", "lam")):
        for step in range(num_steps):
            t = step / num_steps
            loss = -4 - 6 * (1 - np.exp(-4 * t)) + 0.3 * rng.normal()
            valid = 0.45 - 0.15 * t if stage == "lam" else loss + 0.6
            direct = 0.2 * np.exp(-t + 0.3 * rng.normal())
            going = t if stage == "lam" else 0.0
            records.append(
                {
                    "stage": stage,
                    "step": step,
                    "seconds": 0.5 * step,
                    "train_loss": loss,
                    "valid_loss": valid + 0.01 * rng.normal(),
                    "direct_norm": direct,
                    "indirect_norm": 0.1 * direct * np.exp(0.5 * rng.normal()),
                    "alpha": alpha_at((number + t) / 3),
                    "lam": {
                        "full": 10 + 2.4 * going,
                        "smooth": 15 - 3 * going,
                        "half": 3.2 + 0.9 * going,
                        "quarter": 0.8 - 0.3 * going,
                    },
                }
            )
    for step in range(num_steps):
        record = {
            "stage": "train",
            "step": step,
            "seconds": 0.2 * step,
            "loss": -5 - 6 * (1 - np.exp(-5 * step / num_steps)) + 0.4 * rng.normal(),
        }
        if step % max(1, num_steps // 10) == 0:
            record["validation_dice"] = 0.8 - 0.25 * np.exp(-5 * step / num_steps)
        records.append(record)
    return records


def write_run(
    folder: Path,
    *,
    shape: Sequence[int] = (16, 18, 14),
    spacing: float = 12.0,
    num_pairs: int = 3,
    num_steps: int = 40,
    names: Sequence[str] | None = None,
    affine: np.ndarray | None = None,
    with_records: bool = True,
) -> Path:
    """Write every file of a RUN folder; the scores are those of its own images.

    Without records the page has fewer figures and is written much faster.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    structures = _structures()
    names = names or [f"sub-{i:02d}" for i in range(num_pairs + 1)]
    panels: dict[str, Any] = {"names": [], "spacing": np.full(len(shape), spacing)}
    panels["structures"] = np.array(structures)
    if affine is not None:
        panels["affine"] = affine
    rows, errors = [], []
    for i in range(num_pairs):
        size = (0.05 + 0.02 * i) * max(shape)
        true = smooth_field(shape, size, rng)
        moving, moving_labels = _render(shape, np.zeros_like(true), rng)
        fixed, fixed_labels = _render(shape, true, rng)
        network = 0.7 * true + smooth_field(shape, 0.1 * size, rng)
        refined = 0.9 * true + smooth_field(shape, 0.05 * size, rng)
        moved, network_labels = _render(shape, network, rng)
        moved_refined, moved_labels = _render(shape, refined, rng)
        panels["names"].append(f"{names[i]} to {names[i + 1]}")
        panels |= {
            f"fixed_{i}": fixed,
            f"moving_{i}": moving,
            f"moved_{i}": moved,
            f"moved_refined_{i}": moved_refined,
            f"fixed_labels_{i}": fixed_labels,
            f"moving_labels_{i}": moving_labels,
            f"moved_labels_{i}": moved_labels,
            f"displacement_{i}": refined.astype(np.float32),
        }
        errors.append(
            [
                spacing * np.linalg.norm(true - u, axis=-1).mean()
                for u in (0, network, refined)
            ]
        )
        for value, structure in enumerate(structures, start=1):
            dice = [
                _dice(fixed_labels, other, value)
                for other in (moving_labels, network_labels, moved_labels)
            ]
            rows.append([names[i + 1], names[i], structure, *dice])
    np.savez_compressed(folder / "panels.npz", **panels)
    with (folder / "evaluation.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(
            ["fixed", "moving", "structure", "dice_before", "dice", "dice_refined"]
        )
        table.writerows(rows)

    pairs = [[names[i + 1], names[i], 0.9 - 0.1 * i] for i in range(num_pairs)]
    with (folder / "evaluation_pairs.csv").open("w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows([["fixed", "moving", "trust"], *pairs])

    def spread(values: Any) -> dict[str, float]:
        return {"mean": float(np.nanmean(values)), "sd": float(np.nanstd(values))}

    scores = np.array([row[3:] for row in rows], dtype=float)
    error = np.array(errors)
    last = search_records(num_steps)[3 * num_steps - 1]
    files = {
        "evaluation.json": {
            "simulated": True,
            "pairs": num_pairs,
            "dice_before": spread(scores[:, 0]),
            "dice": spread(scores[:, 1]),
            "dice_refined": spread(scores[:, 2]),
            "displacement_error_before": spread(error[:, 0]),
            "displacement_error": spread(error[:, 1]),
            "displacement_error_refined": spread(error[:, 2]),
            "folding_fraction": {"mean": 0.00021, "sd": 0.0001},
            "folding_fraction_refined": {"mean": 0.0, "sd": 0.0},
            "seconds_per_pair": {"mean": 0.84, "sd": 0.02},
            "seconds_per_pair_refined": {"mean": 6.1, "sd": 0.3},
        },
        "genotype.json": genotype_of(last["alpha"]),
        "objective.json": {
            "format": 1,
            "similarity": "ncc",
            "lam_start": {"full": 10.0, "smooth": 15.0, "half": 3.2, "quarter": 0.8},
            "lam": last["lam"],
        },
        "provenance.json": {
            "command": ["autoreg", "auto", "data set/dataset.csv", "-o", folder.name],
            "seed": 0,
            "device": "cpu, 2 cores",
            "versions": {"autoreg_jax": "0.1.0", "jax": "0.10.1"},
            "seconds": {
                "feature": 41.2,
                "deformation": 43.0,
                "lam": 52.9,
                "train": 201,
            },
        },
    }
    for name, value in files.items():
        (folder / name).write_text(json.dumps(value, indent=1), encoding="utf-8")
    if with_records:
        lines = [json.dumps(line) + "\n" for line in search_records(num_steps)]
        (folder / "metrics.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / "config.yaml").write_text("search: {steps: 40}\nseed: 0\n")
    return folder


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Path]:
    """The generator itself: `make_run(folder, shape=…, names=…) -> folder`."""
    return write_run


@pytest.fixture(scope="session")
def records() -> list[dict[str, Any]]:
    """Lines of `metrics.jsonl` of a whole run."""
    return search_records(40)
