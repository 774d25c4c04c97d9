"""The page of all error messages, from the places where they are raised."""

import ast
from collections.abc import Iterator
from pathlib import Path

from generator import _text
from generator._source import PACKAGE

PATH = "reference/messages.md"


def message_page(root: Path) -> dict[str, str]:
    """The page by its path.

    Args:
        root: The folder that holds the package.
    """
    kinds = _kinds(root)
    found: dict[str, set[str]] = {kind: set() for kind in kinds}
    for path in sorted((root / PACKAGE).rglob("*.py")):
        for kind, words in messages(ast.parse(path.read_text(encoding="utf-8"))):
            if kind in found:
                found[kind].add(words)
    lines = ["# Error messages", ""]
    lines += [
        "What the package raises deliberately; … stands for a name, a number, or a"
    ]
    lines += [
        "part that is put in where it is raised. Each says what is wrong and what"
    ]
    lines += [
        "to do. On the command line it is printed as a sentence, without a traceback"
    ]
    lines += ["(`AUTOREG_DEBUG=1` shows that)."]
    for kind, doc in kinds.items():
        if texts := sorted(found[kind]):
            lines += ["", f"## {kind}", "", _text.inline(doc), ""]
            lines += [f"- {_text.escape(words)}" for words in texts]
    return {PATH: "\n".join([*lines, ""])}


def messages(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Class and text of each error that is raised, with … for what is filled in.

    Examples:
        >>> list(messages(ast.parse("raise DataError(f'{path}: is empty.')")))
        [('DataError', '…: is empty.')]
    """
    for node in ast.walk(tree):
        if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
            continue
        words = [words for one in node.exc.args if (words := _words(one))]
        kind = node.exc.func
        if words and isinstance(kind, ast.Name) and words[0].strip("…: ;"):
            yield kind.id, words[0]


def _words(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(
            _words(part) if isinstance(part, ast.Constant) else "…"
            for part in node.values
        )
    if isinstance(node, ast.BinOp):
        return (_words(node.left) or "…") + (_words(node.right) or "…")
    return ""


def _kinds(root: Path) -> dict[str, str]:
    """The classes of `autoreg_jax.errors` and the first sentence of each."""
    source = (root / PACKAGE / "errors.py").read_text(encoding="utf-8")
    return {
        node.name: (ast.get_docstring(node) or "").splitlines()[0]
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef)
    }
