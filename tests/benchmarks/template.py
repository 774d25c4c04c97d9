"""How far the average of a simulated population is from the template it was made of.

    python -m tests.benchmarks.template -o FOLDER

Subject i is the known template at exp(v_i). What the found template shows at x lies in
the known one at exp(v_i)(φ_i(x)), where φ_i is the map that was found for the subject;
the mean of these places over the subjects is where the found template has it. Distances
are means over what is brighter than a tenth. A finite population has a mean
velocity of its own; its shape is that of the known template at exp(v̄), from which the
distance is measured, too.
"""

import argparse
from pathlib import Path

import nibabel
import numpy as np

from autoreg_jax.data import read_dataset, read_image, write_population
from autoreg_jax.transforms import Transform
from autoreg_jax.workflows import build_template


def true_velocity(path: Path, grid) -> Transform:
    """The map of a simulated subject to the known template."""
    return Transform.velocity(read_velocity(path), grid, voxels=True)


def read_velocity(path: Path) -> np.ndarray:
    """Voxels, as `write_population` stores them."""
    stored = nibabel.load(path).dataobj  # pyright: ignore[reportAttributeAccessIssue]
    return np.squeeze(np.asarray(stored))


def transform_of(folder: Path, name: str) -> Transform:
    """What was found for a subject."""
    found = Transform.read(folder / "subjects" / f"{name}_displacement.nii.gz")
    affine = folder / "subjects" / f"{name}_affine.mat"
    return Transform.read(affine) @ found if affine.is_file() else found


def measure(args: argparse.Namespace) -> None:
    """Simulate, build, compare."""
    where = args.output / f"{args.dimensions}d"
    dataset = write_population(
        where,
        num_subjects=args.subjects,
        spacing=args.spacing,
        dimensions=args.dimensions,
    )
    found = build_template(
        dataset,
        where / "template",
        affine=args.affine,
        rounds=args.rounds,
        resume=True,
    )
    for one in found.summary["rounds"]:
        print({k: round(v, 4) if isinstance(v, float) else v for k, v in one.items()})
    grid, inside = found.image.grid, found.image.array > 0.1
    points = grid.points()
    places, truths, velocities = [], [], []
    for subject in read_dataset(dataset).subjects:
        assert subject.velocity is not None
        own = read_image(subject.image).grid
        truth = true_velocity(subject.velocity, own)
        velocities.append(read_velocity(subject.velocity))
        places.append((truth @ transform_of(found.folder, subject.name))(points))
        truths.append(truth(points))
    own = Transform.velocity(np.mean(velocities, 0), grid, voxels=True)(points)
    place = np.mean(places, 0)

    def distance(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.linalg.norm(one - other, axis=-1)[inside].mean())

    rows = {
        "found template to the known one": distance(place, points),
        "found template to the known one at the mean velocity": distance(place, own),
        "known one at the mean velocity to the known one": distance(own, points),
        "subjects to the known one, mean": float(
            np.mean([distance(truth, points) for truth in truths])
        ),
        "registered subjects to each other, mean": float(
            np.mean([distance(one, place) for one in places])
        ),
    }
    for name, value in rows.items():
        print(f"{name}: {value:.3f} mm, {value / args.spacing:.3f} voxel")


def main() -> None:
    """Parse and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--subjects", type=int, default=20)
    parser.add_argument("--spacing", type=float, default=4.0)
    parser.add_argument("--dimensions", type=int, choices=(2, 3), default=2)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--affine", default="none")
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
