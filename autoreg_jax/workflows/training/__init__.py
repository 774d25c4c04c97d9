"""What a training starts from, what is measured of it, and when it ends."""

from autoreg_jax.workflows.training._budget import Budget, budget_of, is_finished
from autoreg_jax.workflows.training._compared import compared_by, loss_compares
from autoreg_jax.workflows.training._grid import on_grid
from autoreg_jax.workflows.training._initial import (
    first_weights,
    initial_model,
    like_model,
    rated,
    told_of,
)
from autoreg_jax.workflows.training._kept import (
    check_axes,
    check_continued,
    settings_from,
    weights_from,
    with_weights,
)
from autoreg_jax.workflows.training._model import trained_model
from autoreg_jax.workflows.training._record import training_record
from autoreg_jax.workflows.training._usual import with_usual
from autoreg_jax.workflows.training._validation import (
    Validation,
    check_judge,
    make_validation,
)

__all__ = [
    "Budget",
    "Validation",
    "budget_of",
    "check_axes",
    "check_continued",
    "check_judge",
    "compared_by",
    "first_weights",
    "initial_model",
    "is_finished",
    "like_model",
    "loss_compares",
    "make_validation",
    "on_grid",
    "rated",
    "settings_from",
    "told_of",
    "trained_model",
    "training_record",
    "weights_from",
    "with_usual",
    "with_weights",
]
