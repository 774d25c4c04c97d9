"""What all verbs have in common: strict options and a help that fits one screen."""

import argparse
import difflib
import inspect
import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import ClassVar, NoReturn

WRONG = 2
# `~/x`, `--output=~/x`, `-o~/x`, `NAME=~/x`, `[~/x.mat,1]`: what is before the path.
_BEFORE_HOME = re.compile(r"(?:\[|-\w|-{0,2}[\w-]+=)?(?=~)")

_NEGATIVE = re.compile(r"-(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$", re.IGNORECASE)


class Verb:
    """A command of `autoreg`. The docstring of a verb is the text of its help.

    Attributes:
        usage: What follows the name of the verb, e.g. "DATASET -o RUN [options]".
        renamed: New names of options by their old ones, which are still understood.
        interrupted: Sentence for the user who pressed Ctrl-C, with options in braces.
    """

    usage = "[options]"
    renamed: ClassVar[Mapping[str, str]] = {}
    interrupted = "Nothing was written."

    @staticmethod
    def add_options(parser: argparse.ArgumentParser) -> None:
        """Add the options in groups, the most used first."""

    @staticmethod
    def run(options: argparse.Namespace) -> int:
        """Do the work, print the result and return the exit code."""
        raise NotImplementedError

    @classmethod
    def after_interrupt(cls, options: argparse.Namespace) -> str:
        """What is left after Ctrl-C, and how to continue."""
        words = {name: shlex.quote(str(value)) for name, value in vars(options).items()}
        return cls.interrupted.format(**words)


def verb_name(verb: type[Verb]) -> str:
    """How a verb is typed: its words with hyphens.

    Examples:
        >>> verb_name(type("RegisterSeries", (Verb,), {}))
        'register-series'
    """
    return re.sub(r"(?<!^)(?=[A-Z])", "-", verb.__name__).lower()


class Parser(argparse.ArgumentParser):
    """The parser of one verb. Errors are one sentence, and options are never guessed.

    Args:
        name: The verb as it is typed.
        verb: The verb.
    """

    def __init__(self, name: str, verb: type[Verb]) -> None:
        lines = verb.usage.splitlines()
        super().__init__(
            prog=f"autoreg {name}",
            usage="\n       ".join(f"autoreg {name} {line}" for line in lines),
            description=inspect.getdoc(verb),
            formatter_class=_Format,
            allow_abbrev=False,
            add_help=False,
        )
        self._renamed = verb.renamed
        # Also -1e3 is a number; argparse of Python 3.11 to 3.13 knows -1000 alone.
        self._negative_number_matcher = _NEGATIVE
        self.add_argument("-h", "--help", action="help", help=argparse.SUPPRESS)
        verb.add_options(self)
        group = self.add_argument_group("printing")
        group.add_argument("--json", action="store_true", help="print JSON")

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse the words after the verb; exits after help and after mistakes."""
        options, unknown = self.parse_known_args([self._current(w) for w in words])
        if unknown:
            known = [name for name in self._option_string_actions if name[:2] == "--"]
            near = difflib.get_close_matches(unknown[0].partition("=")[0], known, n=1)
            hint = f"; did you mean {near[0]}?" if near else "."
            self.error(f"unknown argument {unknown[0]}{hint}")
        return options

    def _current(self, word: str) -> str:
        """An option by its present name, with hyphens; `~` is the home folder."""
        if found := _BEFORE_HOME.match(word):
            word = found[0] + os.path.expanduser(word[found.end() :])  # noqa: PTH111
        name, sign, value = word.partition("=")
        if not name.startswith("--"):
            return word
        name = name.replace("_", "-")
        if name in self._renamed:
            new = self._renamed[name]
            print(f"{self.prog}: {name} is now {new}.", file=sys.stderr)
            name = new
        return name + sign + value

    def error(self, message: str) -> NoReturn:
        """Print one sentence and exit with 2."""
        ending = "" if message[-1] in ".?" else "."
        self.exit(WRONG, f"{self.prog}: {message}{ending} See {self.prog} --help\n")


class _Format(argparse.RawDescriptionHelpFormatter):
    """Descriptions as they are written, `-f, --fixed PATH`, at most 80 columns."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=80)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        default = self._get_default_metavar_for_optional(action)
        names = ", ".join(action.option_strings)
        return f"{names} {self._format_args(action, default)}"

    def _format_args(self, action: argparse.Action, default_metavar: str) -> str:
        if action.nargs == argparse.ONE_OR_MORE:
            return f"{action.metavar} ..."
        return super()._format_args(action, default_metavar)
