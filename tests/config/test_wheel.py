"""Configurations and models travel with the installed package."""

import subprocess
import sys
import zipfile
from pathlib import Path

from autoreg_jax import config
from autoreg_jax.inference import included_models


def test_wheel_carries_the_configurations(root, tmp_path):
    build = f"""
from hatchling.builders.wheel import WheelBuilder
print(*WheelBuilder({str(root)!r}).build(directory={str(tmp_path)!r}))
"""
    wheel = _python(build, cwd=tmp_path).strip()
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        sizes = {info.filename: info.file_size for info in archive.infolist()}
        archive.extractall(tmp_path / "installed")
    assert "autoreg_jax/py.typed" in names
    models = [name for name in names if name.startswith("autoreg_jax/models/")]
    assert {Path(name).parts[2] for name in models} == set(included_models())
    assert sum(sizes[name] for name in models) < 2e6
    assert not [name for name in names if name.startswith(("tests/", "configs/"))]

    program = """
import sys
sys.path.insert(0, "installed")
from autoreg_jax import config
assert config.__file__.startswith(sys.argv[1]), config.__file__
assert config.load("default") == config.RunConfig()
print(*config.preset_names())
"""
    found = _python(program, str(tmp_path), cwd=tmp_path)
    assert tuple(found.split()) == config.preset_names()


def _python(program, *arguments, cwd):
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout
