"""What a search may choose from: operations, their mixture, cells, α and genotypes."""

from autoreg_jax.search_space._architecture import OPERATIONS as OPERATIONS
from autoreg_jax.search_space._architecture import (
    ArchitectureLogits as ArchitectureLogits,
)
from autoreg_jax.search_space._architecture import entropy as entropy
from autoreg_jax.search_space._architecture import probabilities as probabilities
from autoreg_jax.search_space._cells import MIXTURE_GAIN as MIXTURE_GAIN
from autoreg_jax.search_space._cells import Cell as Cell
from autoreg_jax.search_space._cells import MixedOperation as MixedOperation
from autoreg_jax.search_space._genotype import Genotype as Genotype
from autoreg_jax.search_space._genotype import decode as decode
from autoreg_jax.search_space._operations import make_operation as make_operation

__all__ = [
    "MIXTURE_GAIN",
    "OPERATIONS",
    "ArchitectureLogits",
    "Cell",
    "Genotype",
    "MixedOperation",
    "decode",
    "entropy",
    "make_operation",
    "probabilities",
]
