"""The torch module of the package `voxelmorph`, with weights that were trained here."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

# Its five levels of maxima need axes of whole multiples.
_BLOCK = 32


def open_method(settings: Mapping[str, Any]) -> Callable[..., np.ndarray]:
    """Make the function that registers a pair.

    The setting `weights` is the path of weights.npz of a `voxelmorph_basic` model.
    Images are padded with zeros to multiples of 32 voxels, which the package needs.
    """
    torch: Any = import_module("torch")
    models: Any = import_module("voxelmorph.nn.models")

    with np.load(settings["weights"]) as file:
        state = torch_weights({name: file[name] for name in file.files})
    ndim = state["flow_layer.conv0.weight"].ndim - 2
    module = models.VxmPairwise(ndim, 1, 1, integration_steps=0).eval()
    module.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()})

    def register(
        fixed: np.ndarray, moving: np.ndarray, spacing: Sequence[float]
    ) -> np.ndarray:
        del spacing
        ends = [(0, -size % _BLOCK) for size in fixed.shape]
        pair = (torch.from_numpy(np.pad(x, ends)[None, None]) for x in (moving, fixed))
        with torch.inference_mode():
            field = module(*pair)[0].numpy()
        inside = tuple(slice(size) for size in fixed.shape)
        return np.moveaxis(field, 0, -1)[inside]

    return register


def torch_weights(params: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The weights of `BasicVoxelMorph` as the package names and orders them.

    Args:
        params: Arrays by name, with "/" between the names of nested modules.

    Returns:
        A state for `VxmPairwise`.
    """
    state = {}
    for path, array in params.items():
        *layer, kind = path.removeprefix("unet/").split("/")
        if kind == "kernel":
            array = np.moveaxis(array, (-1, -2), (0, 1))
        name = {"kernel": "weight", "bias": "bias"}[kind]
        place = _place(layer[0])
        state[f"{place}.conv0.{name}"] = np.ascontiguousarray(array)
    return state


def _place(layer: str) -> str:
    """The package's name of a layer."""
    kind, *numbers = layer.split("_")
    if kind == "down":
        return f"model.downsampling_conv_blocks.{numbers[0]}.conv_block"
    if kind == "up" and numbers[0] != "0":
        return f"model.upsampling_conv_blocks.{int(numbers[0]) - 1}.conv_block"
    names = {"up": "model.lowest_resolution_conv_block", "out": "model.out_layer"}
    return names.get(kind, "flow_layer")
