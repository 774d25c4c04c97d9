"""`autoreg plan`."""

import shlex
from argparse import ArgumentParser, Namespace

from autoreg_jax.cli import _options as shared
from autoreg_jax.cli._parser import Verb
from autoreg_jax.cli._printable import printable
from autoreg_jax.cli._show import show_json, show_line, show_table


class Plan(Verb):
    """Inspect a dataset; choose grid, intensities, similarity.

    Writes RUN/plan.yaml, which gives a reason for each choice and may be edited;
    auto, search, train and evaluate use it. Without -o the plan is printed.

    Example:
      autoreg plan subjects.csv -o runs/mine
    """

    usage = "DATASET [-o RUN] [options]"

    @staticmethod
    def add_options(parser: ArgumentParser) -> None:
        """Data and run, settings."""
        group = parser.add_argument_group("run")
        shared.add_dataset(group)
        shared.add_output(group, "run folder to create (default: print the plan)")
        group.add_argument(
            "--overwrite",
            action="store_true",
            help="move an existing plan or run to previous-N",
        )
        group = parser.add_argument_group("settings")
        shared.add_settings(group, "preset default", "train.batch_size=2")

    @staticmethod
    def run(options: Namespace) -> int:
        """Plan, and print what was decided."""
        settings = shared.settings_of(options, "default")
        from autoreg_jax import workflows

        run = options.output
        made = workflows.plan(
            options.dataset, run, settings, overwrite=options.overwrite
        )
        splits = [
            [split, str(len(names)), why]
            for split, why, names in made.fingerprint.dataset.sources
        ]
        if options.json:
            show_json(workflows.plan_summary(made) | {"run": run})
            return 0
        if run is None:
            for split, subjects, why in [["split", "subjects", "why"], *splits]:
                print(f"# {split:<10}  {subjects:>8}  {why}")
            print(f"#\n{made.text}", end="")
            return 0
        plan, reasons = made.config, made.reasons
        rows = [
            ["grid", " × ".join(map(str, plan.grid.shape)), reasons["grid"]],
            ["spacing, mm", " × ".join(f"{s:.4g}" for s in plan.grid.spacing), ""],
            ["intensity", plan.intensity.rule, reasons["intensity"]],
            ["metric", plan.metric, reasons["metric"]],
            ["affine", plan.affine, reasons["affine"]],
            ["precision", plan.precision, reasons["precision"]],
        ]
        show_table(
            str(options.dataset), ["split", "subjects", "why"], splits, justify="left"
        )
        title = f"{len(made.fingerprint.dataset.subjects)} images"
        show_table(title, ["", "choice", "reason"], rows, justify="left")
        for note in made.fingerprint.dataset.notes:
            print(printable(note))
        show_line("plan", run / "plan.yaml")
        words = ["autoreg", "auto", str(options.dataset), "-o", str(run)]
        words += ["--config", options.config] if options.config else []
        words += ["--set", *options.overrides] if options.overrides else []
        show_line("next", shlex.join(words))
        return 0
