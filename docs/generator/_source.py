"""The public names of the package and their source, read without importing it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path

PACKAGE = "autoreg_jax"
Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign | None


@dataclass(frozen=True)
class Name:
    """A public name.

    Attributes:
        door: The package whose `__all__` lists it.
        name: The name at this door.
        module: The module that defines it, dotted.
        node: Its definition; None: the name is itself a package.
        doc: Its docstring, or the text under the value; empty if there is none.
    """

    door: str
    name: str
    module: str
    node: Definition
    doc: str

    @property
    def full(self) -> str:
        """The dotted name."""
        return f"{self.door}.{self.name}"

    @property
    def origin(self) -> tuple[str, str]:
        """Equal for two names of one object."""
        is_package = self.node is None
        return self.module, "" if is_package else self.name


def doors(root: Path) -> dict[str, tuple[str, ...]]:
    """Each package of the folder that has an `__all__`, and what it lists.

    Args:
        root: The folder that holds the package.
    """
    found = {}
    for path in sorted((root / PACKAGE).rglob("__init__.py")):
        listed = _values(path).get("__all__")
        if listed is not None and listed[0].value is not None:
            name = ".".join(path.parent.relative_to(root).parts)
            found[name] = tuple(ast.literal_eval(listed[0].value))
    return found


def names(root: Path) -> Iterator[Name]:
    """All public names, those of the outermost doors first."""
    listed = doors(root)
    for door in sorted(listed, key=lambda one: (one.count("."), one)):
        for name in listed[door]:
            module, node, doc = _find(root, door, name)
            yield Name(door, name, module, node, doc)


def door_doc(root: Path, door: str) -> str:
    """The docstring of a package."""
    return ast.get_docstring(_tree(_path(root, door))) or ""


def source_of(root: Path, name: Name) -> str:
    """The text of a definition."""
    assert name.node is not None
    lines = _lines(_path(root, name.module))
    return "\n".join(lines[name.node.lineno - 1 : name.node.end_lineno])


def classes(root: Path, module: str) -> dict[str, ast.ClassDef]:
    """The classes that a module defines, private ones as well."""
    body = _tree(_path(root, module)).body
    return {node.name: node for node in body if isinstance(node, ast.ClassDef)}


def _find(root: Path, module: str, name: str) -> tuple[str, Definition, str]:
    """Follow the imports of a name to its definition."""
    path = _path(root, module)
    for node in _tree(path).body:
        kinds = (ast.FunctionDef, ast.ClassDef)
        if isinstance(node, kinds) and node.name == name:
            return module, node, ast.get_docstring(node) or ""
    if name in _values(path):
        node, doc = _values(path)[name]
        return module, node, doc or _comment_above(path, node.lineno)
    if name not in _imports(path):
        raise LookupError(f"{module}: lists {name} in __all__ and does not define it.")
    there, original = _imports(path)[name]
    if there == module:  # `from package import subpackage`
        package = f"{module}.{original}"
        return package, None, door_doc(root, package)
    return _find(root, there, original)


@cache
def _imports(path: Path) -> dict[str, tuple[str, str]]:
    """Imported names: the module of each, and its name there."""
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


@cache
def _values(path: Path) -> dict[str, tuple[ast.Assign | ast.AnnAssign, str]]:
    """Assignments of a module by name, with the text below each, or above."""
    found, body = {}, _tree(path).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
        for target in targets:
            parts = target.elts if isinstance(target, ast.Tuple) else [target]
            for part in parts:
                if isinstance(part, ast.Name):
                    found[part.id] = node, text_of(after)
    return found


def text_of(node: ast.AST | None) -> str:
    """The text of a bare string, as it stands under a value or a field."""
    if (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ):
        lines = node.value.value.strip().splitlines()
        return "\n".join([lines[0], *(line.strip() for line in lines[1:])])
    return ""


def _comment_above(path: Path, line: int) -> str:
    """The comment that stands directly above a line, counted from 1."""
    above = _lines(path)[: line - 1]
    said = takewhile(lambda one: one.startswith("# "), reversed(above))
    return "\n".join(one[2:] for one in reversed([*said]))


def _path(root: Path, module: str) -> Path:
    path = root.joinpath(*module.split("."))
    file = path.with_suffix(".py")
    return file if file.is_file() else path / "__init__.py"


@cache
def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
