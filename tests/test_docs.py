"""The reference is complete, and the pages of the documentation are correct.

What is generated is compared with the package as it is imported, run and asked for
help; the pages that people wrote are read word by word. Sphinx is not needed.
"""

import importlib
import re
import shlex
import shutil
from pathlib import Path

import generator
import numpy as np
import pytest
import yaml

from autoreg_jax import config, data
from autoreg_jax.cli._main import _VERBS
from autoreg_jax.cli._parser import Parser
from autoreg_jax.transforms import Transform

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
API = "reference/api/"


@pytest.fixture(scope="module")
def made():
    """All generated pages by path."""
    return generator.pages(ROOT)


def doors():
    for path in sorted((ROOT / "autoreg_jax").rglob("__init__.py")):
        name = ".".join(path.parent.relative_to(ROOT).parts)
        if re.search(r"^__all__", path.read_text(), re.M):
            yield name


def test_every_public_name_has_a_page(made):
    count = 0
    for door in doors():
        page = made[f"{API}{door}.md"]
        for name in importlib.import_module(door).__all__:
            (link,) = re.findall(rf"^\| \[`{name}`\]\((\S+)\)", page, re.M)
            found = made[API + link]
            assert re.search(rf"{{py:\w+}} {name}\b|^# \S+\.{name}$", found, re.M)
            count += 1
    assert count > 700


def test_a_page_has_signature_types_and_errors(made):
    page = made[f"{API}autoreg_jax.register.md"]
    images = "fixed: Image | Sequence[Image], moving: Image | Sequence[Image]"
    assert f"{{py:function}} register({images}, *, model:" in page
    assert ") -> Registered" in page
    assert ":param guide: Structures and landmarks" in page
    assert ":raises TransformError: If the initial transform cannot be used." in page
    page = made[f"{API}autoreg_jax.inference.Registered.md"]
    assert "{py:method} apply(" in page
    assert "{py:property} moved\n:type: Volume" in page


@pytest.mark.parametrize("name", _VERBS)
def test_every_option_stands_in_the_reference(made, name):
    page = made[f"reference/commands/{name}.md"]
    text = Parser(name, _VERBS[name]).format_help()
    options = set(re.findall(r"^  (?:-\w.*?, )?(--[\w-]+)", text, re.M))
    missing = [o for o in options if not re.search(rf"{{option}}.*{o}(?![\w-])", page)]
    assert "--json" in options
    assert not missing


def leaves(values, prefix=""):
    for name, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def test_every_setting_stands_in_the_reference_with_its_default(made):
    text = "\n".join(made[path] for path in made if "reference/settings" in path)
    listed = dict(re.findall(r"^`([\w.]+)`\n: .*, default `(.*)`$", text, re.M))
    wanted = dict(leaves(yaml.safe_load(config.dump(config.RunConfig()))))
    sections = re.findall(r"^#+ ([\w.]+)$", text, re.M)
    for name, value in wanted.items():
        if name in sections:
            assert value is None, name
        else:
            assert yaml.safe_load(listed[name]) == value, name
    # Sections that are null by default have settings, too.
    assert "search.lam.hypergradient.name" in listed
    for name in config.preset_names():
        assert config.preset_text(name).strip() in text


WRITTEN = sorted(
    path
    for path in DOCS.rglob("*.md")
    if not any(part in path.parts for part in ("_build", "api", "commands", "settings"))
)
NAMED = r"\{py:\w+\}`~?([\w.]+)`"


def written(made):
    """The pages that people wrote; others may lie beside them from a build."""
    for path in WRITTEN:
        name = str(path.relative_to(DOCS))
        if name not in made:
            yield name, path.read_text(encoding="utf-8")


def test_every_written_page_says_for_whom_and_how_long(made):
    pages = dict(written(made))
    assert len(pages) > 20
    index = [name for name in pages if name.endswith("index.md")]
    for name in pages.keys() - set(index):
        assert re.search(r"^\*\*For\*\* .+\n?.*\b\d+ minutes?\.$", pages[name], re.M), (
            name
        )


def test_links_of_pages_lead_somewhere(made):
    titles = {
        name: {_slug(title) for title in re.findall(r"^#+ (.+)$", text, re.M)}
        | set(re.findall(r"^\((\S+)\)=$", text, re.M))
        for name, text in [*made.items(), *written(made)]
    }
    broken = []
    for name, text in [*written(made), *made.items()]:
        if name.startswith(API) or name.endswith("ipynb"):
            continue
        plain = re.sub(r"(?ms)^```.*?^```$", "", text)
        for target in re.findall(r"(?<!!)\[[^\]]+\]\((?!https?:)([^)\s]+)\)", plain):
            path, _, heading = target.partition("#")
            page = (DOCS / name).parent / path if path else DOCS / name
            page = str(page.resolve().relative_to(DOCS))
            if page not in titles or (heading and heading not in titles[page]):
                broken.append(f"{name}: {target}")
    assert not broken


def test_every_page_is_in_a_list_of_contents(made):
    both = [*made.items(), *written(made)]
    pages = {name: text for name, text in both if name.endswith(".md")}
    listed = {"index.md"}
    for name, text in pages.items():
        for block in re.findall(r"(?ms)^```\{toctree\}$(.*?)^```$", text):
            entries = [line for line in block.split("\n") if line and line[0] != ":"]
            for entry in entries:
                page = ((DOCS / name).parent / entry).resolve().relative_to(DOCS)
                listed.add(f"{page}.md")
    orphans = {name for name, text in pages.items() if "\norphan: true\n" in text}
    # The front of the results quotes it.
    assert pages.keys() - listed - orphans == {"results/_summary.md"}


def _slug(title):
    return re.sub(r"[^\w\s-]", "", title.strip().lower()).replace(" ", "-")


def test_names_in_pages_are_public(made):
    wrong = []
    for name, text in written(made):
        for full in re.findall(NAMED, text):
            if f"{API}{full}.md" not in made:
                wrong.append(f"{name}: {full}")
    assert not wrong


def commands(text):
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    for line in blocks.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if "autoreg" in words:
            yield words[words.index("autoreg") + 1 :]


def test_commands_in_pages_are_understood(made):
    count = 0
    for name, text in written(made):
        for verb, *words in commands(text):
            if verb.startswith("-"):
                continue
            options = Parser(verb, _VERBS[verb]).parse(words)
            for word in getattr(options, "overrides", ()):
                config.override(config.RunConfig(), [word])
            if getattr(options, "config", None) in config.preset_names():
                config.load(options.config)
            count += 1
            assert "…" not in words, name
    assert count > 40


def test_settings_in_pages_exist(made):
    text = "\n".join(made[path] for path in made if "reference/settings" in path)
    known = set(re.findall(r"^`([\w.]+)`$|^#+ ([\w.]+)$", text, re.M))
    known = {name for pair in known for name in pair if name}
    heads = "search|train|network|objective|evaluate|mesh|pairs|data|quirks"
    for name, page in written(made):
        used = re.findall(rf"`((?:{heads})\.[a-z_0-9.]+?)(?:=[^`]*)?`", page)
        assert set(used) <= known, (name, set(used) - known)


def test_messages_that_are_explained_exist(made):
    known = re.sub(r"\\\\(.)", r"\\1", made["reference/messages.md"])
    page = dict(written(made))["help/errors.md"]
    quoted = re.findall(r"^\| `(.+?)` \|", page, re.M)
    assert len(quoted) > 10
    assert not [words for words in quoted if words not in known]


def test_python_in_pages_names_what_there_is(made):
    for name, page in written(made):
        for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
            compile(block, name, "exec")
            for module, names in re.findall(
                r"^from (autoreg_jax[\w.]*) import \(?([\w, ]+)", block, re.M
            ):
                found = importlib.import_module(module)
                for one in re.findall(r"\w+", names.replace(" as ", " ")):
                    assert hasattr(found, one) or one in ("ar", "hg"), (name, one)


@pytest.fixture
def scans(tmp_path, monkeypatch):
    """All files that the pages name: a small simulated cohort, and a pair of it."""
    pytest.importorskip("nilearn", reason="the template comes with nilearn")
    monkeypatch.chdir(tmp_path)
    data.write_population(tmp_path, num_subjects=6, dimensions=2, spacing=8.0)
    for name, number in (("fixed", 4), ("moving", 5)):
        shutil.copy(f"images/sim00{number}.nii.gz", f"{name}.nii.gz")
        shutil.copy(f"labels/sim00{number}.nii.gz", f"{name}_seg.nii.gz")
    shutil.copy("moving_seg.nii.gz", "labels.nii.gz")
    Transform.affine(np.eye(4)).write("out_affine.mat")


SHORT = {"train": {"steps": 2}, "search": {"strategy": "darts"}}
SNIPPETS = [
    path
    for folder in ("tutorials", "howto", "explanation")
    for path in sorted((DOCS / folder).glob("*.md"))
    if "```python" in path.read_text()
]


@pytest.mark.slow
@pytest.mark.parametrize("path", SNIPPETS, ids=lambda path: path.stem)
def test_python_of_pages_runs(path, scans, monkeypatch):
    load = config.load
    monkeypatch.setattr(config, "load", lambda name: config.merge(load(name), SHORT))
    names = {}
    for block in re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL):
        exec(compile(block, path.name, "exec"), names)
    assert len(names) > 1
