"""How a transform shows itself: in a line of text, in a notebook with a picture."""

from collections.abc import Sequence
from typing import Any

from autoreg_jax.display import block, paragraph, pictures, table
from autoreg_jax.errors import TransformError
from autoreg_jax.transforms._deformed_grid import deformed_grid
from autoreg_jax.transforms.links import Link, grid_of

__all__ = ["ShownTransform"]


class ShownTransform:
    """The part of `Transform` by which it shows itself: maps as they are applied."""

    def __repr__(self) -> str:
        words = "; then ".join(link.description for link in reversed(_links(self)))
        return f"Transform({words or 'identity'})"

    def _repr_html_(self) -> str:
        """Its maps, and a regular grid that is deformed with it, for notebooks."""
        links = _links(self)
        maps = [link.description for link in reversed(links)] or ["identity"]
        parts = [table((f"{place}.", words) for place, words in enumerate(maps, 1))]
        grids = [grid for link in links if (grid := grid_of(link)) is not None]
        if grids:
            try:
                picture = deformed_grid(links, grids[-1])
                parts.append(pictures({"a regular grid, deformed": picture}))
            except TransformError as error:
                parts.append(paragraph(str(error)))
        return block("Transform, from fixed to moving", *parts)


def _links(transform: Any) -> Sequence[Link]:
    return transform.links
