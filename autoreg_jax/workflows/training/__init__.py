"""What a training starts from, and what is measured of it."""

from autoreg_jax.workflows.training._initial import initial_model
from autoreg_jax.workflows.training._validation import (
    Validation,
    check_judge,
    make_validation,
)

__all__ = ["Validation", "check_judge", "initial_model", "make_validation"]
