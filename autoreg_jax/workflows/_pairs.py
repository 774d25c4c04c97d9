"""The pairs of a run: who may be moving or fixed, samplers, batches of a stage."""

import logging
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from autoreg_jax.config import PairsConfig, RunConfig
from autoreg_jax.data import Cohort, PairSampler, evaluation_pairs
from autoreg_jax.errors import DataError
from autoreg_jax.programs import Stage, gather_pairs
from autoreg_jax.runtime import Placement
from autoreg_jax.workflows._images import SplitImages, split_images

logger = logging.getLogger(__name__)

# Pairs of an evaluation that nobody has listed or counted.
_USUAL = 20


class Roles(NamedTuple):
    """Indices of the subjects that may be moving and of those that may be fixed.

    Both of a pair are of one of the `groups`, a number for each subject; None: any two.
    With `pairs` these are the only ones, and all of them are as the others say.
    """

    moving: tuple[int, ...]
    fixed: tuple[int, ...]
    groups: tuple[int, ...] | None = None
    pairs: tuple[tuple[int, int], ...] | None = None


def roles_of(cohort: Cohort, pairs: PairsConfig) -> Roles:
    """The roles of the subjects of a split, loaded with the atlas if there is one.

    The atlas is a property of the run and not of the data, so that one dataset.csv
    serves image-to-atlas and image-to-image registration. Of listed pairs those are
    left that are as `pairs` asks.

    Raises:
        DataError: If there is no pair of two subjects, or their landmarks correspond
            within a person alone and pairs of others are asked for.
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
    groups = _groups_of(cohort, pairs)

    def is_pair(one: int, other: int) -> bool:
        return one != other and (groups is None or groups[one] == groups[other])

    if cohort.pairs is not None:
        sides = {*moving}, {*fixed}
        listed = tuple(
            (one, other)
            for one, other in cohort.pairs
            if one in sides[0] and other in sides[1] and is_pair(one, other)
        )
        if listed:
            return Roles(moving, fixed, groups, listed)
    elif any(is_pair(one, other) for one in moving for other in fixed):
        return Roles(moving, fixed, groups)
    raise _no_pair(cohort, pairs, groups)


def _groups_of(cohort: Cohort, pairs: PairsConfig) -> tuple[int, ...] | None:
    """A number for each person, if both images of a pair must show the same one."""
    if pairs.within is None:
        if cohort.landmark_groups is not None and cohort.pairs is None:
            raise DataError(
                f"the landmarks of the subjects {cohort.names[0]} to "
                f"{cohort.names[-1]} have the same names within a person alone; set "
                "pairs.within=person, list the pairs (pairs.list), or give "
                "corresponding landmarks the same names."
            )
        return None
    given = cohort.people or cohort.names
    people = [one or name for one, name in zip(given, cohort.names, strict=True)]
    number = {name: place for place, name in enumerate(dict.fromkeys(people))}
    return tuple(number[name] for name in people)


def _no_pair(
    cohort: Cohort, pairs: PairsConfig, groups: tuple[int, ...] | None
) -> DataError:
    """The error of a split in which no two subjects are a pair."""
    names = cohort.names
    if len(names) == 1:
        return DataError(
            f"a pair needs two subjects, and {names[0]} is the only one of its "
            "split; give it another subject, in the column 'split' of the dataset CSV."
        )
    if groups is not None and len(set(groups)) == len(names):
        return DataError(
            f"pairs.within=person: no two of the subjects {names[0]} to {names[-1]} "
            "are known to show one person, neither by the column 'person' of the "
            "dataset CSV nor, beyond doubt, by names and folders such as anna_2019 or "
            "anna/followup; add the column."
        )
    asked = ", ".join(
        f"pairs.{name}={value}" for name, value in vars(pairs).items() if value
    )
    kinds = ", ".join(sorted({str(one) for one in cohort.modalities or (None,)}))
    return DataError(
        f"no pair of the subjects {names[0]} to {names[-1]} matches "
        f"{asked}; their modalities are {kinds}. Correct the setting, or the columns "
        "'subject', 'modality' and 'person' of the dataset CSV."
    )


def warn_of_unpaired(cohort: Cohort, roles: Roles) -> None:
    """Warn of listed pairs, and of images of a person, that are not used."""
    if cohort.pairs is not None:
        used = {*(roles.pairs or ())}
        left_out = [pair for pair in cohort.pairs if pair not in used]
        if left_out:
            logger.warning(
                "%d of %d listed pairs are not used, such as %s to %s: the other "
                "settings of `pairs` exclude them.",
                len(left_out),
                len(cohort.pairs),
                *(cohort.names[one] for one in left_out[0]),
            )
        return
    if roles.groups is None:
        return
    pairs = {
        (moving, fixed)
        for moving in roles.moving
        for fixed in roles.fixed
        if moving != fixed and roles.groups[moving] == roles.groups[fixed]
    }
    used = {one for pair in pairs for one in pair}
    unused = [name for one, name in enumerate(cohort.names) if one not in used]
    if unused:
        logger.warning(
            "pairs.within: %d of %d images are in no pair, such as %s: no other image "
            "of that person is in the split or has the other role.",
            len(unused),
            len(cohort.names),
            unused[0],
        )


def pair_sampler(
    count: int, roles: Roles, origin: tuple[int, int, int], batch_size: int = 1
) -> PairSampler:
    """Random pairs of `count` subjects; `origin`: the seed, the stream and the use."""
    seed = int(np.random.SeedSequence(origin).generate_state(1)[0])
    return PairSampler(count, batch_size=batch_size, seed=seed, **roles._asdict())


def pair_names(cohort: Cohort, pairs: Any, most: int = 3) -> str:
    """The pairs of a batch by the names of their subjects, for messages."""
    names = [
        f"{cohort.names[moving]} to {cohort.names[fixed]}"
        for moving, fixed in zip(*pairs, strict=True)
    ]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"pair {', '.join(names[:most])}{more}"


def scored_pairs(
    cohort: Cohort, config: RunConfig, count: int | None
) -> list[tuple[int, int]]:
    """Moving and fixed subject of the pairs on which results are compared.

    At most `count`; None: all that are listed, or else 20.
    """
    roles = roles_of(cohort, config.pairs)
    if count is None:
        count = _USUAL if roles.pairs is None else len(roles.pairs)
    return evaluation_pairs(len(cohort.names), count, config.seed, **roles._asdict())


@dataclass(frozen=True)
class SearchData:
    """The training and validation pairs of one kind of stage.

    Validation images have labels or landmarks if λ is chosen by them; of the labels,
    `num_structures` are foreground classes, and `has_background` adds the background.
    Training images have labels, `train_structures` classes, if the loss compares them.
    """

    train: SplitImages
    valid: SplitImages
    train_roles: Roles
    valid_roles: Roles
    num_structures: int = 0
    has_background: bool = False
    train_structures: int = 0

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return len(self.train.shape) - 2

    def samplers(self, stage: Stage, seed: int) -> tuple[PairSampler, PairSampler]:
        """The training pairs and the validation pairs of the steps of a stage."""
        origin, settings = (seed, stage.stream), stage.settings
        train = self.train.shape[0], self.train_roles, (*origin, 0)
        valid = self.valid.shape[0], self.valid_roles, (*origin, 1)
        return (
            pair_sampler(*train, settings.train_pairs),
            pair_sampler(*valid, settings.valid_pairs),
        )

    def valid_batch(self, pairs: Any, lam: Any = None) -> Any:
        """One pair, or a tuple of batches if there are several pairs."""
        return gather_pairs(
            *self.valid.of_pairs(pairs),
            self.num_structures,
            has_background=self.has_background,
            lam=lam,
        )


def search_data(
    train: Cohort,
    validation: Cohort,
    config: RunConfig,
    devices: Placement,
) -> tuple[SearchData, SearchData]:
    """The data of the stages of α, smaller images, and those of the stages of λ."""
    extra = config.objective.extra
    images = split_images(
        train,
        config,
        devices,
        with_labels=extra.dice is not None,
        with_landmarks=extra.landmarks is not None,
    )
    judges = split_images(
        validation,
        config,
        devices,
        with_labels=config.search.judge == "dice",
        with_landmarks=config.search.judge == "landmarks",
    )
    roles = roles_of(train, config.pairs), roles_of(validation, config.pairs)
    whole = SearchData(
        images,
        judges,
        *roles,
        num_structures=len(validation.structures),
        has_background=config.quirks.background_dice,
        train_structures=len(train.structures),
    )
    shrink = config.search.shrink
    return SearchData(images.smaller(shrink), judges.smaller(shrink), *roles), whole
