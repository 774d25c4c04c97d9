"""One iteration of the search, from indices of pairs."""

import logging
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from autoreg_jax.bilevel import InnerInfo, OuterInfo, SearchAlgorithm, SearchState
from autoreg_jax.programs._cohort import DeviceCohort, gather_pair, gather_pairs
from autoreg_jax.programs._network import Network
from autoreg_jax.programs._policy import with_guard
from autoreg_jax.programs._programs import Programs
from autoreg_jax.programs._stage import Stage
from autoreg_jax.programs._steps import (
    Step,
    Steps,
    in_one_program,
    one_by_one,
    runs_in_one_program,
)

logger = logging.getLogger(__name__)


class StageRow(NamedTuple):
    """What differs from one iteration of a search to the next.

    Attributes:
        train: Moving and fixed index of the training pairs, `(b,)` each.
        valid: Moving and fixed index of the validation pairs, `(m,)` each.
        is_active: Whether the outer variable moves.
        is_far: Whether the warm-up of a stage that looks far is over; else None.
    """

    train: Any
    valid: Any
    is_active: Any
    is_far: Any = None


class StageData(NamedTuple):
    """What stays the same in a stage of a search.

    Attributes:
        train: The training images.
        valid: The validation images.
        owned: Ones where the stage moves the outer variable, see `Stage.owned`.
        lam: λ in a stage of α.
    """

    train: DeviceCohort
    valid: DeviceCohort
    owned: Any
    lam: Any = None


class StageInfo(NamedTuple):
    """What an iteration says.

    Attributes:
        inner: Of the step of ω.
        moved: Of the step of the outer variable; zeros if it did not move.
        is_active: Whether it moved.
        outer: α or λ after the iteration.
    """

    inner: InnerInfo
    moved: OuterInfo
    is_active: Any
    outer: Any


def search_step(
    algorithm: SearchAlgorithm,
    num_structures: int = 0,
    *,
    has_background: bool = False,
    train_structures: int = 0,
    is_compiled: bool,
) -> Step:
    """An iteration `(SearchState, StageRow, StageData) -> (state, StageInfo)`.

    Args:
        algorithm: Of a stage.
        num_structures: Foreground classes of the labels of the validation images.
        has_background: Whether the background is a class of its own, too.
        train_structures: Foreground classes of the labels of the training images, if
            they have any.
        is_compiled: The iteration becomes a part of a program. Otherwise its conditions
            are decided here.
    """
    choose: Callable[..., Any] = jax.lax.cond if is_compiled else _choose

    def step(
        state: SearchState, row: StageRow, data: StageData
    ) -> tuple[SearchState, StageInfo]:
        train_batch = gather_pair(data.train, row.train, train_structures)
        train_batch = train_batch._replace(lam=data.lam)

        def move(state: SearchState) -> tuple[SearchState, OuterInfo]:
            valid_batch = gather_pairs(
                data.valid,
                row.valid,
                num_structures,
                has_background=has_background,
                lam=data.lam,
            )
            return algorithm.outer_step(state, train_batch, valid_batch, data.owned)

        def rest(state: SearchState) -> tuple[SearchState, OuterInfo]:
            zero = np.zeros((), state.omega.dtype)
            return state, OuterInfo(*[zero] * 5, is_finite=np.ones((), bool))

        state, moved = choose(row.is_active, move, rest, state)
        state, inner = algorithm.inner_step(state, train_batch)
        return state, StageInfo(inner, moved, row.is_active, state.outer)

    return step


def _choose(condition: Any, first: Any, second: Any, operand: Any) -> Any:
    return first(operand) if condition else second(operand)


def search_steps(
    programs: Programs,
    stage: Stage,
    data: StageData,
    network: Network | None = None,
    num_structures: int = 0,
    *,
    has_background: bool = False,
    train_structures: int = 0,
) -> Steps:
    """The iterations of a stage, `(SearchState, StageRow, StageData)`.

    Both stages of α are one program: what they may move is `data.owned`, and the
    numbers of the optimizer of α are in the state.

    Args:
        programs: Those of the run.
        stage: Of α, or of λ.
        data: Only the number of voxels is looked at.
        network: The network of a stage of λ; None for a stage of α.
        num_structures: Foreground classes of the labels of the validation images.
        has_background: Whether the background is a class of its own, too.
        train_structures: Foreground classes of the labels of the training images, if
            they have any.
    """

    def make(*, is_whole: bool) -> Steps:
        step = search_step(
            programs.search(stage, network, is_plain=is_whole),
            num_structures,
            has_background=has_background,
            train_structures=train_structures,
            is_compiled=is_whole,
        )
        step = with_guard(step, programs.config.divergence, is_compiled=is_whole)
        return in_one_program(step) if is_whole else one_by_one(step)

    searched, num_steps = network or programs.mixed, stage.settings.steps
    is_mixed = network is None
    programs.once(("said", is_mixed), lambda: say_compiling(is_mixed=is_mixed))
    if not is_whole_program(programs, searched, data.train, num_steps):
        return make(is_whole=False)
    search = stage.search
    key = (
        network,
        stage.is_of_lambda,
        stage.hypergradient,
        stage.look_ahead_learning_rate,
        stage.omega_learning_rate,
        stage.settings.valid_pairs,
        search.omega_steps,
        search.lam_steps,
        search.positive,
        search.judge,
        search.folding_budget,
        num_structures,
        has_background,
        train_structures,
    )
    return programs.once(("search steps", *key), lambda: make(is_whole=True))


def is_whole_program(
    programs: Programs, network: Network, images: DeviceCohort, num_steps: int
) -> bool:
    """Whether the steps with a network are one program."""
    if programs.in_one_program is not None:
        return programs.in_one_program
    num_voxels = math.prod(images.images.shape[1:-1])
    return runs_in_one_program(programs.layout(network).size, num_voxels, num_steps)


def say_compiling(*, is_mixed: bool) -> None:
    """Say that a search, or else a chosen network, is compiled now."""
    what, usual = ("search", "1 to 4 minutes")
    if not is_mixed:
        what, usual = "chosen network", "10 to 60 s"
    logger.info(
        "The first step of the %s is compiled, usually for %s; later runs take it from "
        "the cache.",
        what,
        usual,
    )
