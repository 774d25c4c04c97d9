"""A virtual population: simulated subjects whose deformations are known exactly."""

from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter

from autoreg_jax.data.datasets import SPLITS, STRUCTURES_FILE
from autoreg_jax.data.images import write_displacement, write_volume
from autoreg_jax.data.simulation._contrast import CONTRASTS, scan, smooth_noise
from autoreg_jax.data.simulation._flow import exponential
from autoreg_jax.data.simulation._parcels import STRUCTURES, parcels
from autoreg_jax.data.simulation._template import Template, load_template
from autoreg_jax.files import write_text
from autoreg_jax.geometry import Grid, Volume

__all__ = ["coarse_grid", "write_population"]

# The brain of the template is 144 × 182 × 154 mm and centred about here.
FIELD_OF_VIEW_MM = np.array([192.0, 224.0, 192.0])
CENTRE_MM = np.array([0.0, -17.0, 5.0])
# Axial plane through the bodies of the lateral ventricles, for 2-D populations.
PLANE_MM = 10.0

# Standard deviation of each component and width of the bumps: people differ from one
# another by about 5 mm after an affine alignment, smoothly, and in finer folds by less.
VELOCITY_MM = ((3.0, 24.0), (0.7, 12.0))
# How far the ventricular wall moves at most, and the reach of that.
VENTRICLE_MM, VENTRICLE_REACH_MM = 4.0, 10.0
# Over this distance the velocity fades to zero at the border of the grid.
FADE_MM = 20.0


def write_population(
    folder: Path | str,
    *,
    num_subjects: int = 40,
    spacing: float = 4.0,
    dimensions: int = 3,
    contrast: str = "t1",
    seed: int = 0,
) -> Path:
    """Simulate subjects and write them as a dataset.

    Subject i is the ICBM 152 template at φ_i = exp(v_i) with a smooth random velocity
    v_i of anatomical size, its own ventricles, tissue intensities, bias field and
    noise. So the deformation between any two subjects is known:
    `Cohort.true_displacement`. Three fifths are for training, the rest for validation
    and test. Subject i depends on the seed and on i alone.

    Args:
        folder: Folder to write, created if missing: the folders `images`, `labels` and
            `velocity`, `structures.csv` and, last, `dataset.csv`.
        num_subjects: Number of subjects, at least 6, two for each split.
        spacing: Voxel size, 2 to 8 mm. At 4 mm the grid is 48 × 56 × 48.
        dimensions: 3, or 2 for an axial plane through the ventricles.
        contrast: `t1`, `t2`, or `t1t2`, where every second subject is T2-like.
        seed: Seed of all subjects, not negative.

    Returns:
        Path of `dataset.csv`.

    Raises:
        ValueError: If an argument is out of its range.
        DataError: If nilearn, which contains the template, is not installed.
    """
    if num_subjects < 2 * len(SPLITS):
        raise ValueError(f"num_subjects must be at least 6, got {num_subjects}.")
    if not 2 <= spacing <= 8:
        raise ValueError(f"spacing must be 2 to 8 mm, got {spacing}.")
    if dimensions not in (2, 3):
        raise ValueError(f"dimensions must be 2 or 3, got {dimensions}.")
    if contrast not in (*CONTRASTS, "t1t2"):
        raise ValueError(f"contrast must be t1, t2 or t1t2, got {contrast!r}.")
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}.")
    folder = Path(folder)
    template = load_template(spacing)
    grid = coarse_grid(spacing, dimensions)
    ventricles = _ventricle_direction(template, grid, spacing)
    lines = ["subject,image,labels,split,modality,velocity"]
    for index in range(num_subjects):
        name = f"sim{index:03d}"
        rng = np.random.default_rng((seed, index))
        velocity = _velocity(grid, ventricles, spacing, rng)
        points = _points_mm(grid, exponential(velocity))
        tissues = template.at(points)
        modality = ("t1", "t2")[index % 2] if contrast == "t1t2" else contrast
        image = scan(tissues, modality, spacing, rng)
        files = [f"{kind}/{name}.nii.gz" for kind in ("images", "labels", "velocity")]
        write_volume(folder / files[0], Volume(image, grid.affine))
        labels = parcels(tissues, points)
        write_volume(folder / files[1], Volume(labels, grid.affine))
        write_displacement(folder / files[2], velocity, grid.affine)
        split = _split(index, num_subjects)
        lines.append(f"{name},{files[0]},{files[1]},{split},{modality},{files[2]}")
    structures = [f"{value},{name}" for value, name in enumerate(STRUCTURES, 1)]
    write_text(folder / STRUCTURES_FILE, "\n".join(["value,name", *structures, ""]))
    return write_text(folder / "dataset.csv", "\n".join([*lines, ""]))


def coarse_grid(spacing: float, dimensions: int) -> Grid:
    """Grid around the brain of the template in MNI space, sizes divisible by 8.

    Examples:
        >>> coarse_grid(4.0, 3).shape, coarse_grid(2.0, 2).shape
        ((48, 56, 48), (96, 112))
    """
    sizes = 8 * np.ceil(FIELD_OF_VIEW_MM / (8 * spacing)).astype(int)
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = CENTRE_MM - spacing * (sizes - 1) / 2
    if dimensions == 2:
        affine[2, 3] = PLANE_MM
    return Grid(tuple(sizes[:dimensions].tolist()), affine)


def _points_mm(
    grid: Grid, displacement: Float[np.ndarray, "*space d"]
) -> Float[np.ndarray, "3 *space"]:
    """MNI millimetres of φ(x) for all voxels x; `displacement` is in voxels."""
    voxels = np.zeros((3, *grid.shape))
    voxels[: grid.ndim] = np.indices(grid.shape)
    voxels[: grid.ndim] += np.moveaxis(displacement, -1, 0)
    offset = grid.affine[:3, 3].reshape(3, *(1,) * grid.ndim)
    return np.tensordot(grid.affine[:3, :3], voxels, 1) + offset


def _velocity(
    grid: Grid,
    ventricles: Float[np.ndarray, "*space d"],
    spacing: float,
    rng: np.random.Generator,
) -> Float[np.ndarray, "*space d"]:
    """Random stationary velocity of one subject, voxels, as stored: float32."""
    velocity = np.zeros((*grid.shape, grid.ndim))
    for size, width in VELOCITY_MM:
        for axis in range(grid.ndim):
            noise = smooth_noise(grid.shape, width / spacing, rng)
            velocity[..., axis] += size * noise
    velocity += VENTRICLE_MM * rng.uniform(-1, 1) * ventricles
    for axis, size in enumerate(grid.shape):
        distance = np.minimum(np.arange(size), np.arange(size)[::-1]) * spacing
        fade = np.sin(np.pi / 2 * np.clip(distance / FADE_MM, 0, 1)) ** 2
        velocity *= fade.reshape(-1, *(1,) * (grid.ndim - axis))
    return (velocity / spacing).astype(np.float32)


def _ventricle_direction(
    template: Template, grid: Grid, spacing: float
) -> Float[np.ndarray, "*space d"]:
    """Field that points to the ventricles, at most 1; along it they grow."""
    points = _points_mm(grid, np.zeros((*grid.shape, grid.ndim)))
    tissues = template.at(points)
    inside = tissues.fluid * (parcels(tissues, points) == 1)
    smooth = gaussian_filter(inside, VENTRICLE_REACH_MM / spacing)
    direction = np.stack([np.gradient(smooth, axis=k) for k in range(grid.ndim)], -1)
    return direction / np.linalg.norm(direction, axis=-1).max()


def _split(index: int, num_subjects: int) -> str:
    """First training, then validation, then test subjects, at least two of each."""
    held_out = max(2, num_subjects // 5)
    if index < num_subjects - 2 * held_out:
        return SPLITS[0]
    return SPLITS[1] if index < num_subjects - held_out else SPLITS[2]
