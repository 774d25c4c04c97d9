"""What a search can choose from: operations, their mixture, cells, α and genotypes."""

from autoreg_jax.search_space._architecture import (
    ArchitectureLogits as ArchitectureLogits,
)
from autoreg_jax.search_space._candidates import CANDIDATES as CANDIDATES
from autoreg_jax.search_space._candidates import OPERATIONS as OPERATIONS
from autoreg_jax.search_space._candidates import Candidate as Candidate
from autoreg_jax.search_space._candidates import make_operation as make_operation
from autoreg_jax.search_space._cells import MIXTURE_GAIN as MIXTURE_GAIN
from autoreg_jax.search_space._cells import Cell as Cell
from autoreg_jax.search_space._cells import MixedOperation as MixedOperation
from autoreg_jax.search_space._decision import is_ranking_stable as is_ranking_stable
from autoreg_jax.search_space._genotype import Cells as Cells
from autoreg_jax.search_space._genotype import Genotype as Genotype
from autoreg_jax.search_space._genotype import decode as decode
from autoreg_jax.search_space._operations import (
    LeadingConvolution as LeadingConvolution,
)
from autoreg_jax.search_space._operations import Operation as Operation
from autoreg_jax.search_space._published import (
    PUBLISHED_GENOTYPES as PUBLISHED_GENOTYPES,
)
from autoreg_jax.search_space._relaxation import Relaxation as Relaxation
from autoreg_jax.search_space._relaxation import one_hot_weights as one_hot_weights
from autoreg_jax.search_space._relaxation import probabilities as probabilities
from autoreg_jax.search_space._relaxation import pruned_weights as pruned_weights
from autoreg_jax.search_space._relaxation import sigmoid_weights as sigmoid_weights
from autoreg_jax.search_space._relaxation import tempered_weights as tempered_weights

__all__ = [
    "CANDIDATES",
    "MIXTURE_GAIN",
    "OPERATIONS",
    "PUBLISHED_GENOTYPES",
    "ArchitectureLogits",
    "Candidate",
    "Cell",
    "Cells",
    "Genotype",
    "LeadingConvolution",
    "MixedOperation",
    "Operation",
    "Relaxation",
    "decode",
    "is_ranking_stable",
    "make_operation",
    "one_hot_weights",
    "probabilities",
    "pruned_weights",
    "sigmoid_weights",
    "tempered_weights",
]
