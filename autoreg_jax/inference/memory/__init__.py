"""How much memory a registration takes, before it begins, and what fits."""

from autoreg_jax.inference.memory._estimate import (
    RegistrationMemory,
    RegistrationTask,
    registration_memory,
)
from autoreg_jax.inference.memory._fit import Fit, Limit, fit, memory_limit
from autoreg_jax.inference.memory._pair import fit_pair, task_of
from autoreg_jax.inference.memory._size import bytes_of, size_in_words

__all__ = [
    "Fit",
    "Limit",
    "RegistrationMemory",
    "RegistrationTask",
    "bytes_of",
    "fit",
    "fit_pair",
    "memory_limit",
    "registration_memory",
    "size_in_words",
    "task_of",
]
