"""Registers pairs of a table, one on each device at a time, and takes the time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort
from autoreg_jax.inference import RegistrationModel
from autoreg_jax.runtime import PAIRS, Placement


class Registered(NamedTuple):
    """What was found for one pair, on the host.

    Attributes:
        displacements: Of the network and, if refined, after refinement, each
            `(1, *space, d)` in voxels.
        backward: Of the network, fixed to moving.
        seconds: Of the network, and of network and refinement.
    """

    displacements: list[np.ndarray]
    backward: np.ndarray
    seconds: list[float]


class Registrar:
    """A model on one device or several, each of which registers one pair at a time.

    Args:
        model: The trained network.
        config: Its `evaluate.refine` is used.
        devices: A mesh of local devices along `pairs`, or one device.
    """

    def __init__(
        self, model: RegistrationModel, config: RunConfig, devices: Placement
    ) -> None:
        self.count = devices.pairs
        self._devices, self._settings = devices, config.evaluate.refine
        settings = self._settings

        def network(params: Any, moving: Any, fixed: Any) -> tuple[Any, Any]:
            # Without a mesh nothing is traced here, and the model keeps its program.
            own = model if devices.mesh is None else replace(model, params=params)
            out = own(moving, fixed)
            return model.start(out), out.displacements.full

        def improve(moving: Any, fixed: Any, start: Any) -> Any:
            return model.refine(
                moving,
                fixed,
                start,
                steps=settings.steps,
                learning_rate=settings.learning_rate,
            ).displacement

        self._params = devices.everywhere(model.params)
        self._network = self._on_each(network, PartitionSpec())
        self._improve = self._on_each(improve)

    def __call__(
        self, cohort: Cohort, pairs: Sequence[tuple[int, int]]
    ) -> list[Registered]:
        """Register at most `count` pairs, moving and fixed index, of a cohort."""
        # All devices work, on the last pair again if there are too few.
        filled = [*pairs, *[pairs[-1]] * (self.count - len(pairs))]
        moving, fixed = (
            jnp.asarray(self._devices.dealt(cohort.images[list(side)]))
            for side in zip(*filled, strict=True)
        )
        begin = time.perf_counter()
        start, full = jax.block_until_ready(self._network(self._params, moving, fixed))
        seconds, found = [time.perf_counter() - begin], [full]
        if self._settings.steps:
            refined = self._improve(moving, fixed, start)
            found.append(jax.block_until_ready(refined))
            seconds.append(time.perf_counter() - begin)
        _, backward = self._network(self._params, fixed, moving)
        fields = [np.asarray(field) for field in (*found, backward)]
        return [
            Registered([f[[n]] for f in fields[:-1]], fields[-1][[n]], seconds)
            for n in range(len(pairs))
        ]

    def _on_each(
        self, function: Callable[..., Any], *first: PartitionSpec
    ) -> Callable[..., Any]:
        """A function of one pair as one of as many pairs as there are devices."""
        if self._devices.mesh is None:
            return function
        dealt = PartitionSpec(PAIRS)

        def every(*arguments: Any) -> Any:
            specs = (*first, *[dealt] * (len(arguments) - len(first)))
            mapped = jax.shard_map(
                function,
                mesh=self._devices.mesh,
                in_specs=specs,
                out_specs=dealt,
                check_vma=False,
            )
            return mapped(*arguments)

        return jax.jit(every)
