"""What the verbs that work on a run have in common: its settings and its data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from autoreg_jax import config
from autoreg_jax.cli._settings import read_settings
from autoreg_jax.errors import ArtifactError, ConfigError

Run = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
Data = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DATASET")]
Output = Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="RUN")]
Config = Annotated[str | None, tyro.conf.arg(metavar="NAME|FILE")]
Overrides = Annotated[
    tyro.conf.UseAppendAction[tuple[tuple[str, ...], ...]],
    tyro.conf.arg(name="set", metavar="NAME=VALUE ..."),
]
Estimators = Annotated[
    tuple[str, ...], tyro.conf.arg(name="hypergradient", metavar="NAME|STAGE=NAME ...")
]

Minutes = Annotated[float | None, tyro.conf.arg(metavar="MINUTES")]


def run_settings(
    run: Path,
    source: str | None,
    overrides: Sequence[Sequence[str]],
    estimators: Sequence[str] = (),
    *,
    minutes: float | None = None,
    resume: bool,
    preset: str = "default",
) -> config.RunConfig:
    """The settings of a run that begins or goes on.

    Args:
        run: Folder of the run.
        source: `--config`, if given.
        overrides: Words of each `--set`.
        estimators: Words of `--hypergradient`.
        minutes: `--minutes`, if given.
        resume: Whether the run goes on; then its own config.yaml is the start.
        preset: What a new run begins with.

    Returns:
        The settings.

    Raises:
        ConfigError: If a file or a value is wrong, or a run that goes on was started
            with other settings.
    """
    from autoreg_jax.runtime import RunFolder

    stored = RunFolder(run).config
    goes_on = resume and stored.is_file()
    named = [[as_setting(word) for word in estimators]]
    if minutes is not None:
        named.append([f"search.minutes={minutes}"])
    settings = read_settings(
        source or (stored if goes_on else preset), [*named, *overrides]
    )
    if goes_on and config.load(stored) != settings:
        raise ConfigError(
            f"{stored}: the run was started with other settings; leave out --config, "
            "--hypergradient, --minutes and --set to resume it, or name another folder."
        )
    return settings


def as_setting(word: str) -> str:
    """A word of `--hypergradient` as one of `--set`.

    Examples:
        >>> as_setting("unroll"), as_setting("lam=unroll")
        ('search.hypergradient.name=unroll', 'search.lam.hypergradient.name=unroll')
    """
    stage, sign, name = word.rpartition("=")
    place = f"search.{stage}.hypergradient" if sign else "search.hypergradient"
    return f"{place}.name={name}"


def dataset_of(run: Path, given: Path | None) -> Path:
    """The dataset of a run: as given, as its provenance says, or the simulated one.

    Args:
        run: Folder of the run.
        given: `--dataset`, if given.

    Returns:
        File or folder.

    Raises:
        ArtifactError: If it is not known.
    """
    from autoreg_jax.runtime import RunFolder

    found = given or RunFolder(run).dataset()
    if found is not None:
        return found
    raise ArtifactError(
        f"{run}: does not say which dataset it is of; name it with --dataset."
    )
