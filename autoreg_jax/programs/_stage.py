"""The stages of Algorithm 1 and their order."""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import jax
import jax.numpy as jnp

from autoreg_jax.config import (
    HypergradientConfig,
    LamSearchConfig,
    RunConfig,
    SearchConfig,
    StageConfig,
    StopConfig,
)
from autoreg_jax.search_space import ArchitectureLogits


class Stream(IntEnum):
    """A stream of random numbers for each thing in a run that draws them."""

    FEATURE = 0
    DEFORMATION = 1
    LAM = 2
    TRAIN = 3
    ALPHA = 4
    JOINT = 5

    def in_round(self, number: int) -> int:
        """The stream in a round of the search, from 0."""
        return number * len(Stream) + self


@dataclass(frozen=True)
class Stage:
    """One stage of a search: ω starts anew, one outer variable moves, the others rest.

    Attributes:
        name: In records and checkpoints: "feature", in the second round "feature-2".
        stream: Number of its stream of random numbers.
        parts: The parts of α that it moves; none in a stage of λ.
        settings: Its own settings.
        search: The settings that all stages share.
        is_still: Whether ω alone learns and no outer variable moves.
    """

    name: str
    stream: int
    parts: tuple[str, ...]
    settings: StageConfig
    search: SearchConfig
    is_still: bool = False

    @property
    def hypergradient(self) -> HypergradientConfig:
        """The estimator of this stage."""
        return self.settings.hypergradient or self.search.hypergradient

    @property
    def stop(self) -> StopConfig:
        """The rules that end this stage early."""
        return self.settings.stop or self.search.stop

    @property
    def omega_learning_rate(self) -> float:
        """Adam's step of ω."""
        return self.settings.omega_learning_rate or self.search.omega_learning_rate

    @property
    def look_ahead_learning_rate(self) -> float:
        """ξ, the size of the gradient step inside the hypergradient."""
        return (
            self.settings.look_ahead_learning_rate
            or self.search.look_ahead_learning_rate
        )

    @property
    def is_of_lambda(self) -> bool:
        """Whether it moves λ instead of α."""
        return not self.parts

    @property
    def far(self) -> LamSearchConfig | None:
        """How it looks further ahead than one step, if it does."""
        settings = self.search.lam_search
        is_far = self.is_of_lambda and settings.method != "hypergradient"
        return settings if is_far else None

    def is_active(self, step: int, *, is_warm: bool = False) -> bool:
        """Whether the outer variable moves in an iteration.

        Args:
            step: The iteration, from 0.
            is_warm: The warm-up is over, whatever its steps say; not if it looks far.
        """
        if self.is_still:
            return False
        if self.far:  # at the end of the steps that it looks back on
            done = step + 1 - self.settings.warm_up
            return done > 0 and done % self.settings.every == 0
        is_warm = is_warm or step >= self.settings.warm_up
        return is_warm and (step - self.settings.warm_up) % self.settings.every == 0

    def moves(self, step: int) -> int:
        """Number of the move in an active iteration, from 0 (negative in a warm-up)."""
        return (step - self.settings.warm_up) // self.settings.every

    def owned(self, outer: Any) -> Any:
        """Ones where the stage may move the outer variable, zeros elsewhere.

        Args:
            outer: α or λ.

        Returns:
            A tree like `outer`.
        """
        if self.is_of_lambda:
            return jax.tree.map(jnp.ones_like, outer)
        zeros = jax.tree.map(jnp.zeros_like, outer)
        ones = {part: jnp.ones_like(getattr(outer, part)) for part in self.parts}
        return zeros._replace(**ones)

    def options(self, outer: Any) -> list[Any]:
        """What a ranking of the outer variable ranks, from α or λ as in a record."""
        if self.is_of_lambda:
            return list(outer.values())
        return [outer[part] for part in self.parts]


def schedule(config: RunConfig, *, with_cells: bool = True) -> list[list[Stage]]:
    """The stages of each round: α_F and α_D, or both at once, and λ at the end.

    Without cells there are the stages of λ alone. λ has no steps if there is no
    criterion to choose it by.
    """
    search = config.search
    cells: tuple[tuple[str, Stream, tuple[str, ...], StageConfig], ...]
    cells = (
        ("feature", Stream.FEATURE, ("feature",), search.feature),
        ("deformation", Stream.DEFORMATION, ("deformation",), search.deformation),
    )
    if search.joint:
        cells = (("joint", Stream.JOINT, ArchitectureLogits._fields, search.feature),)
    if config.quirks.deformation_only:
        cells = cells[-1:]
    cells = cells if with_cells else ()
    weights = _of_lambda(search)
    if search.judge == "none":
        weights = replace(weights, steps=0, warm_up=0)

    def stage(turn: int, name: str, stream: Stream, *others: Any) -> Stage:
        parts, settings = others
        name = name if turn == 0 else f"{name}-{turn + 1}"
        return Stage(name, stream.in_round(turn), parts, settings, search)

    return [
        [stage(turn, *cell) for cell in (*cells, ("lam", Stream.LAM, (), weights))]
        for turn in range(search.rounds)
    ]


def _of_lambda(search: SearchConfig) -> StageConfig:
    """The stage of λ; one that looks far has its moves from the settings of that."""
    stage, far = search.lam, search.lam_search
    if far.method == "hypergradient" or stage.steps == 0:
        return stage
    return replace(
        stage,
        steps=stage.warm_up + far.moves * far.horizon,
        every=far.horizon,
        valid_pairs=stage.valid_pairs if far.method == "forward" else far.pairs,
        learning_rate=far.step,
    )
