"""What a search can choose from: operations, their mixture, cells, α and genotypes."""

from autoreg_jax.search_space._candidates import (
    CANDIDATES,
    OPERATIONS,
    Candidate,
    make_operation,
    searched_names,
)
from autoreg_jax.search_space._cells import MIXTURE_GAIN, Cell, MixedOperation
from autoreg_jax.search_space._genotype import (
    PAPER_CELLS,
    PUBLISHED_GENOTYPES,
    SCALES,
    ArchitectureLogits,
    Cells,
    CellShapes,
    Genotype,
    decode,
)
from autoreg_jax.search_space._operations import LeadingConvolution, Operation
from autoreg_jax.search_space._relaxation import (
    Relaxation,
    is_ranking_stable,
    one_hot_weights,
    probabilities,
    pruned_weights,
    sigmoid_weights,
    tempered_weights,
)

__all__ = [
    "CANDIDATES",
    "MIXTURE_GAIN",
    "OPERATIONS",
    "PAPER_CELLS",
    "PUBLISHED_GENOTYPES",
    "SCALES",
    "ArchitectureLogits",
    "Candidate",
    "Cell",
    "CellShapes",
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
    "searched_names",
    "sigmoid_weights",
    "tempered_weights",
]
