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
from autoreg_jax.search_space._decision import discretisation_gap as discretisation_gap
from autoreg_jax.search_space._decision import is_ranking_stable as is_ranking_stable
from autoreg_jax.search_space._decision import top_two_gap as top_two_gap
from autoreg_jax.search_space._genotype import Cells as Cells
from autoreg_jax.search_space._genotype import Genotype as Genotype
from autoreg_jax.search_space._genotype import decode as decode
from autoreg_jax.search_space._operations import make_operation as make_operation
from autoreg_jax.search_space._published import (
    PUBLISHED_GENOTYPES as PUBLISHED_GENOTYPES,
)
from autoreg_jax.search_space._relaxation import Relaxation as Relaxation
from autoreg_jax.search_space._relaxation import best_operations as best_operations
from autoreg_jax.search_space._relaxation import beta_decay_loss as beta_decay_loss
from autoreg_jax.search_space._relaxation import dirichlet_weights as dirichlet_weights
from autoreg_jax.search_space._relaxation import gumbel_weights as gumbel_weights
from autoreg_jax.search_space._relaxation import one_hot_weights as one_hot_weights
from autoreg_jax.search_space._relaxation import partial_channels as partial_channels
from autoreg_jax.search_space._relaxation import pruned_weights as pruned_weights
from autoreg_jax.search_space._relaxation import sigmoid_weights as sigmoid_weights
from autoreg_jax.search_space._relaxation import tempered_weights as tempered_weights
from autoreg_jax.search_space._relaxation import zero_one_loss as zero_one_loss

__all__ = [
    "MIXTURE_GAIN",
    "OPERATIONS",
    "PUBLISHED_GENOTYPES",
    "ArchitectureLogits",
    "Cell",
    "Cells",
    "Genotype",
    "MixedOperation",
    "Relaxation",
    "best_operations",
    "beta_decay_loss",
    "decode",
    "dirichlet_weights",
    "discretisation_gap",
    "entropy",
    "gumbel_weights",
    "is_ranking_stable",
    "make_operation",
    "one_hot_weights",
    "partial_channels",
    "probabilities",
    "pruned_weights",
    "sigmoid_weights",
    "tempered_weights",
    "top_two_gap",
    "zero_one_loss",
]
