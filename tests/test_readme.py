"""The README is true: badges, links and commands."""

import re
import shlex
import tomllib
from pathlib import Path

from autoreg_jax import config
from autoreg_jax.cli._main import _VERBS
from autoreg_jax.cli._parser import Parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_badges_say_what_the_project_says():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    badges = re.findall(r"!\[([^\]]+)\]\(https://img\.shields\.io/", README)
    python = project["requires-python"].removeprefix(">=")
    assert badges == [f"Python {python} or newer", f"Licence {project['license']}"]


def slugs(path):
    titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
    return {
        re.sub(r"[^\w\s-]", "", title.strip().lower()).replace(" ", "-")
        for title in titles
    }


def test_links_lead_somewhere():
    targets = re.findall(r"\]\((?!https?:)([^)\s]+)\)", README)
    assert len(targets) > 20
    for target in targets:
        path, _, heading = target.partition("#")
        assert (ROOT / path).exists(), target
        assert not heading or heading in slugs(ROOT / path), target


def test_commands_are_understood():
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
    found = [shlex.split(line, comments=True) for line in blocks.splitlines()]
    commands = [words[1:] for words in found if words[:1] == ["autoreg"]]
    assert len(commands) >= 3
    for verb, *words in commands:
        Parser(verb, _VERBS[verb]).parse(words)
    for target in re.findall(r"^make (\w+)", blocks, re.M):
        assert re.search(rf"^{target}\b.*:", (ROOT / "Makefile").read_text(), re.M)
    for setting in re.findall(r"`--set (\S+)`", README):
        config.override(config.RunConfig(), [setting])


def test_it_fits_a_few_screens():
    assert len(README.splitlines()) <= 120
