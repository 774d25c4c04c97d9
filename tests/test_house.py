"""The rules of the house, which no reader should have to check by eye."""

import ast
import dataclasses
import importlib
import re
import shutil
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

import autoreg_jax
from autoreg_jax import config
from autoreg_jax.losses import PAPER_WEIGHTS, TERMS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "autoreg_jax"
# What makes the pages of the documentation keeps the same rules.
SITE = {ROOT / "docs" / "conf.py", *(ROOT / "docs" / "generator").glob("*.py")}
MODULES = sorted({*PACKAGE.rglob("*.py"), *SITE})
DOORS = sorted(set(PACKAGE.rglob("__init__.py")) - {PACKAGE / "__init__.py"})
TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".cff", ".ipynb", ".html", ".css", ""}


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _public(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    for node in ast.iter_child_nodes(tree):
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        if not isinstance(node, kinds) or node.name.startswith("_"):
            continue
        yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from _public(node, f"{prefix}{node.name}.")


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_module_is_short(path):
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_docstrings_everywhere(path):
    tree = ast.parse(path.read_text())
    missing = [name for name, node in _public(tree) if not ast.get_docstring(node)]
    assert ast.get_docstring(tree), "the module says nothing"
    assert not missing


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_only_the_command_line_prints(path):
    calls = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert not calls or path.is_relative_to(PACKAGE / "cli")


def _door_order(name: str) -> tuple[bool, bool, str]:
    return not name.isupper(), not name[0].isupper(), name  # as ruff sorts: A_B, Ab, ab


@pytest.mark.parametrize("path", DOORS, ids=_name)
def test_door_lists_what_it_opens(path):
    name = ".".join(path.parent.relative_to(ROOT).parts)
    tree = ast.parse(path.read_text())
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(name)
        for alias in node.names
    }
    listed = list(getattr(importlib.import_module(name), "__all__", []))
    assert listed == sorted(set(listed), key=_door_order)
    assert set(listed) >= {name for name in imported - used if name[0] != "_"}
    assert all(hasattr(importlib.import_module(name), entry) for entry in listed)


def test_root_door_is_complete():
    assert list(autoreg_jax.__all__) == sorted(autoreg_jax.__all__)
    for name in autoreg_jax.__all__:
        assert callable(getattr(autoreg_jax, name)), name
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    packages -= {"cli"}
    # Not by `dir`, which has what other tests have loaded, too.
    assert {*autoreg_jax._MODULES} == packages | {"errors"}
    assert packages <= set(dir(autoreg_jax))
    for name in packages:
        assert getattr(autoreg_jax, name).__name__ == f"autoreg_jax.{name}"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        autoreg_jax.nothing  # noqa: B018


def test_no_function_hides_a_folder():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders.isdisjoint(autoreg_jax.__all__)


def _loaded_by(statement: str) -> set[str]:
    program = f"{statement}; import sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import autoreg_jax", "jax flax optax orbax numpy nibabel matplotlib yaml"),
        ("from autoreg_jax import config", "jax flax optax orbax numpy nibabel"),
        ("from autoreg_jax import data", "jax flax optax orbax matplotlib nilearn"),
        ("from autoreg_jax import transforms", "jax flax optax orbax matplotlib"),
        ("from autoreg_jax import hypergrad", "flax orbax nibabel yaml matplotlib"),
    ],
)
def test_imports_are_light(statement, heavy):
    assert not _loaded_by(statement) & set(heavy.split())


def test_layers():
    command = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert command, "import-linter belongs to the extra `test`"
    done = subprocess.run(
        [command, "--no-cache"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr


_SPACES = ROOT / "configs" / "spaces"  # their tests are in tests/spaces
_CONFIGS = sorted({*(ROOT / "configs").rglob("*.yaml")} - {*_SPACES.glob("*.yaml")})


@pytest.mark.parametrize("path", _CONFIGS, ids=_name)
def test_configuration_loads_and_says_how_to_use_it(path):
    config.load(path)
    first, second = path.read_text().splitlines()[:2]
    assert first.startswith("# ")
    assert second.startswith("#")
    named = rf"(autoreg|--config) (configs/cluster/)?{path.stem}\b"
    assert re.search(named, second)


def _fields(kind: type) -> Iterator[tuple[str, str]]:
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        yield kind.__name__, field.name
        if dataclasses.is_dataclass(hints[field.name]):
            yield from _fields(hints[field.name])


def test_every_setting_is_read():
    folders = [
        PACKAGE / name for name in ("cli", "data", "inference", "programs", "workflows")
    ]
    sources = [path for folder in folders for path in folder.rglob("*.py")]
    read = {
        node.attr
        for path in sources
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
    }
    declared = sorted({*_fields(config.RunConfig), *_fields(config.PlanConfig)})
    # Weights of terms are read all at once, by the names that losses has.
    assert {n for kind, n in declared if kind == "ExtraTermsConfig"} == TERMS.keys()
    terms = TERMS.keys() | PAPER_WEIGHTS.keys()
    unread = [f"{kind}.{name}" for kind, name in declared if name not in read | terms]
    assert not unread


def _text_files() -> Iterator[Path]:
    for entry in sorted(ROOT.iterdir()):
        if entry.is_file() and entry.name != ".git":  # a file in a worktree
            yield entry
        elif entry.name in {".ci", "autoreg_jax", "configs", "notebooks", "tests"}:
            yield from (path for path in entry.rglob("*") if path.is_file())
        elif entry.name == "docs":  # but what `make docs` builds
            yield from (p for p in entry.rglob("*.*") if "_build" not in p.parts)


def test_no_machine_paths():
    pattern = re.compile(r"(?:^|[^A-Za-z0-9_.])/(?:home|root|tmp|work|farm)/", re.M)
    found = [
        _name(path)
        for path in _text_files()
        if path.suffix in TEXT and pattern.search(path.read_text(errors="replace"))
    ]
    assert not found
