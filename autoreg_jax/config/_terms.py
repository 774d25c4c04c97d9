"""Terms of the loss beside those of Eq. (4): their settings."""

from dataclasses import dataclass

from autoreg_jax.config._range import check_range


@dataclass(frozen=True, kw_only=True)
class ExtraTermsConfig:
    """Where the weights of further terms start (>= 0); null leaves a term out.

    The search of λ moves them with the four. A weight moves by a part of itself, at
    least of a thousandth, so one that starts at 0 grows slowly.
    """

    ncc_full: float | None = None
    """Minus local correlation at full resolution, whatever `similarity` is."""

    ncc_half: float | None = None
    """The same at half resolution."""

    ncc_quarter: float | None = None
    """The same at quarter resolution."""

    mind_full: float | None = None
    """Difference of MIND descriptors at full resolution."""

    mind_half: float | None = None
    """The same at half resolution."""

    mind_quarter: float | None = None
    """The same at quarter resolution."""

    bending: float | None = None
    """Bending energy of the displacement, zero for any affine one."""

    folding: float | None = None
    """Soft fraction of folded voxels."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range(self, *vars(self), at_least=0)
