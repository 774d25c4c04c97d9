"""Structures and landmarks guide a registration: to where they say, by any path."""

from functools import partial

import jax
import numpy as np
import pytest
from scipy import ndimage
from unoptimised import quick

from autoreg_jax.errors import ConfigError, DataError, GeometryError
from autoreg_jax.geometry import Volume
from autoreg_jax.inference import Guide, label_overlap, register
from autoreg_jax.inference.optimisation import Guidance
from autoreg_jax.inference.optimisation._guidance import (
    coarser_guidance,
    guidance_loss,
)
from autoreg_jax.transforms import Transform

# Voxels of 2 × 3 mm, the second axis to the left.
AFFINE = np.array([[2.0, 0, 0, -30], [0, -3.0, 0, 40], [0, 0, 1, 0], [0, 0, 0, 1]])
SHAPE = (32, 28)
# The same everywhere, so that few programs are compiled.
STEPS = 60
# By so many mm along R and A, four and two voxels.
SHIFT = np.array([8.0, -6.0, 0.0])


def world(voxels):
    points = np.pad(np.asarray(voxels, float), ((0, 0), (0, 1)))
    return points @ AFFINE[:3, :3].T + AFFINE[:3, 3]


def disc(centre, radius):
    grid = np.indices(SHAPE)
    return sum((x - c) ** 2 for x, c in zip(grid, centre, strict=True)) < radius**2


def volume(array):
    return Volume(np.asarray(array), AFFINE)


# A bright frame that stays; inside there is nothing to see.
FRAME = volume((1 - ndimage.binary_erosion(np.ones(SHAPE), iterations=3)).astype("f4"))
INSIDE = [(12, 12), (16, 12), (12, 15), (16, 15)]


CORNERS = world([(1, 1), (1, 26), (30, 1), (30, 26)])
CORNER = disc((4, 4), 4).astype(np.int32)


def guided(is_alone=False, header=AFFINE, **kind):
    """A guide; what it does not name stays where it is, so that one program serves all.

    `header` is that of the moving image.
    """
    shift = header[:3, 3] - AFFINE[:3, 3]
    still = {
        "landmarks": (CORNERS, CORNERS + shift),
        "labels": (volume(CORNER), Volume(CORNER, header)),
    }
    return Guide(**(kind if is_alone else still | kind))


def distances(result, fixed, moving):
    return np.linalg.norm(result.points_to_moving(fixed) - moving, axis=-1)


loss_of = quick(partial(guidance_loss, space=SHAPE))
slope_of = quick(jax.value_and_grad(partial(guidance_loss, space=SHAPE), argnums=1))


def test_what_is_apart_costs_its_distance_and_its_overlap():
    half = np.zeros((1, 16, 14, 2), np.float32)
    one, other = (np.float32([[0.25, 0.5], x]) for x in ([0.5, 0.5], [0.5, 1.0]))
    # One of two lies half an axis of 27 voxels away.
    found = loss_of(Guidance(None, (one, other)), half)
    assert float(found) == pytest.approx(0.01 * 13.5**2 / 2)
    # A displacement that closes the gap: 0.5 of the 13 steps of the half grid.
    closing = half + np.float32([0, 6.5])
    found = loss_of(Guidance(None, (one[1:], other[1:])), closing)
    assert float(found) == pytest.approx(0, abs=1e-9)
    left, right = np.zeros((2, 1, 16, 14, 1), np.float32)
    left[:, 2:6] = right[:, 8:12] = 1
    assert float(loss_of(Guidance((left, right)), half)) == 1.0
    moved = half + np.float32([6, 0])
    found = loss_of(Guidance((left, right)), moved)
    assert float(found) == pytest.approx(0, abs=1e-6)
    # Soft edges that lie on each other pull nowhere.
    soft = ndimage.gaussian_filter(left, 1.0)
    loss, slopes = slope_of(Guidance((soft, soft)), half)
    assert float(loss) == pytest.approx(0, abs=1e-6)
    assert float(np.abs(slopes).max()) < 1e-3
    coarse = coarser_guidance(Guidance((left, right), (one, other)), (16, 14))
    assert coarse.labels is not None
    assert coarse.labels[0].shape == (1, 8, 7, 1)
    assert coarse.landmarks == (one, other)


@pytest.mark.parametrize(
    "is_alone", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_landmarks_move_what_intensities_do_not_show(is_alone):
    fixed = world(INSIDE)
    guide = guided(is_alone, landmarks=(fixed, fixed + SHIFT))
    found = register(FRAME, FRAME, affine="none", refine=STEPS, guide=guide)
    assert distances(found, fixed, fixed + SHIFT).max() < 2.0
    # One between them goes along, though nobody has named it.
    between = world([(14, 13)])
    assert distances(found, between, between + SHIFT) < 2.5
    assert found.folding_fraction == 0


@pytest.mark.parametrize(
    "is_alone", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_labels_move_what_intensities_do_not_show(is_alone):
    places = np.asarray(INSIDE[0]), np.add(INSIDE[0], (3, 2))
    maps = [volume(7 * disc(p, 4).astype(np.int32)) for p in places]
    found = register(
        FRAME,
        FRAME,
        affine="none",
        refine=STEPS,
        guide=guided(is_alone, labels=(maps[0], maps[1])),
    )
    overlap = label_overlap(found, *maps)
    assert overlap.before[0] < 0.6
    assert overlap.after[0] > 0.9


@pytest.mark.parametrize("way", ["start", "moving label map elsewhere"])
def test_a_guide_follows_the_start(way):
    """The start says all that the guide says: nothing is left to be moved."""
    shift = Transform.affine(np.array([[1.0, 0, 8], [0, 1, -6], [0, 0, 1]]))
    header = AFFINE.copy()
    header[:3, 3] += SHIFT
    moving = Volume(FRAME.array, header)
    fixed = world(INSIDE)
    if way == "start":
        guide = guided(header=header, landmarks=(fixed, fixed + SHIFT))
    else:
        labels = disc(INSIDE[0], 4).astype(np.int32)
        there = header.copy()
        there[:3, 3] += 2 * header[:3, 0]  # it begins two voxels later
        moving_labels = Volume(labels[2:], there)
        guide = guided(header=header, labels=(volume(labels), moving_labels))
    found = register(
        FRAME, moving, init=shift, affine="none", refine=STEPS, guide=guide
    )
    assert distances(found, fixed, fixed + SHIFT).max() < 0.05


@pytest.mark.slow
def test_a_network_is_refined_by_masks_and_a_guide(plane_model):
    fixed = world(INSIDE)
    mask = volume(np.ones(SHAPE, np.float32))
    guide = Guide(landmarks=(fixed, fixed + SHIFT))
    found = register(
        FRAME,
        FRAME,
        model=plane_model,
        refine=STEPS,
        affine="none",
        fixed_mask=mask,
        guide=guide,
    )
    assert distances(found, fixed, fixed + SHIFT).max() < 2.5


def test_a_network_alone_knows_neither_masks_nor_a_guide(plane_model):
    fixed = world(INSIDE)
    mask = volume(np.ones(SHAPE, np.float32))
    guide = Guide(landmarks=(fixed, fixed + SHIFT))
    with pytest.raises(ConfigError, match="does not know masks"):
        register(FRAME, FRAME, model=plane_model, fixed_mask=mask)
    with pytest.raises(ConfigError, match="guide the optimisation alone"):
        register(FRAME, FRAME, model=plane_model, guide=guide)


def test_what_cannot_guide_is_refused(tmp_path):
    points, labels = world(INSIDE), volume(disc((14, 14), 4).astype(np.int32))
    table = tmp_path / "points.csv"
    table.write_text("x,y\n" + "".join(f"{x},{y}\n" for x, y, _ in points))
    lps = points * [-1, -1, 1]
    for guide, error, words in (
        (Guide(), ConfigError, "neither labels nor landmarks"),
        (Guide(landmarks=(table, points[:3])), DataError, "4 fixed and 3 moving"),
        (Guide(landmarks=(points, lps + 100)), GeometryError, "moving landmarks: 4 of"),
        (Guide(landmarks=(points[0], points)), DataError, r"got the shape \(3,\)"),
        (Guide(landmarks=(points, points * np.nan)), DataError, "finite numbers"),
        (Guide(landmarks=(points, tmp_path / "no.csv")), DataError, "no such file"),
        (
            Guide(labels=(labels, volume(2 * labels.array))),
            DataError,
            "no label in common",
        ),
        (Guide(labels=(labels, volume(0 * labels.array))), DataError, "is empty"),
    ):
        with pytest.raises(error, match=words):
            register(FRAME, FRAME, affine="none", refine=1, guide=guide)
    assert Guide(labels=("a.nii", labels), landmarks=(table, points)).files
