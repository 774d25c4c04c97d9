"""All methods on the same pairs; what is finished is kept, whatever happens then."""

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from autoreg_jax.errors import ConfigError, NonFiniteError
from autoreg_jax.runtime import progress
from autoreg_jax.studies.bench._figures import draw
from autoreg_jax.studies.bench._methods import Method, check_names
from autoreg_jax.studies.bench._pairs import ListedPair
from autoreg_jax.studies.bench._process import (
    Answer,
    MethodFailedError,
    MethodProcess,
)
from autoreg_jax.studies.bench._results import Results
from autoreg_jax.studies.bench._session import BenchProtocol, Session
from autoreg_jax.studies.bench._tasks import task_rows, task_table
from autoreg_jax.studies.reproduce._table import Table, write_table

logger = logging.getLogger(__name__)


class Bench(NamedTuple):
    """What the bench has found.

    Attributes:
        table: A row for each method, also in bench.csv and bench.md.
        notes: What a reader of the table has to know.
        figures: Files of the figures.
        tasks: Methods by tasks, also in tasks.csv and tasks.md; None where no other
            task is asked for.
    """

    table: Table
    notes: Sequence[str]
    figures: Sequence[Path]
    tasks: Table | None = None


def bench(folder: Path | str, protocol: BenchProtocol) -> Bench:
    """Register the same pairs with each method and compare.

    The images are those of the dataset, on its grid, aligned as they are there; each
    method gets two arrays and gives a displacement, and labels, images and scores
    follow from that in one way for all. A method runs in its own process. One that
    fails, hangs or is not installed has a row that says so, and is tried again by the
    next call; all others go on where they were.

    Args:
        folder: Gets results, rivals that are trained here, tables and figures.
        protocol: The comparison.

    Returns:
        The table, of this call and of earlier ones in the folder.

    Raises:
        ConfigError: If a method is unknown, the folder is of another comparison or
            another task has the name of this one.
        DataError, GeometryError: If the dataset cannot be used.
        ArtifactError: If a model, a result or another bench is missing or damaged.
    """
    check_names(protocol.methods, has_model=protocol.model is not None)
    session = Session(Path(folder), protocol)
    if session.task in protocol.beside:
        raise ConfigError(
            f"beside: {session.task!r} is the name of this dataset's own task; give "
            "the other one another name."
        )
    session.claim()
    others = task_rows(protocol.beside)
    for name in protocol.methods:
        results = Results(session.folder, name)
        try:
            method = session.method(name)
            results.begin(method, protocol.limits.threads)
            _complete(session, method, results)
        except (MethodFailedError, NonFiniteError) as error:
            logger.warning("%s failed: %s.", name, error)
            results.fail(str(error))
        session.write()
    pairs, results = session.named_pairs(), session.results()
    figures = draw(session.folder, session.test, pairs, results)
    table, notes = session.write()
    if not others:
        return Bench(table, notes, figures)
    tasks = task_table(task_rows({session.task: session.folder}) + others)
    write_table(session.folder, "tasks", tasks)
    return Bench(table, notes, figures, tasks)


def _complete(session: Session, method: Method, results: Results) -> None:
    """Register the pairs that a method has not registered, or not by this truth.

    Raises:
        MethodFailedError: If it gives no displacement.
    """
    test, names = session.test, session.test.names

    def is_done(pair: ListedPair) -> bool:
        record = results.of_pair.get((names[pair.moving], names[pair.fixed]))
        return record is not None and record.get("judged_by", []) == pair.files

    left = [pair for pair in session.pairs if not is_done(pair)]
    if not left:
        return
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(_start(session, method))
        advance = stack.enter_context(progress(method.name, len(left)))
        for place, pair in enumerate(left):
            images = test.images[..., 0]
            fixed, moving = images[pair.fixed], images[pair.moving]
            answer = process.register(fixed, moving, test.spacing)
            record = {
                "moving": names[pair.moving],
                "fixed": names[pair.fixed],
                "is_first": place == 0,
                "seconds": answer.seconds,
                "elapsed": answer.elapsed,
                "peak_memory_bytes": answer.peak_memory_bytes,
                "judged_by": pair.files,
                "scores": session.scores(pair, answer.displacement),
            }
            results.add(record, answer.displacement)
            advance()


@contextlib.contextmanager
def _start(session: Session, method: Method) -> "Iterator[MethodProcess | _Nothing]":
    """The process of a method, or what stands for it where nothing is registered."""
    if not method.module:
        yield _Nothing()
        return
    limits = session.protocol.limits
    if not method.is_limited:
        limits = limits._replace(megabytes=None)
    with (
        tempfile.TemporaryDirectory() as folder,
        MethodProcess(
            method.module, method.settings, limits, Path(folder), method.source
        ) as process,
    ):
        yield process


class _Nothing:
    """No registration."""

    def register(
        self, fixed: np.ndarray, moving: np.ndarray, spacing: tuple[float, ...]
    ) -> Answer:
        del moving, spacing
        nan = float("nan")
        return Answer(np.zeros((*fixed.shape, fixed.ndim), np.float32), nan, nan, 0)
