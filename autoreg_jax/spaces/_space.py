"""The settings among which a search chooses."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import numpy as np

from autoreg_jax.config import RunConfig
from autoreg_jax.errors import ConfigError
from autoreg_jax.spaces._changes import changed, setting

Changes = dict[str, Any]
"""Values of settings by their dotted names."""


@dataclass(frozen=True)
class Choice:
    """One setting and its options.

    Attributes:
        name: The dotted name of the setting.
        about: What it does, one sentence.
        values: The options as values, the most promising first.
        factors: The options as factors on the value that the setting has; either
            these or `values`.
        when: Other settings and the values that they must have, or the choice has no
            effect, so it is not offered.

    Raises:
        ConfigError: If there are no options, or both kinds.
    """

    name: str
    about: str = ""
    values: tuple[Any, ...] = ()
    factors: tuple[float, ...] = ()
    when: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if bool(self.values) == bool(self.factors):
            raise ConfigError(f"{self.name}: needs either values or factors.")
        if any(factor <= 0 for factor in self.factors):
            raise ConfigError(
                f"{self.name}: factors must be > 0, got {list(self.factors)}."
            )

    def options(self, config: RunConfig) -> list[Any]:
        """The options other than the value that the setting has, in order.

        Empty where the choice has no effect, or where a factor has nothing to act on
        (a weight of 0, or a term that the loss does not have).
        """
        if any(setting(config, name) != value for name, value in self.when.items()):
            return []
        present = setting(config, self.name)
        if not self.factors:
            return [value for value in self.values if value != present]
        if not present:
            return []
        return [factor * present for factor in self.factors if factor != 1.0]


@dataclass(frozen=True)
class Space:
    """The settings among which a search chooses, and whether it chooses operations.

    Attributes:
        name: Of the space.
        about: What it is for.
        choices: The settings, the most promising first.
        has_operations: Whether the operation of each edge is chosen, too, among
            `network.operations`.
    """

    name: str
    about: str
    choices: tuple[Choice, ...]
    has_operations: bool = False

    def neighbours(self, config: RunConfig) -> Iterator[Changes]:
        """The settings that differ in one choice: the first option of each, and so on.

        Combinations that the settings do not allow are left out.
        """
        options = [
            [(choice.name, value) for value in choice.options(config)]
            for choice in self.choices
        ]
        for row in zip_longest(*options):
            for name, value in filter(None, row):
                if _is_allowed(config, {name: value}):
                    yield {name: value}

    def draw(self, config: RunConfig, rng: np.random.Generator) -> Changes:
        """Random settings: any option of each choice, or the value that it has."""
        return self.choose(config, lambda name, count: int(rng.integers(count)))

    def choose(self, config: RunConfig, place_of: Callable[[str, int], int]) -> Changes:
        """Settings that somebody chooses, choice by choice.

        Choices come in order, so that those that depend on others see them. Options
        that the settings do not allow are left out.

        Args:
            config: The settings that are changed.
            place_of: `(name, count) -> place` among the options of a choice and, as the
                last one, the value that it has.
        """
        found: Changes = {}
        present = config
        for choice in self.choices:
            options = choice.options(present)
            place = place_of(choice.name, len(options) + 1)
            if place == len(options):  # as it is
                continue
            change = {choice.name: options[place]}
            if _is_allowed(present, change):
                found |= change
                present = changed(config, found)
        return found

    def usual(self, config: RunConfig, usual: RunConfig) -> Changes:
        """The choices whose values are not the usual ones, with the usual values."""
        names = [choice.name for choice in self.choices]
        found = {
            name: setting(usual, name)
            for name in names
            if setting(usual, name) != setting(config, name)
        }
        return found if _is_allowed(config, found) else {}


def _is_allowed(config: RunConfig, changes: Changes) -> bool:
    try:
        changed(config, changes)
    except ConfigError:
        return False
    return True
