"""`autoreg demo` and `autoreg auto`: the whole job."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from autoreg_jax.cli import _options as shared
from autoreg_jax.cli._parser import Verb
from autoreg_jax.cli._show import show_evaluation, show_json, show_line

if TYPE_CHECKING:
    from autoreg_jax.workflows import Evaluation


class Demo(Verb):
    """Run everything on simulated brains, on a CPU, in minutes.

    Simulates subjects, then plans, searches, trains, evaluates and writes a report
    as `autoreg auto` does.

    Examples:
      autoreg demo
      autoreg demo --dimensions 2 -o runs/plane --set train.steps=1000
    """

    interrupted = "Resume with: autoreg demo -o {output} --resume"

    @staticmethod
    def add_options(parser: ArgumentParser) -> None:
        """Run, search, settings."""
        group = parser.add_argument_group("run")
        default = Path("runs/demo")
        text = "run folder to create (default: runs/demo)"
        shared.add_output(group, text, default=default)
        shared.add_dimensions(group, 3)
        group.add_argument(
            "--spacing",
            type=float,
            metavar="MM",
            help="voxel size, 2 to 8 mm (default: 4, slices 2)",
        )
        shared.add_continuation(group)
        shared.add_search(parser.add_argument_group("search"))
        group = parser.add_argument_group("settings")
        shared.add_settings(group, "preset demo", "train.steps=100")

    @staticmethod
    def run(options: Namespace) -> int:
        """Do the job and print its result."""
        settings = shared.run_settings(options, "demo")
        from autoreg_jax import runtime, workflows

        runtime.enable_compilation_cache()
        evaluation = workflows.demo(
            options.output,
            dimensions=options.dimensions,
            spacing=options.spacing,
            config=settings,
            resume=options.resume,
            overwrite=options.overwrite,
        )
        _show_run(options, evaluation)
        return 0


class Auto(Verb):
    """Plan, search network and loss, train, evaluate, report.

    Examples:
      autoreg auto subjects.csv -o runs/mine
      autoreg auto subjects.csv -o runs/mine --minutes 60 --set train.steps=4000
    """

    usage = "DATASET -o RUN [options]"
    interrupted = "Resume with: autoreg auto {dataset} -o {output} --resume"

    @staticmethod
    def add_options(parser: ArgumentParser) -> None:
        """Data and run, search, settings."""
        group = parser.add_argument_group("run")
        shared.add_dataset(group)
        shared.add_output(group, "run folder to create", required=True)
        shared.add_continuation(group)
        shared.add_processes(group)
        shared.add_search(parser.add_argument_group("search"))
        group = parser.add_argument_group("settings")
        shared.add_settings(group, "preset default", "train.steps=100")

    @staticmethod
    def run(options: Namespace) -> int:
        """Do the job and print its result."""
        settings = shared.run_settings(options, "default")
        from autoreg_jax import workflows

        shared.prepare_devices(options)
        evaluation = workflows.auto(
            options.dataset,
            options.output,
            settings,
            resume=options.resume,
            overwrite=options.overwrite,
        )
        _show_run(options, evaluation)
        return 0


def _show_run(options: Namespace, evaluation: "Evaluation") -> None:
    """Print the result of a finished run and where its files are."""
    from autoreg_jax.runtime import RunFolder

    run, folder = options.output, RunFolder(options.output)
    files = {"run": run, "model": folder.model}
    if folder.report.is_file():
        files["report"] = folder.report
    if options.json:
        show_json(evaluation.summary | files)
        return
    show_evaluation(evaluation.summary, str(run))
    show_line("use it", f"autoreg register -f FIXED -m MOVING -o OUT_ --model {run}")
    if folder.report.is_file():
        show_line("report", folder.report)
