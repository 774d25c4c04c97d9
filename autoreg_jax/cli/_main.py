"""Finds the verb of a command, runs it and turns errors into exit codes."""

import argparse
import contextlib
import difflib
import inspect
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from autoreg_jax import __version__
from autoreg_jax.cli._apply import Apply
from autoreg_jax.cli._auto import Auto, Demo
from autoreg_jax.cli._bench import Bench
from autoreg_jax.cli._cohort import RegisterSeries, Template
from autoreg_jax.cli._compare import Compare
from autoreg_jax.cli._doctor import Doctor
from autoreg_jax.cli._os_errors import explain_os_error
from autoreg_jax.cli._parser import Parser, Verb, verb_name
from autoreg_jax.cli._plan import Plan
from autoreg_jax.cli._printable import PrintableFormatter, printable
from autoreg_jax.cli._register import Register
from autoreg_jax.cli._reproduce import Reproduce
from autoreg_jax.cli._signals import (
    INTERRUPTED,
    TERMINATED,
    Terminated,
    interruptible,
)
from autoreg_jax.cli._steps import Evaluate, Report, Search, Train
from autoreg_jax.errors import AutoRegError, ImageWarning, NonFiniteError

DONE, FAILED, WRONG, BROKEN_PIPE = 0, 1, 2, 141

# Groups of the help of `autoreg`.
_GROUPS: dict[str, tuple[type[Verb], ...]] = {
    "register": (Register, Apply),
    "many images together": (Template, RegisterSeries),
    "train a network for your data": (Auto, Demo),
    "the same step by step": (Plan, Search, Train, Evaluate, Report),
    "studies": (Bench, Compare, Reproduce),
    "installation": (Doctor,),
}
_VERBS = {verb_name(verb): verb for group in _GROUPS.values() for verb in group}
_ABOUT = "Self-configuring deformable medical image registration."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Words after `autoreg`; those of this process by default.

    Returns:
        0: done; 1: the run failed; 2: wrong command, configuration or data; 130:
        interrupted (Ctrl-C); 143: terminated (SIGTERM); 141: stopped, since nothing
        reads its output any more.
    """
    # XLA warns in 4 kB, for each program from the cache, about the processor feature
    # "prefer-no-gather", which does not exist.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a letter shows its number.
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # pyright: ignore
    words = list(sys.argv[1:] if arguments is None else arguments)
    code = DONE
    with interruptible(is_last=arguments is None):
        code = _printed(words)
    return code


def _printed(words: list[str]) -> int:
    """Run one command, and see that its output is written."""
    code = DONE
    try:
        code = _run(words)
        if sys.stdout is not None:  # closed by `>&-`
            sys.stdout.flush()
    except BrokenPipeError:  # `autoreg --help | head`
        _discard_output()
    except OSError as error:
        _discard_output()
        _say(f"autoreg: the standard output cannot be written ({error.strerror}).")
        code = FAILED
    return code


def _run(words: list[str]) -> int:
    """Run one command; errors become sentences and exit codes."""
    try:
        name, verb, options = _parse(words)
    except SystemExit as stop:  # after help, or an error message
        return stop.code if isinstance(stop.code, int) else WRONG
    try:
        with _log_to_stderr(), _warnings_to_stderr(name):
            return verb.run(options)
    except KeyboardInterrupt as error:
        is_killed = isinstance(error, Terminated)
        how = "terminated" if is_killed else "interrupted"
        _say(f"autoreg {name}: {how}. {verb.after_interrupt(options)}")
        return TERMINATED if is_killed else INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return BROKEN_PIPE
    except Exception as error:
        if os.environ.get("AUTOREG_DEBUG"):
            raise
        text, code = _explain(error)
        _say(f"autoreg {name}: {text}")
        return code


def _discard_output() -> None:
    """Keep Python from complaining about a closed pipe when it exits."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _explain(error: Exception) -> tuple[str, int]:
    """A sentence with a remedy, and the exit code.

    Raises:
        Exception: The error itself, if it is a fault of this program.
    """
    if isinstance(error, AutoRegError):
        return str(error), FAILED if isinstance(error, NonFiniteError) else WRONG
    if isinstance(error, OSError):
        return explain_os_error(error)
    if isinstance(error, (RuntimeError, AssertionError)):
        from autoreg_jax.runtime import missing_platform

        if text := missing_platform():
            return text, WRONG
    raise error


def _parse(words: list[str]) -> tuple[str, type[Verb], argparse.Namespace]:
    """The name of the verb, the verb and its options; exits after help and errors."""
    name, *rest = words or [""]
    if name in _VERBS:
        return name, _VERBS[name], Parser(name, _VERBS[name]).parse(rest)
    if name == "--version":
        print(f"autoreg {__version__}")
    elif name in ("-h", "--help"):
        print(_help())
    else:
        near = difflib.get_close_matches(name, _VERBS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"use {', '.join(_VERBS)}."
        _say(f"autoreg: {f'unknown command {name}' if name else 'no command'}; {hint}")
        raise SystemExit(WRONG)
    raise SystemExit(DONE)


def _help() -> str:
    """All verbs, each with the first line of its help."""
    lines = ["usage: autoreg COMMAND [options]", "", _ABOUT]
    for title, verbs in _GROUPS.items():
        lines += ["", f"{title}:"]
        for verb in verbs:
            summary = (inspect.getdoc(verb) or "").splitlines()[0]
            lines.append(f"  {verb_name(verb):<17}{summary}")
    return "\n".join([*lines, "", "See autoreg COMMAND --help, autoreg --version"])


@contextmanager
def _log_to_stderr() -> Iterator[None]:
    """Show the log of the package on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PrintableFormatter("%(message)s"))
    logger = logging.getLogger("autoreg_jax")
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    # If a library adds a handler to the root logger, each line would appear twice.
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


@contextmanager
def _warnings_to_stderr(name: str) -> Iterator[None]:
    """Print each warning about a file once, as a sentence."""
    said: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("always", ImageWarning)
        show = warnings.showwarning

        def say(message, category, *place, **more) -> None:
            if not issubclass(category, ImageWarning):
                show(message, category, *place, **more)
            # Not again with the name of a pair before it.
            elif not str(message).endswith(tuple(said)):
                said.add(str(message))
                _say(f"autoreg {name}: warning: {message}")

        warnings.showwarning = say
        yield


def _say(text: str) -> None:
    print(printable(text), file=sys.stderr)
