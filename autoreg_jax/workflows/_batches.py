"""The pairs of a search: the batches that the steps of a stage take."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort, PairSampler
from autoreg_jax.programs import DeviceCohort, Stage, gather_pair, on_device, shrunk
from autoreg_jax.search import PairBatch
from autoreg_jax.workflows._roles import Roles, roles_of


def sampler_seed(seed: int, stream: int, role: int) -> int:
    """A seed of its own for the pairs of each stage and of each of its roles."""
    return int(np.random.SeedSequence((seed, stream, role)).generate_state(1)[0])


@dataclass(frozen=True)
class SearchData:
    """The training and validation pairs of one kind of stage.

    Attributes:
        train: Training images, without labels.
        valid: Validation images, with labels or landmarks if λ is chosen by them.
        train_roles: Which of the training images may be moving and which fixed.
        valid_roles: Which of the validation images may be moving and which fixed.
        num_structures: Foreground classes of the labels.
        has_background: The background is one more class.
    """

    train: DeviceCohort
    valid: DeviceCohort
    train_roles: Roles
    valid_roles: Roles
    num_structures: int = 0
    has_background: bool = False

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return self.train.images.ndim - 2

    def samplers(self, stage: Stage, seed: int) -> tuple[PairSampler, PairSampler]:
        """The training pairs and the validation pairs of the steps of a stage."""
        sides = (
            (self.train, 1, self.train_roles),
            (self.valid, stage.settings.valid_pairs, self.valid_roles),
        )
        train, valid = (
            PairSampler(
                len(cohort.images),
                batch_size=size,
                seed=sampler_seed(seed, stage.stream, role),
                **roles._asdict(),
            )
            for role, (cohort, size, roles) in enumerate(sides)
        )
        return train, valid

    def train_batch(self, pair: Any, lam: Any = None) -> PairBatch:
        """A pair, moving and fixed index, each in an array; λ for a stage of α."""
        return gather_pair(self.train, pair)._replace(lam=lam)

    def valid_batch(self, pairs: Any, lam: Any = None) -> Any:
        """One pair, or a tuple of batches if there are several pairs."""
        sides = np.stack(pairs)
        batches = [
            gather_pair(
                self.valid,
                tuple(sides[:, [place]]),
                self.num_structures,
                has_background=self.has_background,
            )._replace(lam=lam)
            for place in range(sides.shape[1])
        ]
        return batches[0] if len(batches) == 1 else tuple(batches)


def search_data(
    train: Cohort, validation: Cohort, config: RunConfig
) -> tuple[SearchData, SearchData]:
    """The data of the stages of α, smaller images, and those of the stages of λ.

    Raises:
        DataError: If no pair of the subjects is as `config.pairs` asks.
    """
    images = on_device(train)
    judges = on_device(
        validation,
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
    )
    shrink = config.search.shrink
    return SearchData(shrunk(images, shrink), shrunk(judges, shrink), *roles), whole
