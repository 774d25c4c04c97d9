"""The networks of the bench: trained already, or trained here by the same workflow."""

from collections.abc import Sequence
from pathlib import Path

from autoreg_jax.config import RunConfig, dump
from autoreg_jax.config import load as load_config
from autoreg_jax.data import Cohort
from autoreg_jax.errors import ConfigError
from autoreg_jax.files import write_text
from autoreg_jax.runtime import RunFolder
from autoreg_jax.workflows._train import train

_WEIGHTS = ("full", "smooth", "half", "quarter")


def start_lambda(config: RunConfig) -> dict[str, float]:
    """λ where no searched one is known: that of the configuration."""
    return {name: getattr(config.objective, name) for name in _WEIGHTS}


def trained_rival(
    run: Path, name: str, subjects: Sequence[Cohort], config: RunConfig, lam: dict
) -> Path:
    """Train a rival, or go on with it; a finished one is taken as it is.

    Args:
        run: Its folder.
        name: One of `baselines.BASELINES`.
        subjects: Training and validation subjects.
        config: Steps, seed and loss: those of AutoReg.
        lam: Weights of the loss.

    Returns:
        The folder.

    Raises:
        ConfigError: If the folder holds a training of other settings.
        NonFiniteError: If a number became NaN or infinite.
    """
    stored = RunFolder(run).config
    text = dump(config) + "".join(f"# {key}: {lam[key]!r}\n" for key in _WEIGHTS)
    if stored.is_file() and stored.read_text(encoding="utf-8") != text:
        changed = "settings" if load_config(stored) != config else "loss weights"
        raise ConfigError(
            f"{run}: was trained with other {changed}; repeat the command with these, "
            "or name another folder."
        )
    write_text(stored, text)
    train(subjects[0], config, name, lam, validation=subjects[1], run=run, resume=True)
    return run
