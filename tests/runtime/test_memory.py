"""What is free is what the kernel and every control group leave."""

import numpy as np
import pytest

from autoreg_jax.runtime import _memory, free_memory, resident_memory


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with 1000 kB available, and no limit."""
    places = {"_PROCESS": "self", "_KERNEL": "meminfo", "_GROUPS": "cgroup"}
    for name, place in places.items():
        monkeypatch.setattr(_memory, name, tmp_path / place)

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    write("meminfo", "MemTotal: 9000 kB\nMemFree: 10 kB\nMemAvailable: 1000 kB\n")
    return write


def test_without_a_limit(machine):
    assert free_memory() == 1000 * 1024
    machine("self/cgroup", "0::/user\n")
    machine("cgroup/user/memory.max", "max\n")
    machine("cgroup/user/memory.current", "5000\n")
    assert free_memory() == 1000 * 1024


@pytest.mark.parametrize("job", ["", "job/", "job/step/"])
def test_the_limit_of_any_group_above_counts(machine, job):
    machine("self/cgroup", "0::/job/step\n")
    machine(f"cgroup/{job}memory.max", "9000\n")
    machine(f"cgroup/{job}memory.current", "8000\n")
    assert free_memory() == 1000
    machine(f"cgroup/{job}memory.stat", "anon 7\ninactive_file 500\n")
    assert free_memory() == 1500


def test_groups_of_the_first_version(machine):
    machine("self/cgroup", "4:memory:/job\n3:cpuset:/job\n")
    machine("cgroup/memory/job/memory.limit_in_bytes", "9000\n")
    machine("cgroup/memory/job/memory.usage_in_bytes", "8000\n")
    assert free_memory() == 1000


def test_an_array_is_held():
    before = resident_memory()
    if before is None:
        pytest.skip("this system does not say what a process holds")
    array = np.ones(50_000_000, np.uint8)
    assert array.nbytes * 0.9 < resident_memory() - before < array.nbytes * 1.5
