"""Agreements with a reference by name, which print as a table."""

from collections.abc import Iterable
from typing import Any, Self

import jax
import numpy as np

from autoreg_jax.hypergrad._given import is_traced


@jax.tree_util.register_pytree_with_keys_class
class Agreements(dict[str, Any]):
    """What `compare` returns: the `Agreement` of each estimator, by name; a pytree.

    A dictionary in everything but how it is printed.

    Examples:
        >>> from autoreg_jax.hypergrad import Agreement
        >>> Agreements({"one step": Agreement(0.821, 0.866, 0.8)})
        estimator  cosine  relative error  sign agreement
        one step    0.821           0.866             0.8
    """

    def __repr__(self) -> str:
        rows = [(str(name), found) for name, found in self.items()]
        fields = {getattr(found, "_fields", ()) for _, found in rows}
        if len(fields) != 1 or () in fields:
            return super().__repr__()
        titles = [field.replace("_", " ") for field in fields.pop()]
        lines = [("estimator", *titles)]
        lines += [(name, *map(short, found)) for name, found in rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                [line[0].ljust(widths[0])]
                + [c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True)]
            )
            for line in lines
        )

    def tree_flatten_with_keys(
        self,
    ) -> tuple[list[tuple[Any, Any]], tuple[str, ...]]:
        """Children with their keys, in the order of the names, as JAX sorts them."""
        names = tuple(sorted(self))
        return [(jax.tree_util.DictKey(name), self[name]) for name in names], names

    @classmethod
    def tree_unflatten(cls, names: tuple[str, ...], children: Iterable[Any]) -> Self:
        """The dictionary of the names and their children."""
        return cls(zip(names, children, strict=True))


def short(value: Any) -> str:
    """A number in three digits; anything else, such as a traced value, by its type."""
    if is_traced(value):
        return type(value).__name__
    try:
        found = np.asarray(value, float)
    except (TypeError, ValueError):
        return repr(value)
    return f"{float(found):.3g}" if found.ndim == 0 else f"{found.shape}"
