"""How objects show themselves: text without arrays, small HTML, pictures as PNG.

NumPy and the standard library alone, so that every object can use it.
"""

from autoreg_jax.display._html import block, paragraph, pictures, table
from autoreg_jax.display._png import encode_png, grey_values
from autoreg_jax.display._text import by, number, text_table

__all__ = [
    "block",
    "by",
    "encode_png",
    "grey_values",
    "number",
    "paragraph",
    "pictures",
    "table",
    "text_table",
]
