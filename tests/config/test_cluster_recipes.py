"""The recipes of configs/cluster: every command is parsed, every setting is loaded."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from autoreg_jax import config
from autoreg_jax.cli import _main, _options
from autoreg_jax.cli._parser import Parser

FOLDER = Path(__file__).parents[2] / "configs" / "cluster"
SCRIPTS = sorted(FOLDER.glob("*.sh"))
# Devices that the text of a recipe promises.
DEVICES = {
    "by_hand": 8,
    "one_machine": 8,
    "one_machine_random": 8,
    "slurm_gpu": 8,
    "tpu_vm": 64,
}


def commands(script):
    """The words of every command of ours, those in comments too."""
    text = script.read_text().replace("\\\n", " ")
    found = re.findall(r"^(?:#\s+|\s*|srun .*?)autoreg (\w.*)$", text, re.MULTILINE)
    return [
        [word for word in shlex.split(line) if not word.startswith("${")]
        for line in found
    ]


def parsed(words):
    """The options of a command; a wrong one ends in SystemExit."""
    name, *rest = words
    return Parser(name, _main._VERBS[name]).parse(rest)


def settings(options):
    """The settings that a command means, its file taken from the folder."""
    if file := getattr(options, "config", None):
        assert Path(file).parent.parts[-2:] == ("configs", "cluster"), file
        options.config = FOLDER / Path(file).name
    return _options.settings_of(options, "default")


def test_each_recipe_is_known():
    assert {script.stem for script in SCRIPTS} == DEVICES.keys()
    used = "".join(script.read_text() for script in SCRIPTS)
    assert all(file.name in used for file in FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_every_command_is_understood(script):
    subprocess.run(["bash", "-n", script], check=True)
    found = [parsed(words) for words in commands(script)]
    assert found
    meshes = [settings(o).mesh for o in found if getattr(o, "config", None)]
    assert meshes
    for mesh in meshes:
        assert (mesh.pairs or 1) * mesh.members == DEVICES[script.stem]
    for options in found:
        settings(options)


def test_slurm_starts_one_process_for_each_device():
    text = (FOLDER / "slurm_gpu.sh").read_text()
    asked = dict(re.findall(r"^#SBATCH --([\w-]+)=(\S+)$", text, re.MULTILINE))
    assert asked["ntasks-per-node"] == asked["gpus-per-node"]
    count = int(asked["nodes"]) * int(asked["gpus-per-node"])
    assert count == DEVICES["slurm_gpu"]


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda f: f.stem)
def test_every_batch_of_a_file_can_be_divided(file):
    found = config.load(file)
    pairs, search = found.mesh.pairs or 1, found.search
    stages = (search.feature, search.deformation, search.lam)
    batches = [n for s in stages for n in (s.train_pairs, s.valid_pairs)]
    assert not [n for n in (*batches, found.train.batch_size) if n % pairs]
