"""`autoreg bench`: this project and its rivals on one dataset, in one table."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autoreg_jax.cli import _options as shared
from autoreg_jax.cli._parser import Verb
from autoreg_jax.cli._printable import printable
from autoreg_jax.cli._show import show_json, show_line, show_table
from autoreg_jax.errors import ConfigError

if TYPE_CHECKING:
    from autoreg_jax.studies import Table

# Columns on a terminal; the others are in the files. The last ones are dropped first.
_SHOWN = ("", "pairs", "Dice", "error, mm", "folding, %")
_EXTRA = ("to AutoReg", "first, s", "later, s")


class Bench(Verb):
    """Compare this project and its rivals on the same pairs.

    Methods: none; autoreg, autoreg_refined (with --model); autoreg_classical
    (without a model, evaluate.refine.steps steps); multipropreg, voxelmorph,
    voxelmorph_basic, voxelmorph_diff (trained here unless in --trained); if
    installed ants_syn, convexadam, elastix, niftyreg, voxelmorph_torch;
    ants_syn.paper, niftyreg.paper (settings of the paper), elastix.fine (more
    iterations). Each runs in its own process; if it fails, its row says why. The
    same command again keeps finished results and continues with the rest.

    Examples:
      autoreg bench subjects.csv --model runs/mine -o runs/bench
      autoreg bench subjects.csv --methods none ants_syn.paper --pairs 12
    """

    usage = "DATASET [options]"
    interrupted = "Nothing is lost: run the same command again to continue."
    renamed = {"--beside": "--other-tasks"}  # noqa: RUF012

    @staticmethod
    def add_options(parser: ArgumentParser) -> None:
        """Data and methods, resources, settings."""
        group = parser.add_argument_group("comparison")
        shared.add_dataset(group, "dataset.csv, or its folder")
        add = group.add_argument
        add(
            "--methods",
            nargs="+",
            default=[],
            metavar="NAME",
            help="methods, see above (default: none, those of --model, multipropreg, "
            "voxelmorph, voxelmorph_diff, ants_syn, elastix, niftyreg)",
        )
        add(
            "--model",
            type=Path,
            metavar="RUN",
            help="run of AutoReg: its network, settings and loss weights",
        )
        add(
            "--pairs",
            type=_number_or_path,
            metavar="N|CSV",
            help="number of pairs (default: evaluate.pairs), or a CSV as for `autoreg "
            "register`",
        )
        add(
            "--init",
            nargs="+",
            default=[],
            metavar="FILE",
            help="all methods begin with these transforms, in the order of autoreg "
            "apply; the column init of a CSV of pairs goes first",
        )
        add(
            "--trained",
            nargs="+",
            default=[],
            metavar="NAME=RUN",
            help="runs of rivals that are already trained, e.g. voxelmorph=runs/vm",
        )
        add(
            "--other-tasks",
            nargs="+",
            default=[],
            metavar="NAME=FOLDER",
            help="finished benches of other tasks, for a table of methods by tasks",
        )
        text = "results, tables and figures (default: runs/bench)"
        default = Path("runs/bench")
        shared.add_output(group, text, default=default, metavar="FOLDER")
        add = parser.add_argument_group("limits of each method").add_argument
        add(
            "--seconds",
            type=float,
            default=3600.0,
            metavar="N",
            help="per pair, with start and compilation (default: 3600)",
        )
        add(
            "--megabytes",
            type=int,
            metavar="N",
            help="memory of third-party programs (default: no limit)",
        )
        add("--threads", type=int, metavar="N", help="processors (default: all)")
        group = parser.add_argument_group("settings")
        default = "those of --model, or preset default"
        shared.add_settings(group, default, "train.steps=100")

    @staticmethod
    def run(options: Namespace) -> int:
        """Do what is not done yet, and print the table."""
        is_number = isinstance(options.pairs, int)
        if is_number:
            options.overrides.append(f"evaluate.pairs={options.pairs}")
        settings = shared.settings_of(options, _default_settings(options.model))
        trained = _named(options.trained, "--trained", "NAME=RUN")
        other_tasks = _named(options.other_tasks, "--other-tasks", "NAME=FOLDER")
        from autoreg_jax import runtime, studies
        from autoreg_jax.studies.bench import Limits, default_methods

        limits = Limits.checked(options.seconds, options.megabytes, options.threads)
        has_model = options.model is not None
        runtime.enable_compilation_cache()
        found = studies.bench(
            options.output,
            studies.BenchProtocol(
                dataset=options.dataset,
                methods=options.methods or default_methods(has_model=has_model),
                config=settings,
                limits=limits,
                model=options.model,
                trained=trained,
                pairs=None if is_number else options.pairs,
                init=options.init,
                other_tasks=other_tasks,
            ),
        )
        tasks = found.tasks
        if options.json:
            content = {"methods": found.table.records, "notes": found.notes}
            files = {"figures": found.figures, "folder": options.output}
            files["tasks"] = [] if tasks is None else tasks.records
            show_json(content | files)
            return 0
        _show(found.table)
        if tasks is not None:
            show_table("tasks", tasks.header, tasks.cells)
        for note in found.notes:
            print(printable(note))
        for path in found.figures:
            show_line("figure", path)
        show_line("results and tables", options.output)
        return 0


def _number_or_path(text: str) -> int | Path:
    try:
        return int(text)
    except ValueError:
        return Path(text)


def _default_settings(model: Path | None) -> str | Path:
    """The settings of the model, if it is a run."""
    from autoreg_jax.runtime import RunFolder

    stored = None if model is None else RunFolder(model).config
    return stored if stored is not None and stored.is_file() else "default"


def _named(words: Sequence[str], option: str, form: str) -> dict[str, Path]:
    """Paths by name from words NAME=PATH.

    Raises:
        ConfigError: If a word has another form, or a name is given twice.
    """
    named: dict[str, Path] = {}
    for word in words:
        name, _, path = word.partition("=")
        if not name or not path:
            raise ConfigError(f"{option} {word}: must be {form}.")
        if name in named:
            raise ConfigError(
                f"{option}: {name} is given twice, {named[name]} and {path}."
            )
        named[name] = Path(path)
    return named


def _show(table: "Table") -> None:
    """Print the columns that fit, then the reasons of unfinished methods."""
    filled = {
        title
        for title, *cells in zip(table.header, *table.cells, strict=True)
        if not title or any(cells)
    }
    shown = table.only(filled.intersection((*_SHOWN, *_EXTRA)))
    show_table("bench", shown.header, shown.cells, drop=_EXTRA)
    for record in table.records:
        if record["failure"]:
            reason = printable(record["failure"])
            print(f"{record['method']} is not finished: {reason}")
