"""Oblique, anisotropic grids with smooth images and deformations, and ITK's view."""

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from scipy.spatial.transform import Rotation

from autoreg_jax.transforms import Grid, Transform

FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


def turn(*angles):
    """Rotation about x, y and z."""
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        one, two = (axis + 1) % 3, (axis + 2) % 3
        part = np.eye(3)
        part[[one, two], [one, two]] = np.cos(angle)
        part[two, one], part[one, two] = np.sin(angle), -np.sin(angle)
        matrix = part @ matrix
    return matrix


def make_grid(shape, spacing, angles, middle, mirror=1.0):
    """A grid around a middle."""
    affine = np.eye(4)
    affine[:3, :3] = turn(*angles) * [*spacing, 1.0][:3]
    affine[:3, 0] *= mirror
    half = (np.array([*shape, 1][:3]) - 1) / 2
    affine[:3, 3] = np.array(middle) - affine[:3, :3] @ half
    return Grid(shape, affine)


def rigid_maps(parameters, centre):
    """x ↦ c + R (x - c) + t for rows of mm along and degrees about the axes."""
    found = []
    for row in parameters:
        x, y, z = (
            Rotation.from_euler(axis, degrees, degrees=True)
            for axis, degrees in zip("xyz", row[3:], strict=True)
        )
        matrix = np.eye(4)
        matrix[:3, :3] = (z * y * x).as_matrix()
        matrix[:3, 3] = centre + row[:3] - matrix[:3, :3] @ centre
        found.append(matrix)
    return found


def smooth(shape, seed, sigma=2.0):
    """A smooth image in [0, 1]."""
    noise = np.random.default_rng(seed).random(shape)
    image = ndimage.gaussian_filter(noise, sigma)
    return ((image - image.min()) / np.ptp(image)).astype(np.float32)


def smooth_vectors(shape, d, seed, size):
    """A smooth field whose components are at most `size`."""
    parts = [2 * smooth(shape, seed + k, 3.0) - 1 for k in range(d)]
    return (size * np.stack(parts, -1)).astype(np.float64)


class Case:
    """Two grids of one world, an image on the moving one, maps between them."""

    def __init__(self, ndim):
        self.ndim = ndim
        if ndim == 3:
            self.fixed = make_grid(
                (22, 18, 14), (1.0, 1.5, 2.5), (0.2, -0.3, 0.4), (5, -9, 20)
            )
            self.moving = make_grid(
                (20, 24, 16),
                (1.3, 0.9, 2.0),
                (-0.3, 0.1, 0.2),
                (6, -8, 21),
                mirror=-1.0,
            )
        else:
            self.fixed = make_grid((26, 20), (1.0, 1.5), (0, 0, 0.4), (5, -9, 0))
            self.moving = make_grid(
                (24, 28), (1.3, 0.9), (0, 0, -0.3), (6, -8, 0), mirror=-1.0
            )
        self.image = smooth(self.moving.shape, 7)
        matrix = np.eye(ndim + 1)
        shear = np.random.default_rng(3).normal(0, 0.06, (ndim, ndim))
        angles = (0.05, -0.04, 0.1) if ndim == 3 else (0, 0, 0.1)
        matrix[:-1, :-1] = turn(*angles)[:ndim, :ndim] + shear
        matrix[:-1, -1] = np.array([1.5, -2.0, 0.7])[:ndim]
        self.affine = Transform.affine(matrix)
        vectors = smooth_vectors(self.fixed.shape, ndim, 11, 2.0)
        self.field = Transform.displacement(vectors, self.fixed)
        self.velocity = Transform.velocity(vectors, self.fixed)
        self.chain = self.affine @ self.field

    def points(self, number=60, seed=5):
        """World positions inside of the fixed grid, `(number, ndim)`."""
        rng = np.random.default_rng(seed)
        index = rng.uniform(1, np.array(self.fixed.shape) - 2, (number, self.ndim))
        return self.fixed.to_world(index)[:, : self.ndim]


def to_itk(array, grid):
    """An image of SimpleITK, vectors if channels follow."""
    d = grid.ndim
    affine = FLIP @ grid.affine
    channels = array.ndim > d
    image = sitk.GetImageFromArray(
        array.transpose(*range(d - 1, -1, -1), *range(d, array.ndim)), isVector=channels
    )
    spacing = np.linalg.norm(affine[:d, :d], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((affine[:d, :d] / spacing).ravel().tolist())
    image.SetOrigin(affine[:d, 3].tolist())
    return image


def from_itk(image):
    """Values of an image of SimpleITK, `(x, y, z)`."""
    array = sitk.GetArrayFromImage(image)
    d = image.GetDimension()
    return array.transpose(*range(d - 1, -1, -1), *range(d, array.ndim))


def lps(points):
    """From RAS to LPS and back."""
    return points * np.array([-1.0, -1.0, 1.0])[: points.shape[-1]]


def itk_points(transform, points):
    """Points under a transform of SimpleITK, in RAS."""
    return lps(np.array([transform.TransformPoint(p) for p in lps(points).tolist()]))


def itk_apply(transform, case, interpolator=None):
    """The moving image of a case on its fixed grid, by SimpleITK."""
    reference = to_itk(np.zeros(case.fixed.shape, np.float32), case.fixed)
    how = sitk.sitkLinear if interpolator is None else interpolator
    return from_itk(
        sitk.Resample(to_itk(case.image, case.moving), reference, transform, how, 0.0)
    )
