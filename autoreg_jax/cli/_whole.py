"""`autoreg demo` and `autoreg auto`: the whole job."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from autoreg_jax.cli._run_options import (
    Config,
    Data,
    Estimators,
    Minutes,
    Output,
    Overrides,
    run_settings,
)
from autoreg_jax.cli._show import show_evaluation, show_json, show_line

if TYPE_CHECKING:
    from autoreg_jax.workflows import Evaluation


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Do the whole job on simulated brains, on a CPU, in minutes.

    Examples:
      autoreg demo
      autoreg demo --dimensions 2 -o runs/plane --set train.steps=1000
    """

    output: Output = Path("runs/demo")
    """Folder of the run."""

    dimensions: Literal[2, 3] = 3
    """3 for volumes, 2 for a plane."""

    config: Config = None
    """Settings: a YAML file or the name of a preset; `demo` unless given."""

    hypergradient: Estimators = ()
    """Estimator of the search, as neumann; or of one stage, as lam=forward_mode."""

    minutes: Minutes = None
    """Time for the search, divided over its stages; any unless given."""

    overrides: Overrides = ()
    """Single settings, as train.steps=100."""

    resume: bool = False
    """Go on with the run that the folder holds."""

    overwrite: bool = False
    """Move the run that the folder holds aside."""

    json: bool = False
    """Print JSON instead of a table."""

    @property
    def after_interrupt(self) -> str:
        """What to do after Ctrl-C."""
        return f"Go on with: autoreg demo -o {self.output} --resume"

    def run(self) -> int:
        """Do the job and print its result."""
        settings = run_settings(
            self.output,
            self.config,
            self.overrides,
            self.hypergradient,
            minutes=self.minutes,
            resume=self.resume,
            preset="demo",
        )
        from autoreg_jax import runtime, workflows

        runtime.enable_compilation_cache()
        evaluation = workflows.demo(
            self.output,
            dimensions=self.dimensions,
            config=settings,
            resume=self.resume,
            overwrite=self.overwrite,
        )
        show_run(self.output, evaluation, as_json=self.json)
        return 0


@dataclass(frozen=True, kw_only=True)
class Auto:
    """Plan, search a network and its loss, train, evaluate, write a report.

    Example:
      autoreg auto subjects.csv -o runs/first --set train.steps=4000 evaluate.pairs=50
    """

    dataset: Data
    """CSV file `subject,image,labels,split`, Learn2Reg dataset.json, BIDS folder, or a
    folder of scans."""

    output: Output
    """Folder of the run."""

    config: Config = None
    """Settings: a YAML file or the name of a preset; `default` unless given."""

    hypergradient: Estimators = ()
    """Estimator of the search, as neumann; or of one stage, as lam=forward_mode."""

    minutes: Minutes = None
    """Time for the search, divided over its stages; any unless given."""

    overrides: Overrides = ()
    """Single settings, as train.steps=100."""

    resume: bool = False
    """Go on with the run that the folder holds."""

    overwrite: bool = False
    """Move the run that the folder holds aside."""

    json: bool = False
    """Print JSON instead of a table."""

    @property
    def after_interrupt(self) -> str:
        """What to do after Ctrl-C."""
        return f"Go on with: autoreg auto {self.dataset} -o {self.output} --resume"

    def run(self) -> int:
        """Do the job and print its result."""
        settings = run_settings(
            self.output,
            self.config,
            self.overrides,
            self.hypergradient,
            minutes=self.minutes,
            resume=self.resume,
        )
        from autoreg_jax import runtime, workflows

        runtime.enable_compilation_cache()
        evaluation = workflows.auto(
            self.dataset,
            self.output,
            settings,
            resume=self.resume,
            overwrite=self.overwrite,
        )
        show_run(self.output, evaluation, as_json=self.json)
        return 0


def show_run(run: Path, evaluation: "Evaluation", *, as_json: bool) -> None:
    """Print the result of a finished run and where its files are.

    Args:
        run: Its folder.
        evaluation: Its scores.
        as_json: One JSON object instead of a table.
    """
    from autoreg_jax.runtime import RunFolder

    folder = RunFolder(run)
    report = folder.report
    files = {"run": run, "model": folder.model}
    if report.is_file():
        files["report"] = report
    if as_json:
        show_json(evaluation.summary | files)
        return
    show_evaluation(evaluation.summary, str(run))
    show_line("use it", f"autoreg register -f FIXED -m MOVING -o OUT_ --model {run}")
    if report.is_file():
        show_line("report", report)
