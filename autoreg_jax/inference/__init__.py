"""A model on disk, and the registration of two images with it.

`register` works in world space: the images may have any orientation, spacing and shape.
"""

from autoreg_jax.inference._accuracy import (
    KnownError,
    Overlap,
    difference,
    known_error,
    label_overlap,
    landmark_error,
)
from autoreg_jax.inference._apply import apply_files
from autoreg_jax.inference._applying import Conventions
from autoreg_jax.inference._at_minimum import AtMinimum, RefinementDerivative
from autoreg_jax.inference._description import ModelDescription
from autoreg_jax.inference._files import register_files, register_many
from autoreg_jax.inference._guide import Guide
from autoreg_jax.inference._labels import warp_labels
from autoreg_jax.inference._model import (
    RegistrationModel,
    included_models,
    load_model,
    stored_digest,
)
from autoreg_jax.inference._register import register
from autoreg_jax.inference._registered import Registered
from autoreg_jax.inference._seen import Seen
from autoreg_jax.inference._shown import slice_html
from autoreg_jax.inference.optimisation import (
    Guidance,
    Refined,
    register_pair,
)
from autoreg_jax.inference.trust import Difference, Evidence, Repeated, Trust, Usual
from autoreg_jax.inference.writing import InverseError, output_paths

__all__ = [
    "AtMinimum",
    "Conventions",
    "Difference",
    "Evidence",
    "Guidance",
    "Guide",
    "InverseError",
    "KnownError",
    "ModelDescription",
    "Overlap",
    "Refined",
    "RefinementDerivative",
    "Registered",
    "RegistrationModel",
    "Repeated",
    "Seen",
    "Trust",
    "Usual",
    "apply_files",
    "difference",
    "included_models",
    "known_error",
    "label_overlap",
    "landmark_error",
    "load_model",
    "output_paths",
    "register",
    "register_files",
    "register_many",
    "register_pair",
    "slice_html",
    "stored_digest",
    "warp_labels",
]
