"""Processes that cannot be joined are said to be so; one alone agrees with itself."""

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


@pytest.mark.parametrize(
    "there", [("COORDINATOR_ADDRESS",), ("NUM_PROCESSES", "PROCESS_ID"), ()]
)
def test_what_is_missing_is_named_and_nothing_else(monkeypatch, there):
    values = {"COORDINATOR_ADDRESS": "127.0.0.1:1", "NUM_PROCESSES": "2"}
    values["PROCESS_ID"] = "0"
    for name, value in values.items():
        monkeypatch.delenv(f"JAX_{name}", raising=False)
        if name in there:
            monkeypatch.setenv(f"JAX_{name}", value)
    with pytest.raises(ConfigError) as raised:
        join_processes()
    message = str(raised.value)
    assert "should be defined" not in message
    assert "must be defined" not in message
    for name in values:
        assert (f"JAX_{name}" in message) == (name not in there)


def test_a_number_that_is_none_is_named(monkeypatch):
    monkeypatch.setenv("JAX_COORDINATOR_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("JAX_NUM_PROCESSES", "two")
    with pytest.raises(ConfigError, match=r"JAX_NUM_PROCESSES: .* got 'two'"):
        join_processes()


def test_one_process_waits_for_nobody():
    before = agreed_clock()
    wait_for_all("here")
    assert agreed_clock() >= before
