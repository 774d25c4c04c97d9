"""What a trained network is told about the loss under which it registers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from autoreg_jax.errors import ConfigError

# Of the logarithm of a factor: 1/3 is not the inverse of 3 to the last bit.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Conditions:
    """Terms of the loss whose weights a network is told.

    It is told the logarithm of the factor of each weight on that of its training, so
    that zeros stand for λ.

    Attributes:
        terms: Their names, one or more, in the order in which it is told.
        range: Largest factor, and the inverse of the smallest one (> 1).

    Raises:
        ConfigError: If there is no term, one is named twice, or the range is not above
            1.

    Examples:
        >>> Conditions(("smooth", "half"), 10.0).told({"smooth": 1.0})
        (0.0, 0.0)
    """

    terms: tuple[str, ...]
    range: float = 10.0

    def __post_init__(self) -> None:
        """Check both."""
        if not self.terms or len({*self.terms}) < len(self.terms):
            raise ConfigError(
                "conditions: must be one or more different terms, got "
                f"{list(self.terms)}."
            )
        if not 1 < self.range < math.inf:
            raise ConfigError(
                f"condition_range: must be a factor above 1, got {self.range:g}."
            )

    @property
    def reach(self) -> float:
        """Largest distance of a log ratio from that of λ."""
        return math.log(self.range)

    def told(self, factors: Mapping[str, float]) -> tuple[float, ...]:
        """What the network is told.

        Args:
            factors: On the weights of terms; 1 for those that are not named.

        Returns:
            Logarithms of the factors, one for each term.

        Raises:
            ConfigError: If a term is none of these, or a factor is out of range.
        """
        for name, factor in factors.items():
            if name not in self.terms:
                raise ConfigError(
                    f"{name}: the network is told other weights alone, those of "
                    f"{', '.join(self.terms)}."
                )
            is_in = 0 < factor < math.inf
            if not is_in or abs(math.log(factor)) > (1 + _ROUNDING) * self.reach:
                raise ConfigError(
                    f"the factor on {name} must be from {1 / self.range:.3g} to "
                    f"{self.range:.3g}, for which the model was trained, got "
                    f"{factor:g}; choose one of these, or train a model with a larger "
                    "network.condition_range."
                )
        return tuple(math.log(factors.get(name, 1.0)) for name in self.terms)
