"""Central finite difference of the mixed second-order term (Algorithm 1, DARTS)."""

from autoreg_jax.hypergrad._base import HypergradientEstimator
from autoreg_jax.hypergrad._one_step_unroll import one_step_unroll
from autoreg_jax.hypergrad._second_order import central_difference


def finite_difference(
    radius: float = 1e-2, *, normalise: bool = True
) -> HypergradientEstimator:
    """One-step hypergradient whose second-order term is a central difference.

    With ω′ = U(ω, ∇_ω L_t(ω, a)) and u = (∂U/∂g)ᵀ ∇_ω′ L_v(ω′, a) (u = −ξ ∇_ω′ L_v for
    plain SGD) the estimate is

        ∇_a L_v(ω′, a) + ‖u‖ [∇_a L_t(ω + r û, a) − ∇_a L_t(ω − r û, a)] / 2r,  û =
        u/‖u‖,

    lines 3-5 of Algorithm 1. Warping has a kink at every whole-voxel displacement and
    LeakyReLU one at zero: near an identity field the difference measures those jumps.

    Args:
        radius: r > 0, the length of the probe in ω if `normalise` (the published code:
            1e-2), else the paper's ε: the probe has the length ε ‖∇_ω′ L_v‖ ("equal to
            the learning rate": 1e-4). Dimensionless.
        normalise: Whether `radius` is the length of the probe.

    Returns:
        A stateless estimator; it refuses ω of half precision with a `ValueError`.

    Raises:
        ValueError: If `radius` is not positive.

    Examples:
        >>> finite_difference(radius=1e-2).init({}, {})
        ()

    References:
        Liu et al., "DARTS", ICLR 2019, Eq. (8). AutoReg, Algorithm 1.
    """
    return one_step_unroll(mixed=central_difference(radius, normalise=normalise))
