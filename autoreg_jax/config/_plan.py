"""The plan of a run: choices derived from its data, readable and editable."""

import dataclasses
import math
import textwrap
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import yaml

from autoreg_jax.config._range import check_choice, check_range
from autoreg_jax.config._registration_network import Precision
from autoreg_jax.config._yaml import build, parse, plain
from autoreg_jax.errors import ConfigError

Affine = Literal["none", "rigid", "affine"]
Rule = Literal["percentile", "window"]
_WIDTH = 80


@dataclass(frozen=True, kw_only=True)
class GridConfig:
    """The grid to which all images are resampled."""

    shape: tuple[int, ...]
    """Voxels along each axis (>= 4, any number)."""

    spacing: tuple[float, ...]
    """Voxel size along each axis, mm (> 0)."""

    orientation: str
    """Directions of the axes, e.g. RAS."""

    centre: tuple[float, float, float]
    """World position of the centre, mm along R, A, S."""

    def __post_init__(self) -> None:
        if len(self.shape) not in (2, 3) or min(self.shape) < 4:
            raise ConfigError(
                "shape: must be two or three numbers of voxels, 4 or more, got "
                f"{list(self.shape)}."
            )
        if len(self.spacing) != len(self.shape) or not all(
            0 < size < math.inf for size in self.spacing
        ):
            raise ConfigError(
                f"spacing: must be {len(self.shape)} sizes in mm above 0, as many as "
                f"shape has, got {list(self.spacing)}."
            )
        if not all(map(math.isfinite, self.centre)):
            raise ConfigError(
                f"centre: must be three finite numbers, mm, got {list(self.centre)}."
            )


@dataclass(frozen=True)
class Intensity:
    """Scaling of grey values to [0, 1]."""

    rule: Rule = "percentile"
    """`percentile`: by the percentiles of each image; `window`: by the same grey values
    in all images, e.g. Hounsfield units."""

    low: float = 0.5
    """Percentile or grey value that becomes 0."""

    high: float = 99.5
    """Percentile, of the voxels brighter than `low`, or grey value that becomes 1
    (> low). So a large empty background does not decide where white is."""

    def __post_init__(self) -> None:
        check_choice(self, "rule", typing.get_args(Rule))
        if self.rule == "percentile":
            check_range(self, "low", "high", at_least=0)
        if not self.low < self.high or (self.rule == "percentile" and self.high > 100):
            raise ConfigError(
                "high: must be above low, and a percentile at most 100, got "
                f"{self.low:g} and {self.high:g}."
            )


@dataclass(frozen=True, kw_only=True)
class PlanConfig:
    """How a run uses its data. The plan overrides config.yaml."""

    dataset: str
    """The dataset, relative to the folder of the plan."""

    reference: str
    """Subject that defines the axes and the position of the grid."""

    grid: GridConfig
    """Working grid."""

    intensity: Intensity = field(default_factory=Intensity)
    """Scaling of grey values."""

    masks: bool = True
    """Set voxels outside of a mask, if there is one, to background."""

    metric: str = "ncc"
    """Similarity of two images: `ncc` or `mind`."""

    affine: Affine = "none"
    """Alignment before the deformable registration."""

    batch: int = 1
    """Pairs per training step (>= 1)."""

    precision: Precision = "float32"
    """Data type of the convolutions."""

    def __post_init__(self) -> None:
        check_choice(self, "affine", typing.get_args(Affine))
        check_choice(self, "precision", typing.get_args(Precision))
        check_range(self, "batch", at_least=1)


def load_plan(path: Path) -> PlanConfig:
    """Read a plan.

    Args:
        path: plan.yaml.

    Returns:
        The checked plan.

    Raises:
        ConfigError: If the file is missing or not valid YAML, or if a key is unknown,
            missing, duplicate, of the wrong type or out of range.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: cannot be read as text ({error}); create it again "
            "with `autoreg plan`."
        ) from None
    return build(PlanConfig, parse(text, str(path)), None, str(path))


def dump_plan(plan: PlanConfig, reasons: Mapping[str, str], head: str) -> str:
    """A plan as YAML, with the reason for each choice above it.

    Args:
        plan: The plan.
        reasons: Sentences by name of field.
        head: Comment at the top; an empty line separates paragraphs.

    Returns:
        The text.
    """
    parts = ["\n#\n".join(_comment(part) for part in head.split("\n\n"))]
    for entry in dataclasses.fields(plan):
        value = plain(getattr(plan, entry.name))
        if isinstance(value, dict):
            lines = [f"  {key}: {_inline(value[key])}" for key in value]
            text = "\n".join([f"{entry.name}:", *lines])
        else:
            text = f"{entry.name}: {_inline(value)}"
        reason = reasons.get(entry.name)
        parts.append(f"{_comment(reason)}\n{text}" if reason else text)
    return "\n\n".join(parts) + "\n"


def _inline(value: object) -> str:
    """A scalar or a list on one line."""
    text = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, width=10**6
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _comment(text: str) -> str:
    # A name may hold any character; a comment ends with its line.
    printable = "".join(c if c.isprintable() else " " for c in text)
    return textwrap.fill(printable, _WIDTH, initial_indent="# ", subsequent_indent="# ")
