"""Docstrings of the package as MyST Markdown."""

import re
from collections.abc import Callable, Iterator

# Titles of Google docstrings, and how a page calls them.
SECTIONS = {
    "Args": "Parameters",
    "Attributes": "Attributes",
    "Returns": "Returns",
    "Raises": "Raises",
    "Warns": "Warns",
    "Examples": "Examples",
    "Example": "Examples",
    "References": "References",
}
_TITLE = re.compile(rf"({'|'.join(SECTIONS)}):$")
_CODE = re.compile(r"(`+)(.+?)\1", re.DOTALL)
_ITEM = re.compile(r"(\*{0,2}[\w.]+)(?: \([^)]*\))?: ")

Link = Callable[[str], str | None]


def no_link(word: str) -> str | None:
    """Nothing is a link."""
    return None


def escape(text: str) -> str:
    r"""Text that Markdown shows as it is.

    Examples:
        >>> escape("a*b < |c|")
        'a\\*b \\< \\|c\\|'
    """
    return re.sub(r"([\\`*_<>\[\]{}$|~#^])", r"\\\1", text)


def inline(text: str, link: Link = no_link) -> str:
    r"""One paragraph: what stands between backticks is code, or a link to its page.

    Examples:
        >>> inline("a_b of `c_d`")
        'a\\_b of `c_d`'
    """
    parts, at = [], 0
    for found in _CODE.finditer(text):
        parts.append(escape(text[at : found.start()]))
        code, target = " ".join(found[2].split()), link(found[2])
        ticks = found[1]
        parts.append(f"{ticks}{code}{ticks}")
        if target is not None:
            parts[-1] = f"[{parts[-1]}]({target})"
        at = found.end()
    parts.append(escape(text[at:]))
    # A number or a sign at the beginning of a line would begin a list.
    return re.sub(r"(?m)^(\s*)(\d+)([.)]\s)", r"\1\2\\\3", "".join(parts))


def body(text: str, link: Link = no_link) -> str:
    """Paragraphs, lists, and indented formulas and examples."""
    return "\n\n".join(_blocks(text.strip("\n"), link))


def split(doc: str) -> Iterator[tuple[str, str]]:
    r"""The sections of a docstring: its text (title "") and those of `SECTIONS`.

    Examples:
        >>> list(split("One.\n\nArgs:\n    x: A number."))
        [('', 'One.'), ('Args', 'x: A number.')]
    """
    title, lines = "", []
    for line in doc.splitlines():
        if found := _TITLE.match(line):
            yield title, _dedent(lines)
            title, lines = found[1], []
        else:
            lines.append(line)
    yield title, _dedent(lines)


def entries(text: str) -> Iterator[tuple[str, str]]:
    r"""Names and texts of a section of `name: text`; a line without a name goes on.

    Examples:
        >>> list(entries("x: A number,\n    positive.\ny: Another."))
        [('x', 'A number,\npositive.'), ('y', 'Another.')]
    """
    name, lines = "", []
    for line in text.splitlines():
        found = _ITEM.match(line)
        if found and not line.startswith(" "):
            if name or any(lines):
                yield name, _dedent(lines)
            name, lines = found[1], [" " * 4 + line[found.end() :]]
        else:
            lines.append(line)
    yield name, _dedent(lines)


def _dedent(lines: list[str]) -> str:
    filled = [len(line) - len(line.lstrip()) for line in lines if line.strip()]
    cut = min(filled, default=0)
    return "\n".join(line[cut:].rstrip() for line in lines).strip("\n")


def _blocks(text: str, link: Link) -> Iterator[str]:
    """Blocks of lines that belong together, as Markdown."""
    lines: list[str] = []
    is_code = False
    for line in [*text.splitlines(), ""]:
        starts_code = line.startswith("    ") and not (lines and not is_code)
        begins = not line.strip() or (is_code and not line.startswith("    "))
        if begins and lines and not (is_code and not line.strip()):
            yield _block(lines, is_code, link)
            lines, is_code = [], False
        if line.strip() or (is_code and lines):
            if line.startswith(">>>") and lines and not lines[0].startswith(">>>"):
                yield _block(lines, is_code, link)
                lines = []
            is_code = is_code or (starts_code and not lines)
            lines.append(line)
    if lines:
        yield _block(lines, is_code, link)


def _block(lines: list[str], is_code: bool, link: Link) -> str:
    if lines[0].startswith(">>>"):
        return "```pycon\n" + "\n".join(lines) + "\n```"
    if is_code:
        return "```text\n" + _dedent(lines) + "\n```"
    if not lines[0].startswith("- "):
        text = "\n".join(lines)
        return inline(re.sub(r"::$", ":", text), link)
    items = re.split(r"(?m)^- ", "\n".join(lines))[1:]
    return "\n".join("- " + inline(_flat(item), link) for item in items)


def _flat(text: str) -> str:
    return " ".join(text.split())
