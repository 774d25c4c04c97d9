"""Options that several verbs share, each declared once."""

import logging
from argparse import Action, ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import Any

from autoreg_jax import config
from autoreg_jax.files import is_writer

DATASET = (
    "CSV with columns subject,image,labels,split or, for pairs, fixed,moving,split, "
    "dataset.json (Learn2Reg, Decathlon, nnU-Net), BIDS folder, or folder of scans"
)


def add_fill(group: Any) -> None:
    """Add --fill."""
    group.add_argument(
        "--fill",
        type=_number_or_auto,
        metavar="VALUE|auto",
        help="value outside of images; auto: the lowest if below 0",
    )


def _number_or_auto(word: str) -> float | str:
    """A value of --fill; argparse refuses other words."""
    try:
        return word if word == "auto" else float(word)
    except ValueError:
        raise ArgumentTypeError(f"must be a number or auto, got {word!r}") from None


def add_dataset(group: Any, text: str = DATASET) -> None:
    """Add the positional DATASET."""
    group.add_argument("dataset", type=Path, metavar="DATASET", help=text)


def add_run(parser: ArgumentParser, text: str) -> None:
    """Add the positional RUN, and where its data are now."""
    group = parser.add_argument_group("run")
    group.add_argument("run", type=Path, metavar="RUN", help=text)
    group.add_argument(
        "--dataset",
        type=Path,
        help="the data, if they were moved since the search",
    )


def add_output(group: Any, text: str, **options: Any) -> None:
    """Add -o for a folder."""
    options = {"type": Path, "metavar": "RUN", "help": text} | options
    group.add_argument("-o", "--output", **options)


def add_settings(group: Any, default: str, example: str) -> None:
    """Add --config and --set; `default` says which settings are used without them."""
    group.add_argument(
        "--config",
        metavar="NAME|FILE",
        help=f"settings: a YAML file or a preset (default: {default})",
    )
    add_overrides(group, f"override settings, e.g. {example}")


def add_overrides(group: Any, text: str) -> None:
    """Add --set."""
    group.add_argument(
        "--set",
        dest="overrides",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help=text,
    )


def add_search(group: Any) -> None:
    """Add the options of a search that are worth an option of their own."""
    group.add_argument(
        "--strategy",
        metavar="NAME",
        help="race (real short trainings), random, optuna, darts (the paper's), or "
        "perturbation (default: darts if cells are searched, else race)",
    )
    group.add_argument(
        "--space",
        metavar="NAME|FILE",
        help="what race, random and optuna may change: macro, paper or a file",
    )
    group.add_argument(
        "--trainings",
        type=float,
        metavar="N",
        help="cost of race, random and optuna, in trainings",
    )
    group.add_argument(
        "--help-space",
        action=ShowSpaces,
        help="print the spaces of the package and exit",
    )
    group.add_argument(
        "--minutes",
        type=float,
        metavar="N",
        help="time for the search, divided over its stages (default: no limit)",
    )
    group.add_argument(
        "--hypergradient",
        nargs="+",
        default=[],
        metavar="NAME",
        help="search by hypergradients (darts) with this estimator, e.g. neumann, or "
        "in one stage, e.g. lam=forward_mode",
    )


class ShowSpaces(Action):
    """Print the spaces that come with the package, and exit."""

    def __init__(self, *names: Any, **options: Any) -> None:
        super().__init__(*names, nargs=0, **options)

    def __call__(self, parser: ArgumentParser, *given: Any) -> None:
        """Print each file as it is: it may be copied and changed."""
        from autoreg_jax.spaces import space_names, space_text

        for name in space_names():
            print(f"# {name}.yaml\n{space_text(name)}")
        parser.exit()


def add_dimensions(group: Any, default: int) -> None:
    """Add --dimensions of simulated brains."""
    group.add_argument(
        "--dimensions",
        type=int,
        choices=(2, 3),
        default=default,
        help=f"2: simulated slices, 3: volumes (default: {default})",
    )


def add_continuation(group: Any) -> None:
    """Add --resume and --overwrite."""
    add_resume(group, "resume the run in this folder")
    group.add_argument(
        "--overwrite",
        action="store_true",
        help="move an existing run to previous-N",
    )


def add_processes(group: Any) -> None:
    """Add --distributed."""
    group.add_argument(
        "--distributed",
        action="store_true",
        help="one of several processes that do this run: by srun, on a TPU pod, or "
        "as JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID say",
    )


def prepare_devices(options: Namespace) -> None:
    """Before the first computation: the cache of programs, and other processes."""
    from autoreg_jax import runtime

    runtime.enable_compilation_cache()
    if options.distributed:
        runtime.join_processes()
    if not is_writer():
        logging.getLogger("autoreg_jax").setLevel(logging.WARNING)


def add_resume(group: Any, text: str) -> None:
    """Add --resume."""
    group.add_argument("--resume", action="store_true", help=text)


def settings_of(
    options: Namespace, default: str | Path | config.RunConfig
) -> config.RunConfig:
    """The settings that a command line means: a file or preset, then single values.

    Args:
        options: What was parsed, with any of the options of this module.
        default: Preset, file or settings that are used without --config.

    Returns:
        The checked settings.

    Raises:
        ConfigError: If a file or a value is wrong.
    """
    given = vars(options)
    source = given.get("config") or default
    base = source if isinstance(source, config.RunConfig) else config.load(source)
    words = [as_setting(word) for word in given.get("hypergradient", ())]
    if words and base.search.strategy == "auto":
        words.append("search.strategy=darts")  # the one that has hypergradients
    for name in ("strategy", "space", "trainings"):
        if given.get(name) is not None:
            words.append(f"search.{name}={given[name]}")
    if given.get("minutes") is not None:
        words.append(f"search.minutes={options.minutes}")
    if given.get("train_minutes") is not None:
        words.append(f"train.minutes={options.train_minutes}")
    if given.get("freeze") is not None:
        words.append(f"train.freeze={options.freeze}")
    return config.override(base, [*words, *options.overrides])


def run_settings(options: Namespace, preset: str) -> config.RunConfig:
    """As `settings_of`; a run that is resumed starts from its own settings."""
    from autoreg_jax.runtime import RunFolder

    stored = RunFolder(options.output).config
    is_resumed = options.resume and stored.is_file()
    return settings_of(options, stored if is_resumed else preset)


def as_setting(word: str) -> str:
    """A word of --hypergradient as one of --set.

    Examples:
        >>> as_setting("unroll"), as_setting("lam=unroll")
        ('search.hypergradient.name=unroll', 'search.lam.hypergradient.name=unroll')
    """
    stage, sign, name = word.rpartition("=")
    place = f"search.{stage}.hypergradient" if sign else "search.hypergradient"
    return f"{place}.name={name}"
