"""A network and a similarity that compile in a moment, for tests of what is around."""

import dataclasses

import jax.numpy as jnp

from autoreg_jax.losses import Objective, Similarity
from autoreg_jax.networks import Registration
from autoreg_jax.programs import Programs
from autoreg_jax.spatial import Pyramid


def squared(fixed, moved, window):
    """A similarity that compiles in a moment."""
    del window
    return jnp.mean((fixed - moved) ** 2)


@dataclasses.dataclass(frozen=True)
class Shift:
    """The same displacement everywhere, a slope of it for the sake of smoothness."""

    genotype: object = None
    conditions: int = 0

    def clone(self, conditions):
        """As a Flax module does."""
        return dataclasses.replace(self, conditions=conditions)

    def init(self, key, moving, fixed, alpha=None):
        """Shapes of the weights."""
        del key, fixed, alpha
        head = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}
        assert moving.ndim == 4
        params = {"velocity_half": head}
        if self.conditions:
            params |= {"condition": {"out": jnp.ones((self.conditions, 2))}}
        return {"params": params}

    def apply(self, variables, moving, fixed, alpha=None, condition=None):
        """Two images to a displacement that is linear in the difference."""
        del alpha
        head = dict(variables["params"]["velocity_half"])
        if condition is not None:
            head["bias"] += condition @ variables["params"]["condition"]["out"]
        full = jnp.concatenate([moving, fixed - moving], -1) @ head["kernel"]
        full = full + jnp.broadcast_to(head["bias"], full.shape)
        half, quarter = full[:, ::2, ::2] / 2, full[:, ::4, ::4] / 4
        return Registration(half, Pyramid(full, half, quarter))


def shift_programs(settings, **options):
    """Programs of both."""
    return Programs(settings, 2, network=Shift, objective=OBJECTIVE, **options)


# One object, so that programs of equal runs are compiled once, see `conftest`.
OBJECTIVE = Objective(Similarity(squared, jnp.asarray, squared), (5, 3, 3))
