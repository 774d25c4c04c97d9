"""`autoreg search | train | evaluate | report`: the steps of a run, one at a time."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from autoreg_jax.cli import _options as shared
from autoreg_jax.cli._auto import Auto
from autoreg_jax.cli._parser import Verb
from autoreg_jax.cli._show import (
    show_evaluation,
    show_front,
    show_json,
    show_line,
    show_table,
)
from autoreg_jax.errors import ConfigError

# Of the last record of a training.
_SHOWN = (
    "step",
    "seconds",
    "loss",
    "validation_dice",
    "validation_loss",
    "best_step",
)


class Search(Verb):
    """Search the architecture and the loss weights only.

    Example:
      autoreg search subjects.csv -o runs/mine
    """

    usage = "DATASET -o RUN [options]"
    interrupted = "Resume with: autoreg search {dataset} -o {output} --resume"

    @staticmethod
    def add_options(parser: ArgumentParser) -> None:
        """As for `auto`."""
        Auto.add_options(parser)

    @staticmethod
    def run(options: Namespace) -> int:
        """Search, and print the genotype and λ."""
        settings = shared.run_settings(options, "default")
        from autoreg_jax import workflows
        from autoreg_jax.search_space import SCALES

        shared.prepare_devices(options)
        run = options.output
        found = workflows.search_run(
            options.dataset,
            run,
            settings,
            resume=options.resume,
            overwrite=options.overwrite,
        )
        if options.json:
            show_json({"run": run, "lam": found.lam, **vars(found.genotype)})
            return 0
        cells = {
            f"{kind}, {scale}": ", ".join(operations)
            for kind in ("feature", "deformation")
            for scale, operations in zip(
                SCALES, getattr(found.genotype, kind), strict=False
            )
        }
        changed = {name: str(value) for name, value in found.settings.items()}
        weights = {f"λ {name}": f"{weight:.3g}" for name, weight in found.lam.items()}
        rows = [list(row) for row in (changed | cells | weights).items()]
        show_table(str(run), ["", "found"], rows, justify="left")
        show_line("next", f"autoreg train {run}")
        return 0


class Train(Verb):
    """Train the network of a search, or a model further.

    Examples:
      autoreg train runs/mine --set train.steps=4000
      autoreg train runs/new --from runs/mine --dataset other.csv
    """

    usage = "RUN [options]\nRUN --from MODEL --dataset DATASET [options]"
    interrupted = "Resume with: autoreg train {run} --resume"

    @staticmethod
    def add_options(parser: ArgumentParser) -> None:
        """Run, settings."""
        shared.add_run(parser, "run folder with a finished search, or a new one")
        group = parser.add_argument_group("settings")
        group.add_argument(
            "--from",
            dest="initial",
            type=Path,
            metavar="MODEL",
            help="model or run whose network is trained further, on other data",
        )
        group.add_argument(
            "--more",
            type=int,
            metavar="N",
            help="continue a finished training for N more steps",
        )
        group.add_argument(
            "--minutes",
            dest="train_minutes",
            type=float,
            metavar="N",
            help="time of the training, which may end it before its steps do",
        )
        group.add_argument(
            "--freeze",
            choices=("none", "features"),
            help="weights of the model that stay as they are",
        )
        text = "override settings, e.g. train.steps=100; kept in config.yaml"
        shared.add_resume(group, "resume the training in this folder")
        shared.add_processes(group)
        shared.add_overrides(group, text)

    @staticmethod
    def run(options: Namespace) -> int:
        """Train, and print where the model is."""
        from autoreg_jax import runtime, workflows

        run = options.run
        source = "default" if options.initial else workflows.config_of(run)
        settings = shared.settings_of(options, source)
        shared.prepare_devices(options)
        workflows.train_run(
            run,
            settings,
            dataset=options.dataset,
            resume=options.resume,
            initial=options.initial,
            more=options.more,
        )
        folder = runtime.RunFolder(run)
        trained = [r for r in folder.records() if r["stage"] == "train"]
        last = trained[-1] if trained else {}
        if options.json:
            show_json({"run": run, "model": folder.model, **last})
            return 0
        rows = [
            [name, f"{last[name]:.4g}"] for name in _SHOWN if last.get(name) is not None
        ]
        show_table(str(run), ["", "training"], rows)
        show_line("next", f"autoreg evaluate {run}")
        return 0


class Evaluate(Verb):
    """Evaluate a model on pairs that it has not seen.

    With -o on other data (external validation): subjects of any origin and grid,
    with or without labels, those of the split test or else all of them. The run
    stays as it is.

    Examples:
      autoreg evaluate runs/mine --set evaluate.pairs=50
      autoreg evaluate runs/mine --smoothness 0.1 0.3 1 3 10
      autoreg evaluate runs/mine --dataset other.csv -o runs/elsewhere
      autoreg evaluate --model brain --dataset other.csv -o runs/elsewhere
    """

    usage = "RUN [options]\n{RUN|--model MODEL} --dataset OTHER -o FOLDER [options]"
    interrupted = "The results of an earlier evaluation were not changed."

    @staticmethod
    def add_options(parser: ArgumentParser) -> None:
        """Model, data, settings."""
        add = parser.add_argument_group("run").add_argument
        path: Any = {"type": Path}
        text = "run folder with a finished training"
        add("run", nargs="?", metavar="RUN", help=text, **path)
        add(
            "--model", help="instead of RUN, with -o: a model/ folder, or brain", **path
        )
        add(
            "--dataset", help="the data, if they were moved; with -o any others", **path
        )
        text = "new folder for the results on other data"
        add("-o", "--output", metavar="FOLDER", help=text, **path)
        group = parser.add_argument_group("settings")
        group.add_argument(
            "--smoothness",
            type=float,
            nargs="+",
            metavar="FACTOR",
            help="instead compare these factors on the smoothness (smoothness.csv); "
            "for a network trained with network.conditions=[smooth]",
        )
        text = "override settings, e.g. evaluate.pairs=50, for this evaluation only"
        shared.add_overrides(group, text)

    @staticmethod
    def run(options: Namespace) -> int:
        """Evaluate, and print the scores."""
        from autoreg_jax import runtime, workflows

        _check_evaluated(options)
        model, folder = options.run or options.model, options.output
        where = model if folder is None else folder
        source = workflows.config_beside if folder else workflows.config_of
        settings = shared.settings_of(options, source(model))
        runtime.enable_compilation_cache()
        factors, data = options.smoothness, options.dataset
        if factors is not None:
            if folder is None:
                rows = workflows.smoothness_run(model, factors, settings, dataset=data)
            else:
                rows = workflows.smoothness_dataset(
                    model, factors, data, folder, settings
                )
            if options.json:
                show_json({"run": where, "rows": rows})
                return 0
            show_front(rows, str(where))
        else:
            if folder is None:
                found = workflows.evaluate_run(model, settings, dataset=data)
            else:
                found = workflows.evaluate_dataset(model, data, folder, settings)
            if options.json:
                show_json(found.summary | {"run": where})
                return 0
            show_evaluation(found.summary, str(where))
        show_line("next", f"autoreg report {where}")
        return 0


def _check_evaluated(options: Namespace) -> None:
    """Refuse what does not say on which data which model is evaluated.

    Raises:
        ConfigError: If it does not.
    """
    if (options.run is None) == (options.model is None):
        raise ConfigError(
            "give one model: RUN, or --model MODEL with --dataset and -o."
        )
    if options.output is not None and options.dataset is None:
        raise ConfigError(
            "-o is for other data than those of the run; name them with --dataset."
        )
    if options.model is not None and options.output is None:
        raise ConfigError(
            "--model needs other data and a new folder for the results: --dataset "
            "OTHER -o FOLDER."
        )


class Report(Verb):
    """Describe a run in one self-contained page.

    Example:
      autoreg report runs/mine
    """

    usage = "RUN [options]"
    interrupted = "An earlier report was not changed."

    @staticmethod
    def add_options(parser: ArgumentParser) -> None:
        """Run."""
        group = parser.add_argument_group("run")
        group.add_argument("run", type=Path, metavar="RUN", help="run folder")

    @staticmethod
    def run(options: Namespace) -> int:
        """Write the page and print where it is."""
        from autoreg_jax.report import write_report

        page = write_report(options.run)
        if options.json:
            show_json({"run": options.run, "report": page})
        else:
            show_line("report", page)
        return 0
