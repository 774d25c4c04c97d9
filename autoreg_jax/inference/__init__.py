"""A model on disk, and the registration of two images with it.

`register` works in world space: the images may have any orientation, spacing and shape.
"""

from autoreg_jax.inference._apply import apply_files as apply_files
from autoreg_jax.inference._classical import register_pair as register_pair
from autoreg_jax.inference._files import register_files as register_files
from autoreg_jax.inference._files import register_many as register_many
from autoreg_jax.inference._known import KnownError as KnownError
from autoreg_jax.inference._known import known_error as known_error
from autoreg_jax.inference._labels import warp_labels as warp_labels
from autoreg_jax.inference._model import ModelDescription as ModelDescription
from autoreg_jax.inference._model import RegistrationModel as RegistrationModel
from autoreg_jax.inference._model import load_model as load_model
from autoreg_jax.inference._outputs import output_paths as output_paths
from autoreg_jax.inference._overlap import Overlap as Overlap
from autoreg_jax.inference._overlap import label_overlap as label_overlap
from autoreg_jax.inference._refine import Refined as Refined
from autoreg_jax.inference._refine import refine as refine
from autoreg_jax.inference._register import register as register
from autoreg_jax.inference._registered import Registered as Registered

__all__ = [
    "KnownError",
    "ModelDescription",
    "Overlap",
    "Refined",
    "Registered",
    "RegistrationModel",
    "apply_files",
    "known_error",
    "label_overlap",
    "load_model",
    "output_paths",
    "refine",
    "register",
    "register_files",
    "register_many",
    "register_pair",
    "warp_labels",
]
