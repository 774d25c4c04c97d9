"""Methods that hang, eat memory, crash or are missing: each ends with a sentence."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from autoreg_jax.studies.bench import (
    Limits,
    Method,
    MethodFailedError,
    MethodProcess,
)

IMAGES = np.random.default_rng(0).random((2, 6, 5), np.float32)
LIMITS = Limits(seconds=30.0, megabytes=8000, threads=1)


@pytest.fixture(autouse=True)
def _find_fakes(monkeypatch):
    path = str(Path(__file__).parent)
    monkeypatch.syspath_prepend(path)
    monkeypatch.setenv("PYTHONPATH", path)  # of the process that runs the method


def _process(folder, limits=LIMITS, **settings):
    source = "pip install it"
    method = Method(
        name="fake", module="fake_methods", settings=settings, source=source
    )
    return MethodProcess(method, limits, folder)


def test_displacements_come_back_pair_after_pair(tmp_path):
    ballast = np.ones(40_000_000)  # the memory of this process is not that of another
    with _process(tmp_path, kind="shift", by=[1.5, -2.0]) as process:
        answers = [process.register(*IMAGES, (1.0, 2.0)) for _ in range(2)]
    for answer in answers:
        assert answer.displacement.shape == (6, 5, 2)
        np.testing.assert_array_equal(answer.displacement[3, 2], [1.5, -2.0])
        assert 0 <= answer.seconds < answer.elapsed
        assert 10e6 < answer.peak_memory_bytes < 0.7 * ballast.nbytes
    assert answers[1].elapsed < answers[0].elapsed  # the first contains the start


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "No module named 'a_package'; to get it: pip install it"),
        ("raise", "RuntimeError: two lines"),
        ("eat", r"out of memory \(its limit of memory is 8000 MB\)"),
        ("crash", r"ended by SIGSEGV \(its limit of memory is 8000 MB\)"),
        ("nan", r"its displacement of shape \(6, 5, 2\) is not finite"),
        ("shape", r"its displacement of shape \(6, 5\) is not finite or not \(6, 5, 2"),
    ],
)
def test_what_goes_wrong_is_said(tmp_path, kind, words):
    with (
        _process(tmp_path, kind=kind) as process,
        pytest.raises(MethodFailedError, match=words),
    ):
        process.register(*IMAGES, (1.0, 1.0))


def test_one_that_sleeps_is_ended(tmp_path):
    limits = LIMITS._replace(seconds=3.0)
    begin = time.monotonic()
    with _process(tmp_path, limits, kind="sleep", from_pair=2) as process:
        process.register(*IMAGES, (1.0, 1.0))
        with pytest.raises(MethodFailedError, match="within its limit of 3 s"):
            process.register(*IMAGES, (1.0, 1.0))
    assert time.monotonic() - begin < 20
    assert process._process.returncode == -9


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinities here")
@pytest.mark.skipif(sys.platform != "linux", reason="no affinities here")
def test_threads_are_those_given(tmp_path):
    with _process(tmp_path, kind="threads") as process:
        answer = process.register(*IMAGES, (1.0, 1.0))
    assert np.all(answer.displacement == 1)


_BENCH = """
import os, sys
from pathlib import Path
import numpy as np
from autoreg_jax.studies.bench import Limits, Method, MethodProcess
limits = Limits(seconds=60.0, megabytes=None, threads=1)
method = Method(name="fake", module="fake_methods", settings={"kind": "sleep"})
process = MethodProcess(method, limits, Path(sys.argv[1]))
print(process._process.pid, flush=True)
process.register(*np.ones((2, 6, 5), np.float32), (1.0, 1.0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells of a parent's end")
def test_one_that_sleeps_ends_with_the_bench(tmp_path):
    bench = subprocess.Popen(
        [sys.executable, "-c", _BENCH, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with bench:
        method = int(str(bench.stdout and bench.stdout.readline()))
        while not (tmp_path / "1.npz").exists():
            time.sleep(0.05)
        time.sleep(1)  # it has begun with the pair
        bench.kill()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{method}").exists() and time.monotonic() < deadline:
        if "State:\tZ" in Path(f"/proc/{method}/status").read_text():
            break  # dead; nobody has asked how it ended
        time.sleep(0.05)
    assert time.monotonic() < deadline
