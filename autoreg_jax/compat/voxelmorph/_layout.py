"""Channels first as in PyTorch, channels last as in `autoreg_jax.spatial`."""

import jax.numpy as jnp
from jaxtyping import Array, Shaped


def channels_last(x: Shaped[Array, "b c *space"]) -> Shaped[Array, "b *space c"]:
    """Move the channels behind the space axes."""
    return jnp.moveaxis(x, 1, -1)


def channels_first(x: Shaped[Array, "*space c"]) -> Shaped[Array, "c *space"]:
    """Move the components of a field `(*space, d)` or `(b, *space, d)` before them."""
    return jnp.moveaxis(x, -1, -1 - x.shape[-1])


def check_field(field: Array, name: str) -> None:
    """Refuse what is not `(b, d, *space)`.

    Raises:
        ValueError: If the number of components is not that of the space axes.
    """
    if field.ndim < 3 or field.shape[1] != field.ndim - 2:
        raise ValueError(
            f"{name} must be (b, d, *space) with as many components as space axes, "
            f"got shape {field.shape}; a single field needs a batch axis: field[None]."
        )
