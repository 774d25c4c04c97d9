"""A Nyström approximation of the Hessian, inverted in an orthonormal basis."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from autoreg_jax.hypergrad._base import HypergradientEstimator, Inner, Outer, State
from autoreg_jax.hypergrad._checks import Number, check_at_least, check_positive
from autoreg_jax.hypergrad._implicit import LinearSolution, Operator, implicit
from autoreg_jax.hypergrad._meshes import undivided
from autoreg_jax.hypergrad._second_order import MixedBackend, forward_over_reverse
from autoreg_jax.hypergrad._trees import at_least_single, gaussian_like

# The fast products of accelerators have errors that 1/ρ amplifies.
_product = partial(jnp.matmul, precision="highest")


def nystrom(
    rank: int,
    damping: Number,
    seed: int = 0,
    *,
    mixed: MixedBackend = forward_over_reverse,
) -> HypergradientEstimator:
    """H = ∂_a L_v − M (H_k + ρI)⁻¹ ∇_ω L_v with H_k a Nyström sketch of rank k.

    With k Gaussian directions Ω, C = HΩ and W = ΩᵀC the sketch is H_k = C W⁺ Cᵀ. With
    an orthonormal basis Q of C and S = (QᵀC) W⁺ (QᵀC)ᵀ

        (H_k + ρI)⁻¹ v = Q (S + ρI)⁻¹ Qᵀv + (v − QQᵀv) / ρ,

    which stays accurate for small ρ, whereas Woodbury's formula, with C instead of Q,
    loses accuracy with the square of the condition number.

    The error of H_k is amplified by 1/ρ, so do not combine a small ρ with a small rank.
    Memory: 3 k vectors like ω. Each call draws new directions and orthonormalises them.
    Both bases are Householder's QR in single precision or more, products in full
    precision: a Gram matrix would square the condition number, and in float32 lose the
    directions below 1/260 of the largest curvature.

    Args:
        rank: k in [1, dim(ω)]; each direction takes one product with H.
        damping: ρ > 0.
        seed: Seed of the directions.
        mixed: Backend of the mixed product.

    Returns:
        An estimator whose state is its number of calls.

    Raises:
        ValueError: If `rank` or `damping` is not positive; in `estimate` if ω has
            fewer entries than `rank`.

    References:
        Hataya and Yamada, "Nyström Method for Accurate and Scalable Implicit
        Differentiation", AISTATS 2023 (who take columns of H where this takes Gaussian
        directions).
    """
    check_at_least(1, rank=rank)
    check_positive(damping=damping)

    def init(inner: Inner, outer: Outer) -> State:
        del inner, outer
        return jnp.zeros((), jnp.int32)

    def solve(operator: Operator, vector: Inner, state: State) -> LinearSolution:
        flat, unravel = ravel_pytree(undivided(vector))
        if rank > flat.size:
            raise ValueError(f"rank must be at most dim(ω) = {flat.size}, got {rank}.")
        wide = at_least_single(flat)
        key = jax.random.fold_in(jax.random.key(seed), state)
        keys = jax.random.split(key, rank)
        drawn = jax.vmap(lambda k: gaussian_like(k, flat))(keys).astype(wide)
        omegas, _ = jnp.linalg.qr(drawn.T)

        def column(omega: Array) -> Array:
            product = operator(unravel(omega.astype(flat.dtype)))
            return ravel_pytree(undivided(product))[0].astype(wide)

        columns = jax.lax.map(column, omegas.T).T
        basis, across = jnp.linalg.qr(columns)
        inverse = _pseudo_inverse(_product(omegas.T, columns))
        sketch = _product(_product(across, inverse), across.T)
        v = flat.astype(wide)
        seen = _product(basis.T, v)
        # The second pass removes the rounding error of the first, which 1/ρ amplifies.
        rest = v - _product(basis, seen)
        rest = rest - _product(basis, _product(basis.T, rest))
        shifted = sketch + damping * jnp.eye(rank, dtype=wide)
        shares = jnp.linalg.solve(shifted, seen)
        z = _product(basis, shares) + rest / damping
        return LinearSolution(unravel(z.astype(flat.dtype)), state + 1, {})

    return implicit(solve, mixed, init)


@jax.custom_jvp
def _pseudo_inverse(matrix: Array) -> Array:
    """Pseudo-inverse of a symmetric matrix, eigenvalues of rounding errors left out."""
    sizes, turn = jnp.linalg.eigh(0.5 * (matrix + matrix.T))
    magnitudes = jnp.abs(sizes)
    cutoff = 10 * len(sizes) * jnp.finfo(sizes.dtype).eps * jnp.max(magnitudes)
    is_real = magnitudes > cutoff
    inverse = jnp.where(is_real, 1 / jnp.where(is_real, sizes, 1), 0)
    return _product(turn * inverse[None], turn.T)


@_pseudo_inverse.defjvp
def _pseudo_inverse_jvp(
    primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    # That of an inverse, within the range of the matrix. Eigenvectors have no
    # derivative where two eigenvalues are equal; the inverse has one.
    inverse = _pseudo_inverse(*primals)
    symmetric = 0.5 * (tangents[0] + tangents[0].T)
    return inverse, -_product(_product(inverse, symmetric), inverse)
