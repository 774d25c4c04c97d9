"""The names of other packages: `registration` of ANTsPy, `voxelmorph`."""

from autoreg_jax.compat import voxelmorph
from autoreg_jax.compat._apply import apply_transforms
from autoreg_jax.compat._registration import registration

__all__ = ["apply_transforms", "registration", "voxelmorph"]
