"""`autoreg compare`: hypergradient estimators against one another."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from autoreg_jax.cli import _options as shared
from autoreg_jax.cli._parser import Verb
from autoreg_jax.cli._show import show_json, show_line, show_table


class Compare(Verb):
    """Compare hypergradient estimators: error, cost, and results.

    Problems: `quadratic` and `ridge` have closed forms; `digits` is the cleaning of
    wrongly labelled digits, at one point and over whole optimisations;
    `registration` is the supernet of a search on simulated brains, with a check
    whether its hypergradient can be trusted.

    Examples:
      autoreg compare digits
      autoreg compare registration --dimensions 3 --set network.width=0.25
    """

    usage = "PROBLEM [options]"
    interrupted = "The finished tables are in the folder."

    @staticmethod
    def add_options(parser: ArgumentParser) -> None:
        """Comparison, digits, registration."""
        add = parser.add_argument_group("comparison").add_argument
        add(
            "problem",
            choices=("digits", "quadratic", "registration", "ridge"),
            metavar="PROBLEM",
            help="digits, quadratic, registration or ridge",
        )
        add(
            "--only",
            nargs="+",
            default=[],
            metavar="PREFIX",
            help="prefixes of the names of estimators, e.g. Neumann (default: all)",
        )
        add(
            "-o",
            "--output",
            type=Path,
            metavar="FOLDER",
            help="folder for tables and figures (default: runs/compare_PROBLEM)",
        )
        add = parser.add_argument_group("digits").add_argument
        add(
            "--seeds",
            type=int,
            metavar="N",
            default=10,
            help="seeds of the whole optimisation (default: 10; 0: skip it)",
        )
        add(
            "--outer-steps",
            type=int,
            metavar="N",
            default=400,
            help="steps of the weights of the digits (default: 400)",
        )
        group = parser.add_argument_group("registration")
        group.add_argument(
            "--warm-up",
            type=int,
            metavar="N",
            default=60,
            help="steps of ω before the last rows (default: 60)",
        )
        shared.add_dimensions(group, 2)
        shared.add_settings(group, "preset demo", "network.width=0.5")

    @staticmethod
    def run(options: Namespace) -> int:
        """Compare, and print the tables."""
        settings = shared.settings_of(options, "demo")
        from autoreg_jax import runtime, studies

        runtime.enable_compilation_cache()
        folder = options.output or Path("runs") / f"compare_{options.problem}"
        tables = studies.compare(
            options.problem,
            folder,
            seeds=options.seeds,
            outer_steps=options.outer_steps,
            warm_up=options.warm_up,
            dimensions=options.dimensions,
            config=settings,
            only=options.only,
        )
        if options.json:
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
