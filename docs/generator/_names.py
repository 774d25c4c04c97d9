"""One page for each public name, from its signature and docstring."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from generator import _source, _text
from generator._signature import annotation, field_texts, members, signature

FOLDER = "reference/api"
_FIELDS = {"Args": "param", "Raises": "raises", "Warns": "raises"}


def name_pages(root: Path) -> dict[str, str]:
    """Pages by path: the doors, and one for each name.

    Args:
        root: The folder that holds the package.
    """
    listed, doors = [*_source.names(root)], _source.doors(root)
    pages, index = {f"{FOLDER}/index.md": _index(root)}, page_of(listed, {*doors})
    links = {door: _linker(door, index) for door in doors}
    for door in doors:
        here = [name for name in listed if name.door == door]
        pages[f"{FOLDER}/{door}.md"] = _door(root, door, here, index, links[door])
    same: dict[str, list[_source.Name]] = {}
    for name in listed:
        same.setdefault(index[name.full], []).append(name)
    for page, (first, *others) in same.items():
        if first.node is not None:
            also = [one.full for one in others]
            text = _page(root, first, also, links[first.door])
            pages[f"{FOLDER}/{page}.md"] = text
    return pages


def page_of(listed: list[_source.Name], doors: set[str]) -> dict[str, str]:
    """Which page describes a name: that of the outermost door that lists it.

    A function with the name of a package has a page beside that of the package.
    """
    first: dict[tuple[str, str], str] = {}
    for name in listed:
        page = name.module if name.node is None else name.full
        if name.node is not None and page in doors:
            page = f"{page}-function"
        first.setdefault(name.origin, page)
    return {name.full: first[name.origin] for name in listed}


def _linker(door: str, index: dict[str, str]) -> _text.Link:
    """Links of a door: its own names, dotted ones, and classes of any door."""

    @cache
    def link(word: str) -> str | None:
        names = [f"{door}.{word}", f"{_source.PACKAGE}.{word}"]
        if word[:1].isupper():
            names += [full for full in index if full.endswith(f".{word}")]
        pages = [index[name] for name in names if name in index]
        return f"{pages[0]}.md" if pages else None

    return link


def _index(root: Path) -> str:
    doors = _source.doors(root)
    lines = ["# Python", "", "Every public name, package by package. What is not"]
    lines += ["listed here may change without notice.", ""]
    lines += ["```{toctree}", ":maxdepth: 1", ""]
    return "\n".join([*lines, *doors, "```", ""])


def _door(
    root: Path,
    door: str,
    here: list[_source.Name],
    index: dict[str, str],
    link: _text.Link,
) -> str:
    doc = _text.body(_source.door_doc(root, door), link)
    lines = [f"# {door}", "", doc, "", "| name | |", "| --- | --- |"]
    for name in here:
        first = _text.inline(summary(name.doc), link)
        lines.append(f"| [`{name.name}`]({index[name.full]}.md) | {first} |")
    return "\n".join([*lines, ""])


def summary(doc: str) -> str:
    """The first sentence of a docstring, on one line.

    Examples:
        >>> summary("Eq. (4) as a function. It returns terms.")
        'Eq. (4) as a function.'
    """
    first = " ".join(doc.split("\n\n")[0].split())
    return re.split(r"(?<!\bEq)(?<!\bSec)(?<!\bal)(?<=\.) (?=[A-Z`λαω])", first)[0]


def _page(root: Path, name: _source.Name, others: list[str], link: _text.Link) -> str:
    lines = ["---", "orphan: true", "---", "", f"# {name.name}", ""]
    also = "".join(f", also `{other}`" for other in others)
    lines += [f"In [`{name.door}`]({name.door}.md){also}.", ""]
    lines += [f"```{{py:currentmodule}} {name.door}", "```", ""]
    return "\n".join([*lines, *_description(root, name, link), ""])


def _description(root: Path, name: _source.Name, link: _text.Link) -> Iterator[str]:
    node = name.node
    if isinstance(node, ast.ClassDef):
        known = _source.classes(root, name.module)
        yield f"::::::{{py:class}} {name.name}{signature(node, known)}"
        yield from _doc(name.doc, link)
        yield from _attributes(field_texts(node).items(), link)
        for member in members(node):
            yield f":::::{{py:{member.kind}}} {member.title}"
            yield from member.flags
            yield from _doc(member.doc, link)
            yield ":::::"
        yield "::::::"
    elif isinstance(node, ast.FunctionDef):
        yield f"::::::{{py:function}} {name.name}{signature(node, {})}"
        yield from _doc(name.doc, link)
        yield "::::::"
    else:
        yield f"::::::{{py:data}} {name.name}"
        if isinstance(node, ast.AnnAssign):
            yield f":type: {annotation(node.annotation)}"
        yield from _doc(name.doc, link)
        yield f"```python\n{_source.source_of(root, name)}\n```"
        yield "::::::"


def _doc(doc: str, link: _text.Link) -> Iterator[str]:
    """A docstring as Markdown with fields, between two empty lines."""
    yield ""
    for title, text in _text.split(doc):
        if title in _FIELDS:
            for entry, words in _text.entries(text):
                yield f":{_FIELDS[title]} {entry}: {_field(words, link)}"
        elif title == "Attributes":
            yield from _attributes(_text.entries(text), link)
        elif title == "Returns":
            yield f":returns: {_field(text, link)}"
        elif title:
            yield f"\n**{_text.SECTIONS[title]}**\n\n{_text.body(text, link)}"
        else:
            yield _text.body(text, link) + "\n"
    yield ""


def _attributes(entries: Iterable[tuple[str, str]], link: _text.Link) -> Iterator[str]:
    """A list below its title, between two empty lines; nothing without entries."""
    lines = [f"- **{name}**: {_field(words, link)}" for name, words in entries]
    if lines:
        yield from ("", "**Attributes**", "", *lines, "")


def _field(words: str, link: _text.Link) -> str:
    """The body of a field; further paragraphs are indented below the first."""
    return _text.body(words, link).replace("\n", "\n    ")
