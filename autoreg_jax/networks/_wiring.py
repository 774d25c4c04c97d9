"""What happens between the cells, where the paper, its code and this project differ."""

from dataclasses import dataclass

from jax import Array

from autoreg_jax.spatial import integrate, resize_displacement


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """How images, cells and velocities are joined; the defaults are this project's.

    Attributes:
        is_standardised: Images enter with zero mean and unit deviation; neither the
            paper nor its code does that.
        has_separate_features: Moving and fixed image have feature cells of one
            architecture with weights of their own (paper Sec. III-B); the code and the
            default share them.
        has_shared_head: The velocity head of the half scale serves all others too
            (code: one `predict_flow`).
        has_doubled_features: The upsampled deformation features are multiplied by 2
            (code: `ResizeTransform`, made for vectors, also resizes them).
        is_integrated_twice: The full displacement, an exponential already, is taken for
            a velocity and integrated again (code: `integrate0`).
        is_nominal: Resized vectors are scaled by the ratio of voxels, 2, instead of
            that of the distances between the corner voxels.
        is_zero_outside: Moving features are zero outside of their grid (code:
            `grid_sample`) instead of continuing their edge.
    """

    is_standardised: bool = True
    has_separate_features: bool = False
    has_shared_head: bool = False
    has_doubled_features: bool = False
    is_integrated_twice: bool = False
    is_nominal: bool = False
    is_zero_outside: bool = False

    def full_displacement(
        self, half: Array, space: tuple[int, ...], num_steps: int
    ) -> Array:
        """The displacement at full resolution that belongs to one at half.

        Args:
            half: Displacement `(b, *half, d)` in voxels of half resolution.
            space: Shape of the image.
            num_steps: Squarings, where it is integrated again.

        Returns:
            `(b, *space, d)` in voxels of the image.
        """
        full = self.resized(half, space)
        return integrate(full, num_steps) if self.is_integrated_twice else full

    def resized(self, displacement: Array, shape: tuple[int, ...]) -> Array:
        """A displacement or velocity `(b, *old, d)` on another grid, in its voxels."""
        return resize_displacement(displacement, shape, is_nominal=self.is_nominal)
