"""The configurations travel with the installed package."""

import subprocess
import sys
import zipfile

from autoreg_jax import config


def test_wheel_carries_the_configurations(root, tmp_path):
    build = f"""
from hatchling.builders.wheel import WheelBuilder
print(*WheelBuilder({str(root)!r}).build(directory={str(tmp_path)!r}))
"""
    wheel = _python(build, cwd=tmp_path).strip()
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "installed")
    assert "autoreg_jax/py.typed" in names
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
