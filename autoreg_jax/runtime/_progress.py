"""Progress: a bar in a terminal, one line in a notebook, lines in a log file."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from rich import progress as rich_progress
from rich.console import Console

from autoreg_jax.files import is_writer

# In a log; a loop that takes less time writes nothing.
SECONDS_BETWEEN_LINES = 30.0

# A terminal has one bar at a time.
_shown = threading.Lock()


class Advance(Protocol):
    """Function to call after a step, or some, with the values to show."""

    def __call__(self, steps: int = 1, /, **fields: Any) -> None:
        """Advance by some steps; each field is shown as `name value`."""


@contextlib.contextmanager
def progress(
    description: str, total: int | None, *, completed: int = 0
) -> Iterator[Advance]:
    """Show the progress of a loop.

    A bar on stderr in a terminal, one line that is updated in place in a notebook, and
    otherwise (a file, the log of a queue) a line on stderr every half minute. Of
    several processes that do one run the one that writes its files shows it, and of
    several loops at once the first.

    Args:
        description: Name of the loop, a few words.
        total: Number of steps; None if unknown.
        completed: Steps done before a run was resumed.

    Yields:
        A function to call after each step, `advance(loss=0.31)`.

    Examples:
        >>> with progress("train", total=2) as advance:
        ...     for step in range(2):
        ...         advance(loss=1.0 / (1 + step))
    """
    if not is_writer() or not _shown.acquire(blocking=False):
        yield lambda steps=1, /, **fields: None
        return
    show = _log_lines
    if _in_notebook():
        show = _notebook_line
    elif sys.stderr.isatty():
        show = _terminal_bar
    try:
        with show(description, total, completed) as advance:
            yield advance
    finally:
        _shown.release()


@contextlib.contextmanager
def _terminal_bar(
    description: str, total: int | None, completed: int
) -> Iterator[Advance]:
    columns = (
        rich_progress.TextColumn("{task.description}", markup=False),
        rich_progress.BarColumn(bar_width=24),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TimeElapsedColumn(),
        rich_progress.TextColumn("{task.fields[note]}", style="dim", markup=False),
    )
    with rich_progress.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(description, total=total, completed=completed, note="")

        def advance(steps: int = 1, /, **fields: Any) -> None:
            bar.update(task, advance=steps, note=_note(fields))

        yield advance


@contextlib.contextmanager
def _notebook_line(
    description: str, total: int | None, completed: int
) -> Iterator[Advance]:
    # rich needs ipywidgets here, whose output is lost in a saved notebook.
    from IPython.display import display

    begin = last = time.monotonic()
    done, note = completed, ""

    def line() -> dict[str, str]:
        return {"text/plain": _line(description, done, total, begin, note)}

    show: Callable[..., Any] = display
    handle = show(line(), raw=True, display_id=True)

    def advance(steps: int = 1, /, **fields: Any) -> None:
        nonlocal done, note, last
        done, note = done + steps, _note(fields)
        if time.monotonic() - last > 0.5:  # more is a flood of messages
            last = time.monotonic()
            handle.update(line(), raw=True)

    try:
        yield advance
    finally:
        handle.update(line(), raw=True)


@contextlib.contextmanager
def _log_lines(
    description: str, total: int | None, completed: int
) -> Iterator[Advance]:
    begin = last = time.monotonic()
    done = completed

    def advance(steps: int = 1, /, **fields: Any) -> None:
        nonlocal done, last
        done += steps
        now = time.monotonic()
        if now - last > SECONDS_BETWEEN_LINES or (done == total and last > begin):
            last = now
            line = _line(description, done, total, begin, _note(fields))
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    yield advance


def _line(
    description: str, done: int, total: int | None, begin: float, note: str
) -> str:
    """One line, as `train  20/60  1:05  loss 0.3`."""
    count = f"{done}/{total}" if total is not None else f"{done}"
    seconds = int(time.monotonic() - begin)
    clock = f"{seconds // 60}:{seconds % 60:02d}"
    return "  ".join(filter(None, [description, count, clock, note]))


def _note(fields: dict[str, Any]) -> str:
    """Join the fields into text: `loss 0.312  dice 0.61`."""
    parts = []
    for name, value in fields.items():
        if value is None:
            continue
        text = value if isinstance(value, str | int) else f"{float(value):.4g}"
        parts.append(f"{name} {text}")
    return "  ".join(parts)


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"
