"""Signatures as they are written in the source, with their types."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from generator._source import text_of


@dataclass(frozen=True)
class Member:
    """A method or property of a class.

    Attributes:
        kind: `method` or `property`, as Sphinx calls them.
        title: Name and signature.
        flags: Options of the directive.
        doc: Docstring.
    """

    kind: str
    title: str
    flags: tuple[str, ...]
    doc: str


def signature(
    node: ast.FunctionDef | ast.ClassDef, known: Mapping[str, ast.ClassDef]
) -> str:
    """What is between the parentheses, and the type of the result.

    Args:
        node: A function, or a class, whose signature is that of its `__init__` or
            `__new__` or the list of its fields.
        known: Classes of the module, in which bases are looked up.
    """
    if isinstance(node, ast.ClassDef):
        return f"({_of_class(node, known)})"
    result = f" -> {annotation(node.returns)}" if node.returns else ""
    return f"({_arguments(node.args)}){result}"


def annotation(node: ast.expr) -> str:
    """A type on one line; quotes around a class that is defined later are left out."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return ast.unparse(node)


def members(node: ast.ClassDef) -> Iterator[Member]:
    """Public methods and properties, in the order of the source."""
    for one in node.body:
        if not isinstance(one, ast.FunctionDef) or one.name.startswith("_"):
            continue
        words = {ast.unparse(word).rpartition(".")[2] for word in one.decorator_list}
        doc = ast.get_docstring(one) or ""
        if words & {"property", "cached_property"}:
            kind = f":type: {annotation(one.returns)}" if one.returns else ""
            yield Member("property", one.name, (kind,), doc)
            continue
        is_static, is_class = "staticmethod" in words, "classmethod" in words
        result = f" -> {annotation(one.returns)}" if one.returns else ""
        skip = 0 if is_static else 1
        title = f"{one.name}({_arguments(one.args, skip)}){result}"
        flag = ":staticmethod:" if is_static else ":classmethod:" if is_class else ""
        yield Member("method", title, (flag,), doc)


def field_texts(node: ast.ClassDef) -> dict[str, str]:
    """The texts under the fields of a class."""
    after = [*node.body[1:], None]
    return {
        ast.unparse(one.target): text_of(below)
        for one, below in zip(node.body, after, strict=True)
        if isinstance(one, ast.AnnAssign) and text_of(below)
    }


def _arguments(given: ast.arguments, skip: int = 0) -> str:
    """Arguments as written, without the first few."""
    positional = [*given.posonlyargs, *given.args]
    kept = positional[skip:]
    first = len(positional) - len(given.defaults)
    parts = [
        _argument(one, given.defaults[i - first] if i >= first else None)
        for i, one in enumerate(positional)
        if one in kept
    ]
    if given.posonlyargs[skip:]:
        parts.insert(len(given.posonlyargs) - skip, "/")
    if given.vararg:
        parts.append(f"*{_argument(given.vararg, None)}")
    elif given.kwonlyargs:
        parts.append("*")
    pairs = zip(given.kwonlyargs, given.kw_defaults, strict=True)
    parts += [_argument(one, default) for one, default in pairs]
    if given.kwarg:
        parts.append(f"**{_argument(given.kwarg, None)}")
    return ", ".join(parts)


def _argument(one: ast.arg, default: ast.expr | None) -> str:
    kind = f": {annotation(one.annotation)}" if one.annotation else ""
    equals = " = " if kind else "="
    return f"{one.arg}{kind}" + (f"{equals}{ast.unparse(default)}" if default else "")


def _of_class(node: ast.ClassDef, known: Mapping[str, ast.ClassDef]) -> str:
    made = {one.name: one for one in node.body if isinstance(one, ast.FunctionDef)}
    for name in ("__init__", "__new__"):
        if name in made:
            return _arguments(made[name].args, 1)
    fields = [one for one in node.body if isinstance(one, ast.AnnAssign)]
    parts = [
        _field(one)
        for one in fields
        if isinstance(one.target, ast.Name)
        and not one.target.id.startswith("_")
        and "ClassVar" not in ast.unparse(one.annotation)
    ]
    for base in [] if parts else node.bases:
        if isinstance(base, ast.Name) and base.id in known:
            return _of_class(known[base.id], known)
    return ", ".join(parts)


def _field(one: ast.AnnAssign) -> str:
    text = f"{ast.unparse(one.target)}: {annotation(one.annotation)}"
    if one.value is None:
        return text
    is_made = isinstance(one.value, ast.Call) and ast.unparse(one.value.func) == "field"
    return f"{text} = {'...' if is_made else ast.unparse(one.value)}"
