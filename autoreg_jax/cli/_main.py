"""Finds the verb of a command, runs it and turns errors into an exit code."""

import errno
import inspect
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial, reduce
from operator import or_
from typing import Annotated, Any

import tyro

from autoreg_jax import __version__
from autoreg_jax.cli._apply import Apply
from autoreg_jax.cli._auto import Auto, Demo
from autoreg_jax.cli._bench import Bench
from autoreg_jax.cli._compare import Compare
from autoreg_jax.cli._doctor import Doctor
from autoreg_jax.cli._parser import Parser, Verb
from autoreg_jax.cli._plan import Plan
from autoreg_jax.cli._register import Register
from autoreg_jax.cli._reproduce import Reproduce
from autoreg_jax.cli._steps import Evaluate, Report, Search, Train
from autoreg_jax.errors import AutoRegError, NonFiniteError

DONE, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130

_VERBS: dict[str, type[Any]] = {
    verb.__name__.lower(): verb
    for verb in (
        Demo,
        Auto,
        Plan,
        Search,
        Train,
        Evaluate,
        Report,
        Register,
        Apply,
        Bench,
        Compare,
        Reproduce,
        Doctor,
    )
}
_ABOUT = "Self-configuring deformable medical image registration."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Words after `autoreg`; those of this process by default.

    Returns:
        0 done, 1 the run failed, 2 the command, a configuration or the data are wrong,
        130 interrupted.
    """
    # Of every program that it takes from the cache XLA says, in 4 kB, that it knows no
    # processor with the instruction "prefer-no-gather", which is none.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        name, run, after_interrupt = _parse(words)
    except SystemExit as stop:  # help, or a mistake that tyro has explained
        return stop.code if isinstance(stop.code, int) else WRONG
    try:
        with _log_to_stderr():
            return run()
    except KeyboardInterrupt:
        _say(f"autoreg {name}: interrupted. {after_interrupt()}")
        return INTERRUPTED
    except (AutoRegError, OSError) as error:
        if os.environ.get("AUTOREG_DEBUG"):
            raise
        text, code = _explain(error)
        _say(f"autoreg {name}: {text}")
        return code


def _explain(error: AutoRegError | OSError) -> tuple[str, int]:
    """A sentence with a remedy, and the exit code."""
    if isinstance(error, AutoRegError):
        return str(error), FAILED if isinstance(error, NonFiniteError) else WRONG
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"{error.filename}: no space is left to write it; free some and go on with "
            "--resume where there is something to resume, or name another folder."
        ), FAILED
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{error.filename}: cannot be written ({error.strerror}); change the "
            "permissions, or name another folder."
        ), WRONG
    return str(error), FAILED


def _parse(words: list[str]) -> tuple[str, Any, Any]:
    """The verb and its options; exits where there is nothing to run."""
    style = (tyro.conf.FlagCreatePairsOff,)
    if words == ["--version"]:
        print(f"autoreg {__version__}")
        raise SystemExit(DONE)
    if words and words[0] in _VERBS:
        kind = _VERBS[words[0]]
        if issubclass(kind, Verb):
            options = Parser(words[0], kind).parse(words[1:])
            run, after = (partial(f, options) for f in (kind.run, kind.after_interrupt))
            return words[0], run, after
        about = inspect.getdoc(kind)
        program = f"autoreg {words[0]}"
        verb = tyro.cli(
            kind, args=words[1:], prog=program, description=about, config=style
        )
        return words[0], verb.run, lambda: verb.after_interrupt
    # Help for everything, and tyro's advice on a verb that it does not know.
    choices = (
        Annotated[kind, tyro.conf.subcommand(name, description=_summary(kind))]
        for name, kind in _VERBS.items()
    )
    every: Any = reduce(or_, choices)
    tyro.cli(every, args=words, prog="autoreg", description=_ABOUT, config=style)
    raise SystemExit(WRONG)


def _summary(kind: type[Any]) -> str:
    """First line of a docstring."""
    return (inspect.getdoc(kind) or "").splitlines()[0]


@contextmanager
def _log_to_stderr() -> Iterator[None]:
    """Show what the package reports, warnings of others as they come."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("autoreg_jax")
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    # A library may give the root logger a handler of its own: every line twice.
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


def _say(text: str) -> None:
    print(text, file=sys.stderr)
