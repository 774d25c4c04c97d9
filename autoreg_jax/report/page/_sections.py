"""What a section of the page consists of."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from autoreg_jax.report._architecture import CellRow, WeightRow
from autoreg_jax.report._smoothness import FrontRow
from autoreg_jax.report._style import to_data_uri
from autoreg_jax.report._trials import TrialRow
from autoreg_jax.report.page._frames import Player
from autoreg_jax.report.page._trust import TrustRow
from autoreg_jax.report.slices import SlicePictures


@dataclass(frozen=True)
class Picture:
    """An encoded figure with its caption; `title` may be empty."""

    source: str
    caption: str
    title: str = ""


@dataclass(frozen=True)
class Section:
    """One section of the page: pictures and tables, or why there are none.

    Attributes:
        title: Heading.
        pictures: Figures, in order.
        missing: Sentence on what is absent, or empty.
        guide: How to read the pictures, or empty.
        sentence: Conclusion from the pictures, or empty.
        cells: Chosen operations.
        hint: What is written below a table.
        weights: Loss weights at start and end.
        similarity: Name of the similarity measure, or empty.
        trials: Settings that were tried.
        front: Scores under several weights of the smoothness.
        slices: Slices of a pair to look at closely.
        slices_title: Which pair that is.
        trust: The trust of each evaluated pair.
        players: What changes with the step of a search.
    """

    title: str
    pictures: Sequence[Picture] = ()
    missing: str = ""
    guide: str = ""
    sentence: str = ""
    cells: Sequence[CellRow] = ()
    hint: str = ""
    weights: Sequence[WeightRow] = ()
    similarity: str = ""
    trials: Sequence[TrialRow] = ()
    front: Sequence[FrontRow] = ()
    slices: Sequence[SlicePictures] = ()
    slices_title: str = ""
    trust: Sequence[TrustRow] = ()
    players: Sequence[Player] = ()


def number(value: float | None, digits: int) -> str:
    """Format a number; a dash for none, never zero for a tiny one."""
    if value is None or math.isnan(value):
        return "–"
    if value == 0:
        return "0"
    if abs(value) < 0.5 * 10**-digits:
        return f"{value:.1e}"
    return f"{value:.{digits}f}"


def picture(figure: Figure, caption: str, title: str = "") -> Picture:
    """Encode a figure for the page."""
    return Picture(to_data_uri(figure), caption, title)
