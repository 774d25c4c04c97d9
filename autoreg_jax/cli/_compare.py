"""`autoreg compare`: hypergradient estimators against one another."""

from collections.abc import Mapping, Sequence
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
            shown = {name: list(table.records) for name, table in tables.items()}
            show_json(shown | {"folder": folder})
            return 0
        for name, table in tables.items():
            if "seed" not in table.records[0]:  # those are in the files
                _show(name, table.records)
        show_line("tables and figures", folder)
        return 0


def _show(name: str, records: Sequence[Mapping[str, Any]]) -> None:
    """Print a table, or one for each ω."""
    from autoreg_jax.studies import Table
    from autoreg_jax.studies.compare import COLUMNS

    columns = [column for column in COLUMNS if column.field in records[0]]
    for weights, group in groupby(records, key=lambda one: one.get("weights", "")):
        table = Table(list(group), columns)
        title = f"{name}, {weights}" if weights else name
        show_table(title, table.header, table.cells)
