"""The page of the settings of a run, from the dataclasses of `autoreg_jax.config`."""

import ast
import dataclasses
import inspect
import types
import typing
from collections.abc import Iterator
from functools import cache

import yaml

from autoreg_jax import config, spaces
from generator import _text
from generator._signature import field_texts

FOLDER = "reference/settings"


@dataclasses.dataclass(frozen=True)
class Setting:
    """A setting, or a section of settings.

    Attributes:
        name: Dotted name, as after `--set`.
        kind: Its type, as a configuration file has it.
        default: Its default as YAML; empty for a section.
        text: The text under the field.
        section: The class of a section, None for a setting.
    """

    name: str
    kind: str
    default: str
    text: str
    section: type | None


def setting_pages() -> dict[str, str]:
    """Pages by path: settings of a run, its plan, the presets and the spaces."""
    found = settings(config.RunConfig, base=config.RunConfig())
    heads = [one for one in found if one.section and "." not in one.name]
    pages = {f"{FOLDER}/{one.name}.md": "\n".join(_section(one)) for one in heads}
    return pages | {
        f"{FOLDER}/index.md": "\n".join(_index()),
        f"{FOLDER}/plan.md": "\n".join(_plan()),
        f"{FOLDER}/presets.md": "\n".join(_presets()),
    }


def settings(
    kind: type, prefix: str = "", base: typing.Any = None
) -> Iterator[Setting]:
    """All settings below a class, in the order of its fields.

    Args:
        kind: A dataclass of `autoreg_jax.config`.
        prefix: What is before the names, with its dot.
        base: An instance with the defaults; None: those of the fields.
    """
    hints, texts = typing.get_type_hints(kind), _texts(kind)
    for field in dataclasses.fields(kind):
        hint, name = hints[field.name], f"{prefix}{field.name}"
        value = _default(field) if base is None else getattr(base, field.name)
        section = next((k for k in _kinds(hint) if dataclasses.is_dataclass(k)), None)
        text = texts.get(field.name, "")
        if section is None:
            yield Setting(name, _words(hint), _yaml(value), text, None)
            continue
        assert isinstance(section, type)
        is_null = "section, or null" if value is None else "section"
        yield Setting(name, is_null, "null" if value is None else "", text, section)
        below = None if value is None or value is dataclasses.MISSING else value
        yield from settings(section, f"{name}.", below)


def _index() -> Iterator[str]:
    yield "# Settings of a run"
    yield ""
    yield "A setting is given by `--set NAME=VALUE`, in a YAML file (`--config FILE`),"
    yield "or to `autoreg_jax.config.override`; nested sections are joined by dots."
    yield "Unknown names and values out of range are refused. The `config.yaml` of a"
    yield "run folder has them all."
    yield ""
    found = [*settings(config.RunConfig, base=config.RunConfig())]
    sections = [one for one in found if one.section and "." not in one.name]
    for one in found:
        if one.section is None and "." not in one.name:
            yield from _entry(one)
    yield from ("| section | |", "| --- | --- |")
    for one in sections:
        yield f"| [`{one.name}`]({one.name}.md) | {_flat(one.text)} |"
    yield "| [plan](plan.md) | What `autoreg plan` derives from the data. |"
    yield "| [presets](presets.md) | Sets of settings that come with the package. |"
    yield from ("", "```{toctree}", ":hidden:", "")
    yield from (*(one.name for one in sections), "plan", "presets", "```", "")


def _section(head: Setting) -> Iterator[str]:
    assert head.section is not None
    base = getattr(config.RunConfig(), head.name)
    yield from (f"# {head.name}", "")
    doc = inspect.getdoc(head.section) or ""
    yield from (_text.body(doc), "")
    for one in settings(head.section, f"{head.name}.", base):
        yield from _entry(one)


def _plan() -> Iterator[str]:
    yield "# The plan of a run"
    yield ""
    yield "`autoreg plan` derives these values from the data and writes them, each"
    yield "with its reason, to `plan.yaml`, which may be edited before a search or a"
    yield "training."
    yield ""
    for one in settings(config.PlanConfig):
        yield from _entry(one, "plan-")


def _entry(one: Setting, prefix: str = "setting-") -> Iterator[str]:
    """A heading for a section, a term of a list for a setting."""
    yield f"({prefix}{one.name.replace('.', '-')})="
    if one.section is not None:
        level = "#" * (one.name.count(".") + 1 or 2)
        null = " May be null." if "null" in one.kind else ""
        yield from (f"{level if level != '#' else '##'} {one.name}", "")
        yield from (f"{_flat(one.text)}{null}", "")
        return
    default = f", default `{one.default}`" if one.default else ", must be given"
    yield from (f"`{one.name}`", f": {one.kind}{default}", "")
    yield from (f"  {_flat(one.text)}", "")


def _flat(text: str) -> str:
    return _text.inline(" ".join(text.split()))


def _presets() -> Iterator[str]:
    yield "# Presets and search spaces"
    yield ""
    yield "`--config NAME` takes one of these; a file of your own may hold any part of"
    yield "it. What a preset does not name keeps its default."
    yield ""
    for name in config.preset_names():
        yield from (f"## {name}", "", "```yaml")
        yield from (config.preset_text(name).rstrip(), "```", "")
    for name in spaces.space_names():
        yield from (f"## Space {name}", "", "`--space` takes it.", "", "```yaml")
        yield from (spaces.space_text(name).rstrip(), "```", "")


@cache
def _texts(kind: type) -> dict[str, str]:
    source = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(source, ast.ClassDef)
    return field_texts(source)


def _default(field: dataclasses.Field) -> typing.Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _kinds(hint: typing.Any) -> tuple[typing.Any, ...]:
    is_union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    return typing.get_args(hint) if is_union else (hint,)


def _yaml(value: typing.Any) -> str:
    if value is dataclasses.MISSING:
        return ""
    plain = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True)
    return text.removesuffix("...\n").strip()


_NAMES = {bool: "true or false", int: "whole number", float: "number", str: "text"}


def _words(hint: typing.Any) -> str:
    """A type in words.

    Examples:
        >>> _words(tuple[int, ...] | None)
        'list of whole numbers, or null'
    """
    if len(_kinds(hint)) > 1:
        inner = [kind for kind in _kinds(hint) if kind is not types.NoneType]
        return f"{_words(inner[0])}, or null"
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return " | ".join(f"`{word}`" for word in arguments)
    if origin is tuple:
        return f"list of {_several(_words(arguments[0]))}"
    if origin is dict:
        return "names and values"
    return _NAMES[hint]


def _several(word: str) -> str:
    return word if word.startswith("`") or word == "text" else f"{word}s"
