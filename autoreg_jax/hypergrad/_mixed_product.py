"""The mixed second derivative of the inner loss, times a direction in ω."""

from autoreg_jax.hypergrad._base import Batch, Inner, Loss, Outer
from autoreg_jax.hypergrad._second_order import forward_over_reverse


def mixed_product(
    loss: Loss, inner: Inner, outer: Outer, batch: Batch, direction: Inner
) -> Outer:
    """∂²_{aω} L(ω, a) · u, exactly: one forward derivative of the gradient of L.

    As dear as two gradients. Reverse over reverse through convolutions costs about
    twenty times more on a CPU.

    Args:
        loss: L, `(inner, outer, batch) -> scalar`.
        inner: ω.
        outer: a.
        batch: What the loss is computed on.
        direction: u, a tree like ω.

    Returns:
        A tree like a.

    Examples:
        >>> def loss(inner, outer, batch):
        ...     return batch * inner**2 * outer
        >>> float(mixed_product(loss, 3.0, 5.0, 1.0, 0.5))
        3.0
    """
    return forward_over_reverse(loss, inner, outer, batch, direction, direction).mixed
