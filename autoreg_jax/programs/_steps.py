"""Many steps of a loop as one compiled program, or one after the other."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from autoreg_jax.programs._compiled import quick_compilation

Step = Callable[[Any, Any, Any], tuple[Any, Any]]
"""`(state, row, data) -> (state, info)`, pure: `row` is what differs from step to step,
`data` what stays. All are pytrees of arrays."""

# Steps of one call where nothing else is asked for.
_USUAL_CHUNK = 10


class Steps(NamedTuple):
    """Steps that are run as a chunk.

    Attributes:
        run: `(state, rows, count, data) -> (state, infos)`, the first `count` rows, see
            `stacked_rows`; a program is compiled for each number of rows. The state is
            used up. Infos are read by `one_each`.
        chunk: Number of steps of a call that is fast.
    """

    run: Callable[[Any, Any, int, Any], tuple[Any, Any]]
    chunk: int


# Measured on two CPU cores, see `tests/benchmarks/RESULTS.md`. With less work a step of
# a training takes half the time as one program, since the start of its parts takes as
# long as they do; but the parts of an earlier stage are compiled already, and those of
# an iteration of the search compile several times faster.
_MOST_WORK_ON_A_CPU = 2**25
_FEWEST_STEPS_ON_A_CPU = 2000


def runs_in_one_program(num_weights: int, num_voxels: int, num_steps: int) -> bool:
    """Whether steps are faster as one program, its compilation included.

    On an accelerator they always are: a device waits for the host at every program. On
    a CPU they are if the weights ω times the voxels of an image are at most 2²⁵, as of
    one architecture on images of 64×64 voxels, and there are at least 2,000 steps.
    """
    if jax.default_backend() != "cpu":
        return True
    is_small = num_weights * num_voxels <= _MOST_WORK_ON_A_CPU
    return is_small and num_steps >= _FEWEST_STEPS_ON_A_CPU


def in_one_program(step: Step) -> Steps:
    """Compile a loop over a step; the state that is given is used up (donated).

    The number of steps is an argument of the program, which XLA does not know. So there
    is one compilation for a chunk and its remainder, and a state does not depend on how
    the steps before it were divided into chunks, bit for bit.

    Args:
        step: One step. It is traced once.

    Returns:
        The program. Infos behind the last step are zeros.
    """
    once = jax.jit(step)

    def loop(state: Any, rows: Any, count: Any, data: Any) -> tuple[Any, Any]:
        def row(place: Any) -> Any:
            return jax.tree.map(lambda row: row[place], rows)

        size = len(jax.tree.leaves(rows)[0])
        _, info = jax.eval_shape(once, state, row(0), data)
        infos = jax.tree.map(lambda x: jnp.zeros((size, *x.shape), x.dtype), info)

        def body(place: Any, carried: Any) -> Any:
            state, infos = carried
            state, info = once(state, row(place), data)
            put = jax.tree.map(lambda all, one: all.at[place].set(one), infos, info)
            return state, put

        return jax.lax.fori_loop(0, count, body, (state, infos))

    options = quick_compilation()
    run = jax.jit(loop, donate_argnums=0, compiler_options=options)
    return Steps(run, _USUAL_CHUNK)


def one_by_one(step: Step) -> Steps:
    """Call a step, whose expensive parts are compiled, for each row."""

    def run(state: Any, rows: Any, count: int, data: Any) -> tuple[Any, Any]:
        infos = []
        for place in range(count):
            row = jax.tree.map(lambda row, place=place: row[place], rows)
            state, info = step(state, row, data)
            infos.append(info)
        return state, infos

    return Steps(run, 1)


def stacked_rows(rows: Sequence[Any], size: int) -> Any:
    """The rows of a chunk, NumPy arrays; the last one fills it up to `size` steps."""
    rows = [*rows, *[rows[-1]] * (size - len(rows))]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *rows)


def one_each(infos: Any, count: int) -> list[Any]:
    """The infos of a chunk of `count` steps, one for each step."""
    if isinstance(infos, list):
        return infos
    return [
        jax.tree.map(lambda x, place=place: x[place], infos) for place in range(count)
    ]


@jax.jit
def copied(state: Any) -> Any:
    """A state that outlives the one that is used up by the next steps."""
    return jax.tree.map(jnp.copy, state)
