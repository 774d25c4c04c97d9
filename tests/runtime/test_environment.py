"""Provenance, compilation cache and compiler options."""

import json
import re
from pathlib import Path

import jax
import pytest

from autoreg_jax import runtime


def test_provenance_is_json_without_names(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    monkeypatch.setattr(Path, "home", lambda: Path("/users/ada"))
    command = ["/users/ada/.venv/bin/autoreg", "-o", "/users/ada/x", "/data/ada/adapt"]
    found = runtime.provenance(command)
    assert found["command"] == "autoreg -o ~/x /data/user/adapt"
    assert found["packages"]["jax"] == jax.__version__
    assert sum(found["devices"].values()) == jax.device_count()
    assert found["commit"] is None or re.match("[0-9a-f]{40}", found["commit"])
    assert json.loads(json.dumps(found)) == found


@pytest.fixture
def cache_dir():
    before = jax.config.jax_compilation_cache_dir
    yield lambda: jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", before)


def test_cache_is_the_users(monkeypatch, tmp_path, cache_dir):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.delenv("AUTOREG_NO_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "~")
    folder = runtime.enable_compilation_cache()
    assert folder.is_dir()
    assert folder.is_relative_to(tmp_path)
    assert cache_dir() == str(folder)


def test_cache_can_be_chosen_or_switched_off(monkeypatch, tmp_path, cache_dir):
    before = cache_dir()
    monkeypatch.delenv("AUTOREG_NO_CACHE", raising=False)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    assert runtime.enable_compilation_cache() == tmp_path
    monkeypatch.setenv("AUTOREG_NO_CACHE", "1")
    assert runtime.enable_compilation_cache() is None
    monkeypatch.delenv("AUTOREG_NO_CACHE")
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert runtime.enable_compilation_cache() is None
    assert cache_dir() == before
