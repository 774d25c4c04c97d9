"""Example pairs of an evaluation: best, median and worst, in panels.npz."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from autoreg_jax.data import Cohort
from autoreg_jax.files import write_file
from autoreg_jax.inference import warp_labels
from autoreg_jax.spatial import warp


def choose_examples(quality: list[float]) -> dict[str, int]:
    """The pairs of best, median and worst quality (higher is better).

    Examples:
        >>> choose_examples([0.5, 0.9, 0.7])
        {'best': 1, 'median': 2, 'worst': 0}
        >>> choose_examples([0.5])
        {'best': 0}
    """
    order = sorted(range(len(quality)), key=lambda place: -quality[place])
    places = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    chosen: dict[str, int] = {}
    for name, place in places.items():
        if place not in chosen.values():
            chosen[name] = place
    return chosen


def write_panels(
    path: Path,
    cohort: Cohort,
    examples: dict[str, tuple[int, int, np.ndarray, np.ndarray | None]],
) -> None:
    """Write the arrays behind the figures of a report.

    Args:
        path: panels.npz, written atomically.
        cohort: The subjects.
        examples: For each role `(moving, fixed, displacement, refined displacement)`,
            displacements `(*space, d)` in voxels; the refined one may be None.
    """
    arrays: dict[str, Any] = {
        "names": np.array(
            [
                f"{cohort.names[moving]} to {cohort.names[fixed]}"
                for moving, fixed, *_ in examples.values()
            ]
        ),
        "affine": cohort.affine,
        "spacing": np.asarray(cohort.spacing),
        "structures": np.array(cohort.structures, dtype=str),
    }
    for place, (moving, fixed, network, refined) in enumerate(examples.values()):
        final = network if refined is None else refined
        images = cohort.images
        arrays[f"fixed_{place}"] = images[fixed, ..., 0]
        arrays[f"moving_{place}"] = images[moving, ..., 0]
        arrays[f"moved_{place}"] = _warped(images[moving], network)
        if refined is not None:
            arrays[f"moved_refined_{place}"] = _warped(images[moving], refined)
        arrays[f"displacement_{place}"] = final
        if cohort.labels is not None:
            count = len(cohort.structures) + 1
            labels = cohort.labels[moving]
            moved = warp_labels(jnp.asarray(labels[None]), final[None], count)
            arrays[f"fixed_labels_{place}"] = cohort.labels[fixed].astype(np.int16)
            arrays[f"moving_labels_{place}"] = labels.astype(np.int16)
            arrays[f"moved_labels_{place}"] = np.asarray(moved[0], np.int16)
    write_file(path, lambda file: np.savez_compressed(file, **arrays))


def _warped(image: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    moved = warp(jnp.asarray(image[None]), jnp.asarray(displacement[None]))
    return np.asarray(moved[0, ..., 0])
