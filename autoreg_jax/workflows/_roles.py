"""The subjects of a split that may be moving, and those that may be fixed."""

from typing import NamedTuple

from autoreg_jax.config import PairsConfig
from autoreg_jax.data import Cohort
from autoreg_jax.errors import DataError


class Roles(NamedTuple):
    """Indices of subjects, the arguments of the same names of `data.PairSampler`.

    Attributes:
        moving: Subjects that may be moving.
        fixed: Subjects that may be fixed.
    """

    moving: tuple[int, ...]
    fixed: tuple[int, ...]


def roles_of(cohort: Cohort, pairs: PairsConfig) -> Roles:
    """The roles of the subjects; by default each has both.

    The atlas is a property of the run and not of the data, so that one dataset.csv
    serves image-to-atlas and image-to-image registration.

    Args:
        cohort: A split, loaded with the atlas if there is one.
        pairs: Settings of the pairs.

    Returns:
        At least one pair of different subjects.

    Raises:
        DataError: If there is no such pair.
    """
    everyone = range(len(cohort.names))
    modalities = cohort.modalities or (None,) * len(cohort.names)

    def of_modality(wanted: str | None) -> tuple[int, ...]:
        return tuple(
            index
            for index in everyone
            if wanted is None or (modalities[index] or "").lower() == wanted.lower()
        )

    moving, fixed = map(of_modality, (pairs.moving_modality, pairs.fixed_modality))
    if pairs.fixed is not None:
        fixed = tuple(i for i in fixed if cohort.names[i] == pairs.fixed)
        moving = tuple(i for i in moving if cohort.names[i] != pairs.fixed)
    if any(one != other for one in moving for other in fixed):
        return Roles(moving, fixed)
    asked = ", ".join(
        f"pairs.{name}={value}" for name, value in vars(pairs).items() if value
    )
    kinds = ", ".join(sorted({str(modality) for modality in modalities}))
    raise DataError(
        f"no pair of the subjects {cohort.names[0]} to {cohort.names[-1]} matches "
        f"{asked}; their modalities are {kinds}. Correct the setting, or the columns "
        "'subject' and 'modality' of the dataset CSV."
    )
