"""The course of a search, step by step, for the player of the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autoreg_jax.report._architecture import probabilities
from autoreg_jax.report._words import CELLS, SCALES, STAGES, WEIGHTS

Records = Sequence[Mapping[str, Any]]

# Enough to see a movement; more would only enlarge the page.
_MAX_FRAMES = 60


@dataclass(frozen=True)
class Player:
    """What a player shows: a table whose numbers change with the step.

    Attributes:
        name: What it shows, for those who hear the page.
        columns: Header of each column after the first.
        rows: Header of each row.
        steps: What is written for each frame.
        frames: For each frame the values of all cells, row after row.
        full: The value at which a cell is filled, one for each row.
        unit: What follows each value.
        digits: Digits after the point.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    steps: tuple[str, ...]
    frames: tuple[tuple[float | None, ...], ...]
    full: tuple[float, ...]
    unit: str = ""
    digits: int = 3

    @property
    def data(self) -> dict[str, Any]:
        """What the script of the page reads."""
        names = ("steps", "frames", "full", "unit", "digits")
        return {name: getattr(self, name) for name in names} | {
            "columns": len(self.columns)
        }


def lambda_player(records: Records) -> Player | None:
    """The loss weights over their search; None if there are fewer than two steps."""
    found = [r for r in records if r.get("stage") == "lam" and r.get("lam")]
    if len(found) < 2:
        return None
    names = list(found[0]["lam"])
    table = np.array([[_number(r["lam"].get(n)) for n in names] for r in found])
    chosen = _spread(len(found))
    return Player(
        "Loss weights, step by step",
        ("Weight now",),
        tuple(WEIGHTS.get(name) or name for name in names),
        tuple(_step(found[i]) for i in chosen),
        tuple(_rounded(table[i], 4) for i in chosen),
        tuple(max(float(x), 1e-12) for x in np.nanmax(np.abs(table), axis=0)),
    )


def alpha_players(records: Records, operations: Sequence[str]) -> list[Player]:
    """The probabilities of the operations over the search, a player for each kind.

    Args:
        records: Lines of `metrics.jsonl`.
        operations: Those that α weighs, in the order of its last axis.
    """
    found = [r for r in records if all(k in (r.get("alpha") or {}) for k in CELLS)]
    players = []
    for kind, words in CELLS.items():
        maps = [probabilities(record["alpha"][kind]) for record in found]
        # A kind that is not searched stands still.
        if not any(np.any(one != maps[0]) for one in maps[1:]):
            continue
        scales, edges, _ = maps[0].shape
        scale_names = list(SCALES.values())[:scales]
        columns = [f"{s}, edge {1 + e}" for s in scale_names for e in range(edges)]
        chosen = _spread(len(found))
        frames = [100 * maps[i].reshape(-1, len(operations)).T.ravel() for i in chosen]
        largest = max(float(one.max()) for one in frames)
        players.append(
            Player(
                f"{words}, step by step",
                tuple(columns),
                tuple(name.replace("_", " ") for name in operations),
                tuple(_step(found[i]) for i in chosen),
                tuple(_rounded(one, 1) for one in frames),
                (largest,) * len(operations),
                " %",
                1,
            )
        )
    return players


def _spread(count: int) -> list[int]:
    """Places of the frames that are kept, the first and the last among them."""
    kept = min(count, _MAX_FRAMES)
    return sorted({round(x) for x in np.linspace(0, count - 1, kept).tolist()})


def _step(record: Mapping[str, Any]) -> str:
    stage = record.get("stage", "")
    return f"{STAGES.get(stage, stage)}, step {record.get('step', 0)}"


def _number(value: Any) -> float:
    return np.nan if value is None else float(value)


def _rounded(values: np.ndarray, digits: int) -> tuple[float | None, ...]:
    """Values for JSON, which knows no NaN."""
    return tuple(
        round(value, digits) if np.isfinite(value) else None
        for value in values.tolist()
    )
