"""Run all methods on the same pairs; finished results survive any interruption."""

import contextlib
import logging
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from autoreg_jax.errors import ConfigError, NonFiniteError
from autoreg_jax.runtime import in_single_precision, owns, progress
from autoreg_jax.studies._table import Table
from autoreg_jax.studies.bench._figures import draw
from autoreg_jax.studies.bench._methods import Method, checked_names
from autoreg_jax.studies.bench._pairs import ListedPair
from autoreg_jax.studies.bench._process import (
    Answer,
    MethodFailedError,
    MethodProcess,
)
from autoreg_jax.studies.bench._results import Results
from autoreg_jax.studies.bench._session import BenchProtocol, Session
from autoreg_jax.studies.bench._tables import read_bench, task_table

logger = logging.getLogger(__name__)


class Bench(NamedTuple):
    """Result of a bench.

    Attributes:
        table: One record for each method; also written to bench.csv and bench.md.
        notes: What a reader of the table has to know.
        figures: Image files.
        tasks: Methods by tasks, also in tasks.csv and tasks.md; None unless the
            protocol names other tasks.
    """

    table: Table
    notes: Sequence[str]
    figures: Sequence[Path]
    tasks: Table | None = None


@in_single_precision
@owns("folder")
def bench(folder: Path | str, protocol: BenchProtocol) -> Bench:
    """Register the same pairs with each method and compare the results.

    Images are used on the grid of the dataset, without further alignment. Every method
    receives two arrays and returns a displacement, which is applied and scored in one
    way for all methods. With a start (`init`) each method gets the moving image as the
    start places it, and what it finds is composed with the start. Each method runs in
    its own process. A method that fails, hangs or is not installed gets a row with the
    reason and is tried again by the next call; the pairs that others have finished are
    kept.

    Args:
        folder: For results, trained rivals, tables and figures.
        protocol: What to compare.

    Returns:
        The tables of this call and of earlier ones in the folder.

    Raises:
        ConfigError: If a method is unknown, the folder belongs to another comparison or
            another task has the name of this one.
        DataError, GeometryError: If the dataset cannot be used.
        ArtifactError: If a model, a result or another bench is missing or damaged.
    """
    names = checked_names(protocol.methods, has_model=protocol.model is not None)
    session = Session(Path(folder), protocol)
    if session.task in protocol.other_tasks:
        raise ConfigError(
            f"other tasks: {session.task!r} is the name of this dataset's own task; "
            "choose another name for the other one."
        )
    session.claim()
    others = [r for item in protocol.other_tasks.items() for r in read_bench(*item)]
    for name, wanted in zip(names, protocol.methods, strict=True):
        results = Results(session.folder, name)
        try:
            method = session.method(wanted)
            results.begin(method, protocol.limits.threads)
            _register_missing(session, method, results)
        except (MethodFailedError, NonFiniteError) as error:
            logger.warning("%s failed: %s.", name, error)
            results.fail(str(error))
        session.write()
    figures = draw(
        session.folder, session.test, session.named_pairs(), session.results()
    )
    table, notes = session.write()
    if not others:
        return Bench(table, notes, figures)
    tasks = task_table(read_bench(session.task, session.folder) + others)
    tasks.write(session.folder, "tasks")
    return Bench(table, notes, figures, tasks)


def _register_missing(session: Session, method: Method, results: Results) -> None:
    """Register the pairs without a result, or scored against another truth."""
    test, names = session.test, session.test.names

    def is_done(pair: ListedPair) -> bool:
        record = results.of_pair.get((names[pair.moving], names[pair.fixed]))
        if record is None or record.get("judged_by", []) != pair.files:
            return False
        return record.get("begins_with", []) == session.begins_with(pair)

    missing = [pair for pair in session.pairs if not is_done(pair)]
    if not missing:
        return
    with (
        _opened(method, session) as register,
        progress(method.name, len(missing)) as advance,
    ):
        for place, pair in enumerate(missing):
            images = test.images[..., 0]
            start = session.start(pair)
            moving = images[pair.moving] if start is None else start.placed()
            answer = register(images[pair.fixed], moving, test.spacing)
            if start is not None:
                answer = answer._replace(displacement=start.before(answer.displacement))
            record = {
                "moving": names[pair.moving],
                "fixed": names[pair.fixed],
                "is_first": place == 0,
                "seconds": answer.seconds,
                "elapsed": answer.elapsed,
                "peak_memory_bytes": answer.peak_memory_bytes,
                "judged_by": pair.files,
                "begins_with": session.begins_with(pair),
                "scores": session.scores(pair, answer.displacement),
            }
            results.add(record, answer.displacement)
            advance()


@contextlib.contextmanager
def _opened(method: Method, session: Session) -> Iterator[Callable[..., Answer]]:
    """The function that registers a pair; it runs in a process of its own."""
    if not method.module:
        yield _no_registration
        return
    limits = session.protocol.limits
    if not method.is_limited:
        limits = limits._replace(megabytes=None)
    with (
        tempfile.TemporaryDirectory() as folder,
        MethodProcess(method, limits, Path(folder)) as process,
    ):
        yield process.register


def _no_registration(
    fixed: np.ndarray, moving: np.ndarray, spacing: tuple[float, ...]
) -> Answer:
    del moving, spacing
    still = np.zeros((*fixed.shape, fixed.ndim), np.float32)
    return Answer(still, math.nan, math.nan, 0)
