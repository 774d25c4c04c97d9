"""A bench that is killed or runs out of space keeps its finished pairs."""

import contextlib
import csv
import dataclasses
import errno
import pickle
import random
import shutil
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest
from interrupt import Crash, fail_at, is_finished
from outcome import check_sentence, outcome

from autoreg_jax import config
from autoreg_jax.files import read_records
from autoreg_jax.studies import BenchProtocol, Method, RivalNetwork, bench
from autoreg_jax.studies.bench import Limits

STUDIES = Path(__file__).parents[1] / "studies"
CLOCK = ("seconds", "memory")
FLUSHES = 24  # of a bench of two methods and four pairs


@pytest.fixture(autouse=True)
def _find_fakes(monkeypatch):
    monkeypatch.syspath_prepend(STUDIES)


@pytest.fixture
def protocol(dataset, settings):
    shift = {"kind": "shift", "by": [1.0, 0.5]}
    return BenchProtocol(
        dataset=dataset,
        methods=("none", Method(name="shift", module="fake_methods", settings=shift)),
        config=settings,
        limits=Limits(seconds=120.0, megabytes=None, threads=1),
    )


def found_in(folder):
    """All that a bench has found but times and memory."""
    with (folder / "bench.csv").open() as file:
        rows = [
            {k: v for k, v in row.items() if not any(word in k for word in CLOCK)}
            for row in csv.DictReader(file)
        ]
    records = {
        path.name: [(r.get("moving"), r.get("fixed"), r.get("scores")) for r in lines]
        for path in sorted((folder / "methods").glob("*.jsonl"))
        for lines in [read_records(path)]
    }
    return rows, records


@pytest.fixture(scope="module")
def undisturbed():
    return {}


@pytest.fixture
def expected(undisturbed, protocol, tmp_path):
    if not undisturbed:
        bench(tmp_path / "undisturbed", protocol)
        undisturbed["found"] = found_in(tmp_path / "undisturbed")
    return undisturbed["found"]


def check_crash(folder, place, protocol, expected, monkeypatch):
    with monkeypatch.context() as patch:
        fail_at(patch, place, Crash())
        with contextlib.suppress(Crash):
            bench(folder, protocol)
    bench(folder, protocol)
    assert found_in(folder) == expected
    assert not list(folder.rglob("*.partial"))
    assert not (folder / "owner.json").exists()


def check_full(folder, place, protocol, expected, monkeypatch):
    with monkeypatch.context() as patch:
        fail_at(patch, place, OSError(errno.ENOSPC, "No space left on device"))
        code, text = outcome(lambda: bench(folder, protocol))
    if code:
        check_sentence(code, text)
        assert "no space left on the device" in text
    bench(folder, protocol)
    assert found_in(folder) == expected


@pytest.mark.parametrize("check", [check_crash, check_full])
def test_a_bench_goes_on_where_it_ended(
    tmp_path, protocol, expected, monkeypatch, check
):
    check(tmp_path / "bench", 6, protocol, expected, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("place", range(1, FLUSHES + 1))
@pytest.mark.parametrize("check", [check_crash, check_full])
def test_a_bench_goes_on_wherever_it_ended(
    tmp_path, protocol, expected, monkeypatch, check, place
):
    check(tmp_path / "bench", place, protocol, expected, monkeypatch)


PROGRAM = """
import pickle, sys
from pathlib import Path
from autoreg_jax.studies import bench
folder, protocol = sys.argv[1:]
print("begin", flush=True)
bench(folder, pickle.loads(Path(protocol).read_bytes()))
"""


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_bench_that_is_killed_again_and_again_is_the_same(
    tmp_path, protocol, settings
):
    """One of its methods is a network that is trained first."""
    few = config.merge(settings, {"train": {"steps": 20}, "evaluate": {"pairs": 6}})
    network = import_module("rival_network").Tiny
    rival = RivalNetwork(name="tiny", network=network, config=few)
    methods = (*protocol.methods, rival)
    own = dataclasses.replace(protocol, methods=methods, config=few)
    (tmp_path / "protocol").write_bytes(pickle.dumps(own))
    folder = tmp_path / "bench"
    words = [sys.executable, "-c", PROGRAM, str(folder), str(tmp_path / "protocol")]
    begin = time.monotonic()
    assert is_finished(words, STUDIES)
    seconds, whole = time.monotonic() - begin, found_in(folder)
    rng, kills = random.Random(0), 0
    while kills < 40:
        if is_finished(words, STUDIES, seconds=rng.uniform(0, seconds / 2)):
            assert found_in(folder) == whole
            shutil.rmtree(folder)
        else:
            kills += 1
    assert is_finished(words, STUDIES)
    assert found_in(folder) == whole
