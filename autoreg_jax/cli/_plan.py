"""`autoreg plan`."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from autoreg_jax.cli._run_options import Config, Data, Overrides
from autoreg_jax.cli._settings import read_settings
from autoreg_jax.cli._show import show_json, show_line, show_table

Output = Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="RUN")]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Look at a dataset and decide grid, metric, alignment; a file to read and edit.

    The plan lies in RUN/plan.yaml, says why each choice was made, and is obeyed by
    auto, search, train and evaluate. Without -o it is printed.

    Example:
      autoreg plan subjects.csv -o runs/first
    """

    dataset: Data
    """CSV file `subject,image,labels,split`, Learn2Reg dataset.json, BIDS folder, or a
    folder of scans."""

    output: Output = None
    """Folder of the run to be."""

    config: Config = None
    """Settings: a YAML file or the name of a preset; `default` unless given."""

    overrides: Overrides = ()
    """Single settings, as train.batch_size=2."""

    overwrite: bool = False
    """Move the plan or the run that the folder holds aside."""

    json: bool = False
    """Print JSON, what was measured too."""

    after_interrupt = "Nothing was written."

    def run(self) -> int:
        """Plan, and print what was decided."""
        settings = read_settings(self.config or "default", self.overrides)
        from autoreg_jax import workflows
        from autoreg_jax.runtime import RunFolder

        made = workflows.plan(
            self.dataset, self.output, settings, overwrite=self.overwrite
        )
        if self.json:
            show_json(workflows.plan_summary(made) | {"run": self.output})
            return 0
        if self.output is None:
            print(made.text, end="")
            return 0
        plan = made.config
        rows = [
            ["grid", " × ".join(map(str, plan.grid.shape)), made.reasons["grid"]],
            ["spacing, mm", " × ".join(f"{s:.4g}" for s in plan.grid.spacing), ""],
            ["intensity", plan.intensity.rule, made.reasons["intensity"]],
            ["metric", plan.metric, made.reasons["metric"]],
            ["affine", plan.affine, made.reasons["affine"]],
            ["precision", plan.precision, made.reasons["precision"]],
        ]
        title = f"{len(made.found.dataset.subjects)} images"
        show_table(title, ["", "choice", "why"], rows, justify="left")
        for note in made.found.dataset.notes:
            print(note)
        show_line("plan", RunFolder(self.output).plan)
        words = ["autoreg", "auto", str(self.dataset), "-o", str(self.output)]
        show_line("next", shlex.join(words))
        return 0
