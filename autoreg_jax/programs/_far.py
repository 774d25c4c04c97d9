"""The steps of a stage of λ that looks far ahead."""

from functools import partial
from typing import Any

import jax
import optax

from autoreg_jax.bilevel import (
    ON_DEVICE,
    ON_HOST,
    Control,
    FarAlgorithm,
    FarState,
    PairBatch,
    make_amortised,
    make_branches,
    make_forward,
    no_move,
    normalised_steps,
    over_pairs,
    tangent_step,
    told,
)
from autoreg_jax.errors import ConfigError
from autoreg_jax.programs._cohort import gather_pair, gather_pairs
from autoreg_jax.programs._compiled import quick_compilation
from autoreg_jax.programs._iteration import (
    StageData,
    StageInfo,
    StageRow,
    is_whole_program,
)
from autoreg_jax.programs._network import Network
from autoreg_jax.programs._policy import with_guard, with_policy
from autoreg_jax.programs._programs import Programs
from autoreg_jax.programs._stage import Stage
from autoreg_jax.programs._steps import Step, Steps, in_one_program, one_by_one


def far_algorithm(
    programs: Programs, stage: Stage, network: Network, *, is_plain: bool = False
) -> FarAlgorithm:
    """The search of λ of a stage that looks far.

    Args:
        programs: Those of the run.
        stage: Of λ, with `Stage.far`.
        network: The discrete network.
        is_plain: Nothing is compiled: the functions are parts of a larger program.

    Raises:
        ConfigError: If the run has the quirk that λ descends with ω.
    """
    far, settings = stage.far, stage.settings
    if far is None:
        raise ValueError("far_algorithm: the stage does not look far.")
    if programs.config.quirks.lam_descends:
        raise ConfigError(
            "quirks.lam_descends: moves λ in every step, so search.lam_search.method="
            f"{far.method} has nothing to compare; set one of the two to its default."
        )
    control: Control = ON_DEVICE if is_plain else ON_HOST
    search = programs.search(stage, network, is_plain=is_plain)
    ratios = optax.inject_hyperparams(normalised_steps)(
        settings.learning_rate, settings.beta1, settings.beta2, far.floor
    )
    ratios = with_policy(ratios, programs.config.divergence)
    if far.method == "branches":
        make_problem = programs.plain_problem if is_plain else programs.problem
        loss = make_problem(network, stage.search).bilevel.outer_loss
        more = {"factor": far.factor, "go_on": far.go_on}
        return make_branches(search, loss, ratios, control, **more)

    options = quick_compilation()
    judge = stage.search.judge, stage.search.folding_budget
    if far.method == "amortised":
        problem = programs.plain_problem(network, stage.search).bilevel

        def judged(omega: Any, lam: Any, batch: PairBatch) -> Any:
            return problem.outer_loss(omega, lam, told(batch, lam))

        slope: Any = jax.value_and_grad(judged, argnums=1)
        if not is_plain:
            make_slope = partial(jax.jit, slope, compiler_options=options)
            slope = programs.once(("slope", network, *judge), make_slope)
        return make_amortised(search, slope, ratios, control, reach=far.reach)

    def make_tangents() -> Step:
        problem = programs.plain_problem(network, stage.search)
        problem = over_pairs(problem, is_scanned=True)
        omega = programs.omega_optimizer(stage, network, is_plain=True)
        step = tangent_step(problem.bilevel, omega)
        return step if is_plain else jax.jit(step, compiler_options=options)

    rates = stage.omega_learning_rate, stage.search.omega_steps
    step = make_tangents()
    if not is_plain:
        step = programs.once(("tangents", network, *judge, *rates), make_tangents)
    return make_forward(
        search,
        step,
        ratios,
        control,
        horizon=far.horizon,
        window=far.window,
        go_on=far.go_on,
    )


def far_step(
    algorithm: FarAlgorithm,
    num_structures: int = 0,
    *,
    has_background: bool = False,
    train_structures: int = 0,
    is_compiled: bool,
) -> Step:
    """A step `(FarState, StageRow, StageData) -> (state, StageInfo)`.

    The arguments are those of `search_step`. ω learns, and then λ moves by the
    validation pairs of the row, if it is to.
    """
    control = ON_DEVICE if is_compiled else ON_HOST

    def step(
        state: FarState, row: StageRow, data: StageData
    ) -> tuple[FarState, StageInfo]:
        train = gather_pair(data.train, row.train, train_structures)
        valid = gather_pairs(
            data.valid, row.valid, num_structures, has_background=has_background
        )
        valid = (valid,) if len(row.valid[0]) == 1 else valid
        state, inner = algorithm.train(state, train, valid, row.is_far)
        state, moved = control.choose(
            row.is_active,
            lambda state: algorithm.move(state, valid),
            lambda state: (state, no_move(state.outer)),
            state,
        )
        return state, StageInfo(inner, moved, row.is_active, state.outer)

    return step


def far_steps(
    programs: Programs,
    stage: Stage,
    data: StageData,
    network: Network,
    num_structures: int = 0,
    **labels: Any,
) -> Steps:
    """The steps of a stage of λ that looks far; the arguments of `search_steps`."""

    def make(*, is_whole: bool) -> Steps:
        step = far_step(
            far_algorithm(programs, stage, network, is_plain=is_whole),
            num_structures,
            **labels,
            is_compiled=is_whole,
        )
        step = with_guard(step, programs.config.divergence, is_compiled=is_whole)
        return in_one_program(step) if is_whole else one_by_one(step)

    if not is_whole_program(programs, network, data.train, stage.settings.steps):
        return make(is_whole=False)
    search = stage.search
    key = (
        network,
        stage.far,
        stage.settings,
        stage.omega_learning_rate,
        search.omega_steps,
        search.judge,
        search.folding_budget,
        num_structures,
        *labels.items(),
    )
    return programs.once(("far steps", *key), lambda: make(is_whole=True))
