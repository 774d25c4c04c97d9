"""The smoothness of the refinement, searched on validation pairs."""

from autoreg_jax.workflows.refinement._moves import Move, follow
from autoreg_jax.workflows.refinement._search import search_refinement

__all__ = ["Move", "follow", "search_refinement"]
