"""A network that compiles in a second or two, and tiny subjects.

The workflows are tested on a stand-in for the registration network: pointwise layers
with the same interface, in which every logit of α matters. It comes in as any network
of a user does, by the argument `network` of the workflows. Everything else is real.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from searched import SEARCHED

from autoreg_jax import config, data, geometry, workflows
from autoreg_jax.networks import Registration
from autoreg_jax.programs import Programs
from autoreg_jax.search_space import OPERATIONS
from autoreg_jax.spatial import (
    Pyramid,
    half_shape,
    integrate,
    resize_displacement,
    resize_image,
)

SIZE = 16


@dataclass(frozen=True, eq=False)
class SmallNetwork:
    """A sum of twelve mixtures of eight pointwise layers, or of a single layer each.

    Which layers a genotype chose changes nothing, so that the networks of all genotypes
    are equal and share their programs.
    """

    genotype: object = None
    num_steps: int = 2

    def __eq__(self, other):
        """Whether both compute the same."""
        return type(other) is type(self) and self._kind == other._kind

    def __hash__(self):
        return hash(self._kind)

    @property
    def _kind(self):
        return self.genotype is None, self.num_steps

    def init(self, key, moving, fixed, alpha=None):
        """Shapes of the weights; nothing is random here."""
        del key, fixed, alpha
        candidates = len(OPERATIONS) if self.genotype is None else 1
        kernels = jnp.ones((12 * candidates * 4, 4))
        head = jnp.ones((4, moving.ndim - 2))
        params = {"mixture": {"kernel": kernels}, "head": {"kernel": head}}
        velocity = {"kernel": head, "bias": head[0]}
        return {"params": params | {"velocity_half": velocity}}

    def apply(self, variables, moving, fixed, alpha=None):
        """Two images to a velocity at half resolution."""
        params = variables["params"]
        half = half_shape(moving.shape[1:-1])
        images = [resize_image(image, half) for image in (moving, fixed)]
        x = jnp.concatenate([*images, images[0] - images[1], images[1] ** 2], -1)
        shares = jnp.ones((12, 1), x.dtype)
        if alpha is not None:
            shares = jax.nn.softmax(jnp.concatenate(alpha).reshape(12, -1))
        kernels = params["mixture"]["kernel"].reshape(12, -1, 4, 4)
        layers = jnp.einsum("...c,ekcf->...ekf", x, kernels)
        features = jnp.einsum("...ekf,ek->...f", jax.nn.leaky_relu(layers, 0.2), shares)
        last = params["velocity_half"]
        velocity = features @ (params["head"]["kernel"] + last["kernel"])
        velocity = velocity + jnp.broadcast_to(last["bias"], velocity.shape)
        u_half = integrate(velocity, self.num_steps)
        u_full = resize_displacement(u_half, moving.shape[1:-1])
        u_quarter = resize_displacement(u_half, half_shape(half))
        return Registration(velocity, Pyramid(u_full, u_half, u_quarter))


def make_cohort(num_subjects: int, seed: int, *, with_labels: bool = True):
    """Blobs of two sizes in different places, one structure each."""
    rng = np.random.default_rng(seed)
    grid = np.indices((SIZE, SIZE))
    images = np.zeros((num_subjects, SIZE, SIZE, 1), np.float32)
    labels = np.zeros((num_subjects, SIZE, SIZE), np.int32)
    for subject in range(num_subjects):
        for structure, radius in ((1, 4.5), (2, 2.5)):
            centre = rng.uniform(6, 9, (2, 1, 1))
            inside = np.sum((grid - centre) ** 2, axis=0) < radius**2
            images[subject, ..., 0][inside] = 0.4 * structure
            labels[subject][inside] = structure
        images[subject, ..., 0] = gaussian_filter(images[subject, ..., 0], 0.7)
    return data.Cohort(
        names=tuple(f"s{seed}-{subject}" for subject in range(num_subjects)),
        images=images,
        labels=labels if with_labels else None,
        structures=("large", "small") if with_labels else (),
        affine=np.diag([2.0, 2.0, 2.0, 1.0]),
        spacing=(2.0, 2.0),
    )


def write_dataset(folder, cohorts, *, with_labels=True):
    """Write the subjects of each split as files, and their dataset.csv."""
    lines = ["subject,image,split" + ",labels" * with_labels]
    for cohort, split in zip(cohorts, ("train", "validation", "test"), strict=True):
        for name, image, labels in zip(
            cohort.names, cohort.images, cohort.labels, strict=True
        ):
            line = f"{name},{name}.nii.gz,{split}"
            volume = geometry.Volume(image[..., 0], cohort.affine)
            data.write_volume(folder / f"{name}.nii.gz", volume)
            if with_labels:
                volume = geometry.Volume(labels, cohort.affine)
                data.write_volume(folder / f"{name}_labels.nii.gz", volume)
                line += f",{name}_labels.nii.gz"
            lines.append(line)
    (folder / "dataset.csv").write_text("\n".join(lines) + "\n")
    return folder / "dataset.csv"


@pytest.fixture(scope="session")
def cohorts():
    """Training, validation and test subjects."""
    return make_cohort(4, 1), make_cohort(3, 2), make_cohort(3, 3)


@pytest.fixture(scope="session")
def settings():
    """A narrow network and a few steps of everything."""
    stage = {"steps": 3, "warm_up": 1}
    return config.merge(
        config.RunConfig(),
        {
            "network": SEARCHED | {"width": 0.1, "num_steps": 2},
            "objective": {"windows": [5, 3, 3]},
            "search": {
                "feature": stage | {"learning_rate": 1e-2},
                "deformation": stage | {"learning_rate": 2e-2},
                "lam": stage | {"learning_rate": 1e-1},
            },
            "train": {"steps": 6, "log_every": 2, "average": None},
            "evaluate": {"pairs": 4, "refine": {"steps": 3}},
        },
    )


def programs_for(settings, ndim=2):
    """Programs of the stand-in, which is compiled once, see `conftest`."""
    return Programs(settings, ndim, network=SmallNetwork)


def search(train, validation, settings, **options):
    """`workflows.search` with the stand-in."""
    programs = programs_for(settings, train.images.ndim - 2)
    return workflows.search(train, validation, settings, programs=programs, **options)


def train(subjects, settings, genotype, lam, **options):
    """`workflows.train` with the stand-in."""
    programs = programs_for(settings, subjects.images.ndim - 2)
    return workflows.train(
        subjects, settings, genotype, lam, programs=programs, **options
    )


def auto(*arguments, job=workflows.auto, **options):
    """`workflows.auto` with the stand-in."""
    return job(*arguments, network=SmallNetwork, **options)


demo = partial(auto, job=workflows.demo)
