"""Which subjects may be moving and which fixed: their settings."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PairsConfig:
    """Roles of the subjects in search, training and evaluation; any pair by default."""

    fixed: str | None = None
    """Name of the one subject that is fixed in every pair, an atlas; null for any. It
    may stand in any split of the data set and serves all of them."""

    moving_modality: str | None = None
    """Moving images are of this modality, as the column `modality` names it, upper and
    lower case alike; null for any."""

    fixed_modality: str | None = None
    """The same for fixed images."""
