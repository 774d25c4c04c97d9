"""The pages of the commands, from the parsers of the command line."""

import argparse
import inspect
import textwrap
from collections.abc import Iterator

from autoreg_jax.cli._main import _GROUPS
from autoreg_jax.cli._parser import Parser, Verb, verb_name
from generator import _text

FOLDER = "reference/commands"


def option_pages() -> dict[str, str]:
    """Pages by path: one for each command, and their list."""
    pages = {f"{FOLDER}/index.md": _index()}
    for verb in verbs():
        pages[f"{FOLDER}/{verb_name(verb)}.md"] = "\n".join(_page(verb))
    return pages


def verbs() -> list[type[Verb]]:
    """All commands, in the order of the help of `autoreg`."""
    return [verb for group in _GROUPS.values() for verb in group]


def actions(verb: type[Verb]) -> Iterator[tuple[str, argparse.Action]]:
    """The options of a command, each with the title of its group."""
    parser = Parser(verb_name(verb), verb)
    for group in parser._action_groups:
        for action in group._group_actions:
            if action.help != argparse.SUPPRESS:
                yield group.title or "", action


def _index() -> str:
    lines = [
        "# Command line",
        "",
        "Each command prints this with `--help`. Exit codes:",
    ]
    lines += ["0 done; 1 the run failed; 2 wrong command, configuration or data; 130"]
    lines += ["interrupted (Ctrl-C); 143 terminated (SIGTERM); 141 nothing reads the"]
    lines += ["output any more.", ""]
    for title, group in _GROUPS.items():
        lines += [f"## {title.capitalize()}", ""]
        for verb in group:
            name = verb_name(verb)
            first = _text.inline((inspect.getdoc(verb) or "").splitlines()[0])
            lines.append(f"- [`autoreg {name}`]({name}.md): {first}")
        lines.append("")
    lines += ["```{toctree}", ":hidden:", ""]
    return "\n".join([*lines, *(verb_name(verb) for verb in verbs()), "```", ""])


def _page(verb: type[Verb]) -> Iterator[str]:
    name = verb_name(verb)
    usage = [f"autoreg {name} {line}" for line in verb.usage.splitlines()]
    yield from (f"# autoreg {name}", "", "```text", *usage, "```", "")
    doc = inspect.getdoc(verb) or ""
    text, _, examples = doc.partition("\nExamples:\n")
    if not examples:
        text, _, examples = doc.partition("\nExample:\n")
    yield _text.body(text)
    yield ""
    if examples:
        yield from ("```sh", textwrap.dedent(examples), "```", "")
    yield from (f"```{{program}} autoreg {name}", "```", "")
    before = ""
    for title, action in actions(verb):
        if title != before:
            yield from (f"## {title.capitalize()}", "")
            before = title
        yield from (f":::{{option}} {', '.join(names(action))}", "")
        yield from (_text.inline(action.help or ""), "")
        if action.choices:
            yield from (f"One of {', '.join(f'`{c}`' for c in action.choices)}.", "")
        yield from (":::", "")
    for old, new in verb.renamed.items():
        yield from (f"`{old}` is the old name of `{new}` and still understood.", "")


def names(action: argparse.Action) -> list[str]:
    """How an option is written, each name with its value."""
    value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
    if isinstance(value, tuple):
        value = " ".join(value)
    more = " ..." if action.nargs == argparse.ONE_OR_MORE else ""
    if not action.option_strings:
        return [f"{value}{more}"]
    if action.nargs == 0:
        return [*action.option_strings]
    return [f"{word} {value}{more}" for word in action.option_strings]
