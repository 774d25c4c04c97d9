"""`autoreg bench`: this project and its rivals on one data set, in one table."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from autoreg_jax.cli._run_options import Config, Data, Overrides
from autoreg_jax.cli._settings import read_settings
from autoreg_jax.cli._show import show_json, show_line, show_table
from autoreg_jax.errors import ConfigError

if TYPE_CHECKING:
    from autoreg_jax.studies import Table
    from autoreg_jax.studies.bench import Limits

# What fits into 80 columns; the rest stands in the files.
_SHOWN = (
    "",
    "pairs",
    "Dice",
    "error, mm",
    "folding, %",
    "to AutoReg",
    "first, s",
    "later, s",
)
_USUAL = (
    "multipropreg",
    "voxelmorph",
    "voxelmorph_diff",
    "ants_syn",
    "elastix",
    "niftyreg",
)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Register the same pairs with this project and its rivals, and compare.

    Methods: none; autoreg and autoreg_refined (with --model RUN); autoreg_classical,
    the registration without a model, with evaluate.refine.steps; multipropreg,
    voxelmorph, voxelmorph_basic and voxelmorph_diff, trained here on the training split
    with the settings of RUN unless --trained names their run; ants_syn, convexadam,
    elastix, niftyreg and voxelmorph_torch where they are installed, ants_syn.paper and
    niftyreg.paper with the settings of the paper, elastix.fine with more iterations.

    Each method runs in its own process. One that fails has a row that says why; a
    repeated command keeps what is finished and goes on with the rest.

    Examples:
      autoreg bench subjects.csv --model runs/mine -o runs/bench
      autoreg bench subjects.csv --methods none ants_syn.paper --pairs 12
    """

    data: Data
    """dataset.csv or its folder."""

    methods: tuple[str, ...] = ()
    """Names as above; the usual ones unless given."""

    pairs: Annotated[int | Path | None, tyro.conf.arg(metavar="NUMBER|CSV")] = None
    """Number of pairs of the split evaluate.split, by the settings unless given; or a
    CSV that lists them, as for `autoreg register --pairs`."""

    model: Annotated[Path | None, tyro.conf.arg(metavar="RUN")] = None
    """Run of AutoReg: its network, its settings and its weights of the loss."""

    trained: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=RUN ...")] = ()
    """Runs of rivals that are trained already, as voxelmorph=runs/vm."""

    beside: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=FOLDER ...")] = ()
    """Benches of other tasks that are done already: a table of methods by tasks, Table
    V of the paper, is made of this one and them."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = Path(
        "runs/bench"
    )
    """Folder for results, tables and figures."""

    seconds: float = 3600.0
    """Limit of a pair, start of the process and compilation included."""

    megabytes: int | None = None
    """Limit of the address space of programs of others; none unless given."""

    threads: int | None = None
    """Processors of each method; all of this process unless given."""

    config: Config = None
    """Settings: a YAML file or the name of a preset; those of RUN, or `default`."""

    overrides: Overrides = ()
    """Single settings, as train.steps=100."""

    json: bool = False
    """Print JSON instead of the table."""

    after_interrupt = "Nothing is lost: the same command goes on."

    def run(self) -> int:
        """Do what is not done yet, and print the table."""
        words = list(self.overrides)
        if isinstance(self.pairs, int):
            words.append((f"evaluate.pairs={self.pairs}",))
        settings = read_settings(self._source(), words)
        limits = self._limits()
        trained = _named(self.trained, "--trained", "NAME=RUN, as voxelmorph=runs/vm")
        beside = _named(self.beside, "--beside", "NAME=FOLDER, as knee=runs/knee_bench")
        from autoreg_jax import runtime, studies

        runtime.enable_compilation_cache()
        usual = ("none", *(("autoreg", "autoreg_refined") if self.model else ()))
        found = studies.bench(
            self.output,
            studies.BenchProtocol(
                dataset=self.data,
                methods=self.methods or (*usual, *_USUAL),
                config=settings,
                limits=limits,
                model=self.model,
                trained=trained,
                pairs=self.pairs if isinstance(self.pairs, Path) else None,
                other_tasks=beside,
            ),
        )
        tasks = found.tasks
        if self.json:
            content = {"methods": found.table.records, "notes": found.notes}
            files = {"figures": found.figures, "folder": self.output}
            files["tasks"] = [] if tasks is None else tasks.records
            show_json(content | files)
            return 0
        _show(found.table)
        if tasks is not None:
            show_table("tasks", tasks.header, tasks.cells)
        for note in found.notes:
            print(note)
        for path in found.figures:
            show_line("figure", path)
        show_line("results and tables", self.output)
        return 0

    def _source(self) -> str | Path:
        """Where the settings come from."""
        if self.config is not None:
            return self.config
        from autoreg_jax.runtime import RunFolder

        stored = None if self.model is None else RunFolder(self.model).config
        return stored if stored is not None and stored.is_file() else "default"

    def _limits(self) -> "Limits":
        """The limits of a method, checked."""
        threads = _processors() if self.threads is None else self.threads
        if self.seconds <= 0 or threads < 1:
            raise ConfigError(
                "seconds must be above 0 and threads at least 1, got "
                f"{self.seconds:g} and {threads}."
            )
        if self.megabytes is not None and self.megabytes < 1:
            raise ConfigError(f"megabytes must be at least 1, got {self.megabytes}.")
        from autoreg_jax.studies.bench import Limits

        return Limits(self.seconds, self.megabytes, min(threads, _processors()))


def _processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _named(words: Sequence[str], option: str, form: str) -> dict[str, Path]:
    """Paths by name from words NAME=PATH."""
    named: dict[str, Path] = {}
    for word in words:
        name, sign, path = word.partition("=")
        if not sign or not name or not path:
            raise ConfigError(f"{option} {word}: must be {form}.")
        if name in named:
            raise ConfigError(
                f"{option}: {name} is named twice, {named[name]} and {path}; name one."
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
    shown = table.only(filled.intersection(_SHOWN))
    show_table("bench", shown.header, shown.cells)
    for record in table.records:
        if record["failure"]:
            print(f"{record['method']} is not finished: {record['failure']}")
