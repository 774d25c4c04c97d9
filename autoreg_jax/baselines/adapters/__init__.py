"""Third-party programs behind one function each, in a process of their own.

`python -m autoreg_jax.baselines.adapters MODULE` opens a method and registers the pairs
whose file names it reads from standard input. Such a module has one function,
`open_method(settings)`, which returns `register(fixed, moving, spacing)`: it maps two
arrays `(*space,)` in [0, 1] and the voxel size in mm to the displacement `(*space, d)`
in voxels that pulls `moving` onto `fixed`. Neither the arrays nor the program are
aligned beforehand.
"""

from autoreg_jax.baselines.adapters._table import ADAPTERS, Adapter
from autoreg_jax.baselines.adapters._voxelmorph_torch import torch_weights

__all__ = ["ADAPTERS", "Adapter", "torch_weights"]
