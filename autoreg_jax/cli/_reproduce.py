"""`autoreg reproduce`: the tables and figures of the paper, on the data at hand."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from autoreg_jax.cli._run_options import Config, Overrides
from autoreg_jax.cli._settings import read_settings
from autoreg_jax.cli._show import show_json, show_line, show_table
from autoreg_jax.errors import ConfigError

Name = Annotated[
    tyro.conf.Positional[
        Literal[
            "figure3",
            "figure4",
            "figure5",
            "table1",
            "table2",
            "table3",
            "table4",
            "table5",
            "table6",
        ]
    ],
    tyro.conf.arg(metavar="NAME"),
]
DataFile = Annotated[Path | None, tyro.conf.arg(metavar="DATASET")]

# What does not fit into 80 columns stands in the files.
_LEFT = ("± models", "NCC", "folding, %", "parameters, M")


@dataclass(frozen=True, kw_only=True)
class Reproduce:
    """Make a table or figure of the paper from runs on your data, or simulated brains.

    table1: cost of search and training. table2: what searching α_F, α_D and λ adds,
    beside random genotypes and a hand-made one. table3: the searched λ. table4: Dice
    where one subject, the atlas, is fixed in all pairs. table5: Dice. table6: seconds
    a pair of 160 x 192 x 224 voxels, beside the networks of the rivals. figure3: α.
    figure4: Dice by structure. figure5: pairs before and after. To compare with rivals
    see `autoreg bench`.

    Each model is a run folder below FOLDER/seedN; a repeated command takes finished
    ones as they are and goes on with the others.

    Examples:
      autoreg reproduce table2 --minutes 20
      autoreg reproduce table2 --data subjects.csv --seeds 5 -o runs/ablation
    """

    name: Name
    """figure3, figure4, figure5 or table1 to table6."""

    data: DataFile = None
    """dataset.csv or its folder; simulated T1-like brains unless given."""

    elsewhere: DataFile = None
    """The data of the model "trained elsewhere"; simulated T2-like brains unless
    given."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = Path(
        "runs/reproduce"
    )
    """Folder for runs, tables and figures."""

    seeds: int = 3
    """Repetitions, each from other weights and pairs."""

    draws: int = 3
    """Random genotypes of table2, for each seed."""

    dimensions: Literal[2, 3] = 2
    """Of simulated brains."""

    minutes: float | None = None
    """Begin no run after them; the same command goes on."""

    scenario: (
        Literal[
            "abide", "adni", "hcp", "knee", "oasis", "ppmi", "t1-t1", "t2-t1", "t2-t2"
        ]
        | None
    ) = None
    """Whose figures of the paper to print beside; for simulated brains t1-t1, in table4
    adni."""

    config: Config = None
    """Settings: a YAML file or the name of a preset; `table2` unless given."""

    overrides: Overrides = ()
    """Single settings, as train.steps=100."""

    json: bool = False
    """Print JSON instead of tables."""

    @property
    def after_interrupt(self) -> str:
        """What to do after Ctrl-C."""
        return "Nothing is lost: the same command goes on."

    def run(self) -> int:
        """Do what is not done yet, and print the table."""
        settings = read_settings(self.config or "table2", self.overrides)
        from autoreg_jax import runtime, studies

        runtime.enable_compilation_cache()
        try:
            protocol = studies.Protocol(
                config=settings,
                dataset=self.data,
                other_dataset=self.elsewhere,
                dimensions=self.dimensions,
                seeds=self.seeds,
                draws=self.draws,
                minutes=self.minutes,
                scenario=self.scenario,
            )
        except ValueError as error:
            raise ConfigError(f"{error}") from None
        found = studies.reproduce(self.name, self.output, protocol)
        if self.json:
            tables = {name: list(t.records) for name, t in found.tables.items()}
            files = {"figures": list(found.figures), "folder": self.output}
            show_json(tables | {"notes": list(found.notes)} | files)
            return 0
        for name, table in found.tables.items():
            shown = table.only(title for title in table.header if title not in _LEFT)
            show_table(name, shown.header, shown.cells)
        for note in found.notes:
            print(note)
        for path in found.figures:
            show_line("figure", path)
        show_line("runs and tables", self.output)
        return 0
