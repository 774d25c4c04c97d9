"""A hypergradient estimator of a user is tried on shapes before a stage begins."""

from typing import Any

import jax
import numpy as np

from autoreg_jax.programs._iteration import StageData, StageRow, search_step
from autoreg_jax.programs._network import Network
from autoreg_jax.programs._programs import Programs
from autoreg_jax.programs._stage import Stage


def check_estimator(
    programs: Programs,
    stage: Stage,
    data: StageData,
    network: Network | None = None,
    num_structures: int = 0,
    **labels: Any,
) -> None:
    """Trace one iteration of a stage; nothing is computed or compiled.

    The arguments are those of `search_steps`; of the data the shapes are looked at.

    Raises:
        ConfigError: If the estimator is one of the user's and returns something else
            than it should, see `search.checked_estimator`.
    """
    if programs.estimator is None:
        return
    settings = stage.settings

    def trace() -> Any:
        algorithm = programs.search(stage, network, is_plain=True)
        step = search_step(algorithm, num_structures, is_compiled=False, **labels)
        shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), data)
        size = programs.layout(network or programs.mixed).size
        omega = jax.ShapeDtypeStruct((size,), np.float32)
        state = jax.eval_shape(algorithm.init, omega, shapes.owned)
        train, valid = (
            (np.zeros(count, np.int32),) * 2
            for count in (settings.train_pairs, settings.valid_pairs)
        )
        row = StageRow(train, valid, is_active=True)
        return jax.eval_shape(lambda state, data: step(state, row, data), state, shapes)

    pairs = settings.train_pairs, settings.valid_pairs
    key = (network, stage.is_of_lambda, *pairs, num_structures, *labels.items())
    programs.once(("estimator is tried", *key), trace)
