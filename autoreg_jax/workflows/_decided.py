"""Any genotype as a mixed network that has decided, so that one program serves all."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from autoreg_jax.search_space import OPERATIONS, ArchitectureLogits, Cells, Genotype
from autoreg_jax.workflows._flat import Layout

# exp(-1e4) is 0 in float32: the shares are exactly 1 and 0.
_CERTAIN = 1e4


class DecidedNetwork(NamedTuple):
    """A mixed network with the interface of a discrete one.

    Attributes:
        network: The mixed network.
        alpha: Logits of which one an edge is certain.
    """

    network: Any
    alpha: ArchitectureLogits

    def apply(self, variables: Any, moving: Any, fixed: Any, alpha: Any = None) -> Any:
        """Two images to a velocity; `alpha` is not asked."""
        del alpha
        return self.network.apply(variables, moving, fixed, self.alpha)


def decided_logits(genotype: Genotype) -> ArchitectureLogits:
    """Logits whose softmax is 1 for the operations of a genotype and 0 for others.

    An operation that is none of `OPERATIONS` gets equal shares: it stands in a cell
    that the mixed network does not search.
    """

    def logits(cells: Cells) -> Any:
        is_chosen = [
            [[name == operation for operation in OPERATIONS] for name in cell]
            for cell in cells
        ]
        return jnp.asarray(_CERTAIN * np.array(is_chosen, np.float32))

    return ArchitectureLogits(logits(genotype.feature), logits(genotype.deformation))


def embedded(omega: Any, discrete: Layout, mixed: Layout) -> np.ndarray:
    """Weights of a discrete network as those of the mixed one.

    Candidates that are not chosen get zeros; their shares are 0, so they get no
    gradients and stay there.

    Args:
        omega: Vector in the layout of the discrete network.
        discrete: That layout.
        mixed: The layout of the mixed network.

    Returns:
        Vector in the layout of the mixed network.

    Raises:
        ValueError: If the mixed network lacks an operation of the discrete one.
    """

    def place(known: Any, given: Any, where: str) -> Any:
        if not hasattr(known, "items"):
            return np.zeros(known.shape, np.float32) if given is None else given
        if missing := set(given or {}) - set(known):
            raise ValueError(
                f"{where}{min(missing)} is no candidate of the mixed network; search "
                "this genotype alone."
            )
        return {
            name: place(part, (given or {}).get(name), f"{where}{name}/")
            for name, part in known.items()
        }

    tree = place(mixed.shapes, discrete.to_tree(np.asarray(omega)), "")
    return np.asarray(mixed.to_vector(tree))
