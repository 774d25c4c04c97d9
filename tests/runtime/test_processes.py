"""Processes that cannot be joined are said to be so; one alone agrees with itself."""

import subprocess
import sys

import pytest

from autoreg_jax.errors import ConfigError
from autoreg_jax.files import is_writer
from autoreg_jax.runtime import agreed_clock, join_processes, wait_for_all


def test_an_unknown_cluster_is_explained(monkeypatch):
    for name in ("COORDINATOR_ADDRESS", "NUM_PROCESSES", "PROCESS_ID"):
        monkeypatch.delenv(f"JAX_{name}", raising=False)
    with pytest.raises(ConfigError, match="JAX_COORDINATOR_ADDRESS=HOST:PORT"):
        join_processes()
    assert is_writer()


PROGRAM = """
import os
from autoreg_jax.errors import ConfigError
from autoreg_jax.runtime import join_processes

values = {"COORDINATOR_ADDRESS": "127.0.0.1:1", "NUM_PROCESSES": "2", "PROCESS_ID": "0"}
for there in (), ("COORDINATOR_ADDRESS",), ("NUM_PROCESSES", "PROCESS_ID"):
    for name, value in values.items():
        os.environ.pop(f"JAX_{name}", None)
        if name in there:
            os.environ[f"JAX_{name}"] = value
    try:
        join_processes()
    except ConfigError as error:
        message = str(error)
    assert "defined" not in message, message
    for name in values:
        assert (f"JAX_{name}" in message) == (name not in there), message
"""


def test_what_is_missing_is_named_and_nothing_else():
    """In a process of its own, which has not computed anything."""
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)


def test_a_number_that_is_none_is_named(monkeypatch):
    monkeypatch.setenv("JAX_COORDINATOR_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("JAX_NUM_PROCESSES", "two")
    with pytest.raises(ConfigError, match=r"JAX_NUM_PROCESSES: .* got 'two'"):
        join_processes()


def test_one_process_waits_for_nobody():
    before = agreed_clock()
    wait_for_all("here")
    assert agreed_clock() >= before
