"""`autoreg compare`: hypergradient estimators against one another."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from autoreg_jax.cli._run_options import Config, Overrides
from autoreg_jax.cli._settings import read_settings
from autoreg_jax.cli._show import show_json, show_line, show_table

Problem = Annotated[
    tyro.conf.Positional[Literal["digits", "quadratic", "registration", "ridge"]],
    tyro.conf.arg(metavar="PROBLEM"),
]


@dataclass(frozen=True, kw_only=True)
class Compare:
    """Compare hypergradient estimators: error, cost, and what they lead to.

    Problems: `quadratic` and `ridge` have closed forms; `digits` weighs wrongly
    labelled digits, also from start to end over seeds; `registration` is the supernet
    of a search on simulated brains, with a check whether its hypergradient can be
    trusted.

    Examples:
      autoreg compare digits
      autoreg compare registration --dimensions 3 --set network.width=0.25
    """

    problem: Problem
    """digits, quadratic, registration or ridge."""

    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = (
        None
    )
    """Folder for tables and figures; runs/compare_PROBLEM unless given."""

    only: tuple[str, ...] = ()
    """Beginnings of the names of the estimators, as Neumann; all unless given."""

    seeds: int = 10
    """Seeds of the digits from start to end; 0 leaves that out."""

    outer_steps: int = 400
    """Steps of the weights of the digits."""

    warm_up: int = 60
    """Steps of ω before the last rows of `registration`."""

    dimensions: Literal[2, 3] = 2
    """Of the simulated brains."""

    config: Config = None
    """Settings of `registration`: a YAML file or the name of a preset; `demo` unless
    given."""

    overrides: Overrides = ()
    """Single settings, as network.width=0.5."""

    json: bool = False
    """Print JSON instead of tables."""

    after_interrupt = "The tables that were finished are in the folder."

    def run(self) -> int:
        """Compare, and print the tables."""
        settings = read_settings(self.config or "demo", self.overrides)
        from autoreg_jax import runtime, studies

        runtime.enable_compilation_cache()
        folder = self.output or Path("runs") / f"compare_{self.problem}"
        tables = studies.compare(
            self.problem,
            folder,
            seeds=self.seeds,
            outer_steps=self.outer_steps,
            warm_up=self.warm_up,
            dimensions=self.dimensions,
            config=settings,
            only=self.only,
        )
        if self.json:
            shown = {
                name: [row._asdict() for row in rows] for name, rows in tables.items()
            }
            show_json(shown | {"folder": folder})
            return 0
        for name, rows in tables.items():
            if "seed" not in rows[0]._fields:  # those stand in the files
                _show(name, [row._asdict() for row in rows])
        show_line("tables and figures", folder)
        return 0


# Title and factor; what does not fit into 80 columns stands in the files.
_COLUMNS = {
    "estimator": ("", 1),
    "product": ("", 1),
    "cosine": ("cosine", 1),
    "relative_error": ("error", 1),
    "sign_agreement": ("signs", 1),
    "response_small": ("step 0.03", 1),
    "response_large": ("step 0.3", 1),
    "kinks": ("kinks", 1),
    "valid_loss": ("loss", 1),
    "test_accuracy": ("accuracy", 1),
    "f1": ("F1", 1),
    "seconds": ("ms", 1e3),
    "compile_seconds": ("compile, s", 1),
    "flops": ("MFLOP", 1e-6),
    "temporary_bytes": ("MB", 1e-6),
}


def _show(name: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print a table, or one for each ω; a standard deviation stands behind its mean."""
    columns = [field for field in _COLUMNS if field in rows[0]]
    header = [_COLUMNS[field][0] for field in columns]
    for weights, group in groupby(rows, key=lambda row: row.get("weights", "")):
        title = f"{name}, {weights}" if weights else name
        cells = [[_cell(row, field) for field in columns] for row in group]
        show_table(title, header, cells)


def _cell(row: dict[str, Any], field: str) -> str:
    value, spread = row[field], row.get(f"{field}_sd")
    if isinstance(value, str):
        return value
    if spread is not None:
        return f"{value:.3f} ± {spread:.3f}"
    value *= _COLUMNS[field][1]
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
