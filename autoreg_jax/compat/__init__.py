"""Registration under the names of ANTsPy, for images as other packages hold them."""

from autoreg_jax.compat._apply import apply_transforms
from autoreg_jax.compat._registration import registration

__all__ = ["apply_transforms", "registration"]
