"""`autoreg reproduce`: the tables and figures of the paper, on the data at hand."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from autoreg_jax.cli import _options as shared
from autoreg_jax.cli._parser import Verb
from autoreg_jax.cli._printable import printable
from autoreg_jax.cli._show import show_json, show_line, show_table
from autoreg_jax.errors import ConfigError

# Help must load nothing heavy, so these names are not read from `studies`.
NAMES = (
    *("figure3", "figure4", "figure5", "search-study"),
    *("table1", "table2", "table3", "table4", "table5", "table6"),
)
SCENARIOS = (
    *("abide", "adni", "hcp", "knee", "oasis", "ppmi"),
    *("t1-t1", "t2-t1", "t2-t2"),
)
# These columns are in the files only.
_LEFT = ("± models", "NCC", "folding, %", "parameters, M")


class Reproduce(Verb):
    """Make a table or figure of the paper on any data.

    table1   cost of search and training
    table2   effect of searching α_F, α_D and λ, with random and hand-made genotypes
    table3   the searched λ
    table4   Dice with one fixed subject, the atlas, in all pairs
    table5   Dice between any subjects
    table6   seconds per pair of 160 x 192 x 224 voxels, with the rival networks
    figure3  α during the search
    figure4  Dice per structure
    figure5  pairs before and after registration

    search-study: rank correlation between what a search believes of random
    candidates (early scores of a race, α of darts) and their whole trainings.

    Each model is a run folder in FOLDER/seedN. The same command again keeps
    finished runs and continues with the others. For rivals see `autoreg bench`.

    Examples:
      autoreg reproduce table2 --minutes 20
      autoreg reproduce table2 --data subjects.csv --seeds 5 -o runs/ablation
      autoreg reproduce search-study --config default --seeds 2
    """

    usage = "NAME [options]"
    interrupted = "Nothing is lost: run the same command again to continue."
    renamed = {"--elsewhere": "--other-data"}  # noqa: RUF012

    @staticmethod
    def add_options(parser: ArgumentParser) -> None:
        """Experiment, settings."""
        group = parser.add_argument_group("experiment")
        add = group.add_argument
        add("name", choices=NAMES, metavar="NAME", help="table or figure, see above")
        add(
            "--data",
            type=Path,
            metavar="DATASET",
            help="dataset.csv, or its folder (default: simulated T1-like brains)",
        )
        add(
            "--other-data",
            type=Path,
            metavar="DATASET",
            help='data of the model "trained elsewhere" (default: simulated T2-like '
            "brains)",
        )
        text = "folder for runs, tables and figures (default: runs/reproduce)"
        default = Path("runs/reproduce")
        shared.add_output(group, text, default=default, metavar="FOLDER")
        add(
            "--seeds",
            type=int,
            metavar="N",
            default=3,
            help="repetitions with other weights and pairs (default: 3)",
        )
        add(
            "--draws",
            type=int,
            metavar="N",
            help="random genotypes of table2 per seed (default: 3), candidates of "
            "search-study (default: 20)",
        )
        shared.add_dimensions(group, 2)
        text = "start no new run after this time (default: no limit)"
        add("--minutes", type=float, metavar="N", help=text)
        add(
            "--scenario",
            choices=SCENARIOS,
            metavar="NAME",
            help="experiment of the paper to compare with: "
            f"{', '.join(SCENARIOS)} (default for simulated brains: t1-t1, in table4 "
            "adni)",
        )
        group = parser.add_argument_group("settings")
        shared.add_settings(group, "preset table2", "train.steps=100")

    @staticmethod
    def run(options: Namespace) -> int:
        """Do what is not done yet, and print the table."""
        settings = shared.settings_of(options, "table2")
        draws = 20 if options.name == "search-study" else 3
        from autoreg_jax import runtime, studies

        runtime.enable_compilation_cache()
        try:
            protocol = studies.Protocol(
                config=settings,
                dataset=options.data,
                other_dataset=options.other_data,
                dimensions=options.dimensions,
                seeds=options.seeds,
                draws=draws if options.draws is None else options.draws,
                minutes=options.minutes,
                scenario=options.scenario,
            )
        except ValueError as error:
            raise ConfigError(f"{error}") from None
        found = studies.reproduce(options.name, options.output, protocol)
        if options.json:
            tables = {name: list(t.records) for name, t in found.tables.items()}
            files = {"figures": list(found.figures), "folder": options.output}
            show_json(tables | {"notes": list(found.notes)} | files)
            return 0
        for name, table in found.tables.items():
            shown = table.only(title for title in table.header if title not in _LEFT)
            show_table(name, shown.header, shown.cells)
        for note in found.notes:
            print(printable(note))
        for path in found.figures:
            show_line("figure", path)
        show_line("runs and tables", options.output)
        return 0
