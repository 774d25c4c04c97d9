"""Where a search by trials begins: the settings of the run, and a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from autoreg_jax.programs import cells_of
from autoreg_jax.runtime import RunFolder
from autoreg_jax.search_space import Genotype, searched_names
from autoreg_jax.workflows._job import SearchJob
from autoreg_jax.workflows.trials._trainer import Trainer
from autoreg_jax.workflows.trials._trial import Trial

# What trained best on each edge wherever it was measured.
_USUAL = "conv_3"

START = "start"
"""Name of the trial with the settings of the run."""


def start_of(job: SearchJob, folder: Path) -> Trainer:
    """The trainer of the trials of a job, with the genotype that they start from."""
    genotype = job.genotype
    if genotype is None:
        names = searched_names(job.programs.candidates)
        usual = _USUAL if _USUAL in names else names[0]
        genotype = Genotype.uniform(usual, cells_of(job.programs.mixed))
    return Trainer(
        job.train, job.validation, job.config, folder, genotype, job.programs
    )


def affordable(job: SearchJob, trainer: Trainer, steps: int) -> float:
    """The budget in trainings: `search.trainings`, or what `search.minutes` allows.

    Args:
        job: Of the search.
        trainer: Trains the start for a while, to see how long a step takes. Compilation
            and judging are not counted.
        steps: For how long.
    """
    search = job.config.search
    if search.minutes is None:
        return search.trainings
    outcome = trainer.advance(Trial(START), steps, job.devices.groups()[0])
    seconds = outcome.seconds * job.config.train.steps
    if not seconds:
        return search.trainings
    return min(search.trainings, 60 * search.minutes / seconds)


@contextmanager
def trials_folder(job: SearchJob) -> Iterator[Path]:
    """The folder of the trials in the run, or one that does not stay."""
    if job.journal.run is not None:
        yield RunFolder(job.journal.run).trials
        return
    with TemporaryDirectory(prefix="autoreg-") as name:
        yield Path(name)
