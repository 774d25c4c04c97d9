"""Settings of the loss, the pairs and the evaluation."""

import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from autoreg_jax.config._range import check_choice, check_range
from autoreg_jax.errors import ConfigError

Interpolation = Literal["linear", "cubic"]


@dataclass(frozen=True, kw_only=True)
class PairsConfig:
    """Which subjects may be moving or fixed; by default any pair is allowed."""

    fixed: str | None = None
    """Name of the subject that is fixed in every pair, e.g. an atlas; null: any. It may
    be in any split of the dataset and is used for all of them."""

    moving_modality: str | None = None
    """Modality of the moving images, as in the column `modality` (case is ignored);
    null: any."""

    fixed_modality: str | None = None
    """Modality of the fixed images; null: any."""

    within: str | None = None
    """`person`: both images show the same person, at two times or in two modalities;
    null: any two images. The column `person` says who an image shows; without it, its
    name or folder does where they leave no doubt, as in `sub-01_ses-1_T1w`, `anna_t2`,
    `anna_2019` or `anna/followup`. The plan says who was taken for whom."""

    list: str | None = None
    """CSV file of the pairs, the only ones for search, training and evaluation: columns
    `fixed` and `moving`, subjects or image files of the dataset, and `split` where the
    dataset gives none. The other settings of `pairs` leave out some of them. null: any
    pair."""

    def __post_init__(self) -> None:
        if self.list is not None:
            if not self.list:
                raise ConfigError("list: must name a CSV file, or be null, got ''.")
            # So that it is the same file where the run is continued.
            place = Path(self.list).expanduser().absolute()
            object.__setattr__(self, "list", str(place))
            if self.fixed is not None:
                raise ConfigError(
                    f"fixed: {self.fixed!r} is to be fixed for all, but list says "
                    "which image is fixed in each pair; set one of them to null."
                )
        if self.within is None:
            return
        check_choice(self, "within", ("person",))
        if self.fixed is not None:
            raise ConfigError(
                f"fixed: {self.fixed!r} is to be fixed for all, but within asks for "
                "two images of one person; set one of them to null."
            )


@dataclass(frozen=True, kw_only=True)
class ExtraTermsConfig:
    """Initial weights of further loss terms (>= 0); null leaves a term out.

    They are searched together with the four weights of Eq. (4). A step changes a weight
    in proportion to its size, but at least by a thousandth, so a weight that starts at
    0 grows slowly.
    """

    ncc_full: float | None = None
    """Negative local correlation at full resolution, whatever `similarity` is."""

    ncc_half: float | None = None
    """Negative local correlation at half resolution."""

    ncc_quarter: float | None = None
    """Negative local correlation at quarter resolution."""

    mind_full: float | None = None
    """Difference of MIND descriptors at full resolution."""

    mind_half: float | None = None
    """Difference of MIND descriptors at half resolution."""

    mind_quarter: float | None = None
    """Difference of MIND descriptors at quarter resolution."""

    eighth: float | None = None
    """`similarity` at an eighth of the resolution, by the displacement of that scale of
    the network, or by that of a quarter if the network or the image has none there."""

    sixteenth: float | None = None
    """`similarity` at a sixteenth of the resolution, likewise."""

    bending: float | None = None
    """Bending energy of the displacement; zero for affine displacements."""

    folding: float | None = None
    """Soft fraction of folded voxels."""

    dice: float | None = None
    """One minus the mean Dice of the label maps, warped linearly, over the structures
    that both images have. The training subjects need label maps. Not used while α is
    searched."""

    landmarks: float | None = None
    """Mean distance of corresponding landmarks, voxels of the working grid. The
    training subjects need landmarks. Not used while α is searched."""

    inverse_consistency: float | None = None
    """Mean squared length of the map there and back, voxels²; needs
    `train.directions: both`. Constant: λ is searched in one direction."""

    def __post_init__(self) -> None:
        check_range(self, *vars(self), at_least=0)


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """Unsupervised loss, Eq. (4), with the initial values of λ."""

    similarity: str = "ncc"
    """Name of a similarity: `ncc` for images of the same contrast, `mind` for different
    contrasts."""

    windows: tuple[int, int, int] = (9, 7, 5)
    """Width of the NCC window at full, half and quarter resolution, voxels (odd)."""

    interpolation: Interpolation = "linear"
    """Interpolation of the moving image in the loss. `cubic` is smooth at the voxels
    but slower. Results are always interpolated linearly."""

    full: float = 10.0
    """λ1, weight of the similarity at full resolution (>= 0)."""

    smooth: float = 15.0
    """λ2, weight of the smoothness of the displacement (>= 0)."""

    half: float = 3.2
    """λ3, weight of the similarity at half resolution (>= 0)."""

    quarter: float = 0.8
    """λ4, weight of the similarity at quarter resolution (>= 0)."""

    extra: ExtraTermsConfig = field(default_factory=ExtraTermsConfig)
    """Initial weights of further terms."""

    def __post_init__(self) -> None:
        check_choice(self, "interpolation", typing.get_args(Interpolation))
        check_range(self, "full", "smooth", "half", "quarter", at_least=0)
        if any(width < 1 or width % 2 == 0 for width in self.windows):
            raise ConfigError(
                f"windows: must be odd and >= 1, got {list(self.windows)}."
            )


@dataclass(frozen=True, kw_only=True)
class RefineSearchConfig:
    """Search of the smoothness of the refinement behind the training.

    Each move follows the derivative of `search.judge` on validation pairs by the
    logarithm of the weight, by implicit differentiation at the minimum of each pair.
    Other validation pairs, `search.judge_pairs`, are then refined with the weight that
    was found and with that of the training; it is used if it is better beyond doubt.
    A finished training gets one by `autoreg train RUN --resume --set
    evaluate.refine.search.moves=4`.
    """

    moves: int = 0
    """Most moves of the weight (>= 0; 0: it stays in proportion to λ); fewer if the
    derivative is within its standard error over the pairs."""

    pairs: int = 8
    """Validation pairs of a move (>= 2)."""

    step: float = 0.5
    """Length of the first move, in the logarithm of the weight (> 0); later ones are in
    proportion to the derivative, divided by its root mean square so far."""

    steps: int = 200
    """Gradient steps at each of three learning rates to the minimum of a pair (>= 1).
    Pairs that are not at a minimum then are left out."""

    def __post_init__(self) -> None:
        check_range(self, "moves", at_least=0)
        check_range(self, "pairs", at_least=2)
        check_range(self, "step", above=0)
        check_range(self, "steps", at_least=1)


@dataclass(frozen=True, kw_only=True)
class RefineConfig:
    """Optimisation of the displacement of each pair, starting from the network's."""

    steps: int = 100
    """Largest number of gradient steps at half resolution (>= 0; 0: no refinement);
    full resolution takes a third."""

    learning_rate: float = 0.2
    """Adam's learning rate of the velocity, voxels of half resolution a step (> 0)."""

    search: RefineSearchConfig = field(default_factory=RefineSearchConfig)
    """Search of its smoothness; none by default."""

    def __post_init__(self) -> None:
        check_range(self, "steps", at_least=0)
        check_range(self, "learning_rate", above=0)
        if self.search.moves and not self.steps:
            raise ConfigError(
                f"search.moves: is {self.search.moves}, but steps is 0, and nothing is "
                "refined; set steps to 100, or search.moves to 0."
            )


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Evaluation on pairs that neither search nor training has seen."""

    pairs: int | None = None
    """Most pairs to register, spread evenly over the subjects (>= 1); null: 20, or all
    that are listed (`pairs.list`)."""

    split: str = "test"
    """Split of the dataset with these pairs: train, validation or test."""

    refine: RefineConfig = field(default_factory=RefineConfig)
    """Refinement of each pair, reported next to the network alone."""

    def __post_init__(self) -> None:
        check_range(self, "pairs", at_least=1)
        check_choice(self, "split", ("train", "validation", "test"))
