"""Killed, out of space, both: nothing is lost, and the rest is computed."""

import contextlib
import errno
import json
import os
import pickle
import random
import shutil
import subprocess
import sys
import time

import pytest
from interrupt import Crash, fail_at, is_finished
from outcome import check_sentence, numbers, outcome

from autoreg_jax import workflows
from autoreg_jax.runtime import Checkpointer
from autoreg_jax.workflows import Journal, _auto


@pytest.fixture
def often(monkeypatch):
    """A checkpoint at every record."""
    monkeypatch.setattr(
        _auto, "Journal", lambda *a, **k: Journal(*a, **k, save_every=0)
    )


def check_power_failure(run, place, whole, resume, monkeypatch):
    with monkeypatch.context() as patch:
        fail_at(patch, place, Crash())
        with contextlib.suppress(Crash):
            resume(run)
    assert resume(run) == whole[1]
    left = [p.name for p in run.rglob("*") if p.suffix == ".partial"]
    assert not left
    assert not (run / "owner.json").exists()


@pytest.mark.parametrize("place", [9])
def test_a_run_goes_on_after_a_power_failure(
    tmp_path, whole, resume, monkeypatch, place, often
):
    check_power_failure(tmp_path / "run", place, whole, resume, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("place", range(1, 60))
def test_a_run_goes_on_after_any_power_failure(
    tmp_path, whole, resume, monkeypatch, place, often
):
    check_power_failure(tmp_path / "run", place, whole, resume, monkeypatch)


def test_records_are_on_disk_before_the_checkpoint_that_needs_them(
    tmp_path, resume, monkeypatch, often
):
    flushed, checked, fsync, save = {}, [], os.fsync, Checkpointer.save

    def log(descriptor):
        found = os.fstat(descriptor)
        flushed[found.st_ino] = found.st_size
        fsync(descriptor)

    def check_first(self, step, state, metadata):
        found = (tmp_path / "run" / "metrics.jsonl").stat()
        checked.append(flushed.get(found.st_ino) == found.st_size)
        save(self, step, state, metadata)

    monkeypatch.setattr(os, "fsync", log)
    monkeypatch.setattr(Checkpointer, "save", check_first)
    resume(tmp_path / "run")
    assert len(checked) > 5
    assert all(checked)


def check_full_disk(run, place, whole, resume, monkeypatch):
    with monkeypatch.context() as patch:
        full = OSError(errno.ENOSPC, "No space left on device")
        fail_at(patch, place, full)
        code, text = outcome(lambda: resume(run))
    if code:
        check_sentence(code, text)
        assert code == 1
        assert str(run) in text
        assert "no space left on the device" in text
        assert "free some and repeat" in text
    assert resume(run) == whole[1]


@pytest.mark.parametrize("place", [5])
def test_a_full_disk_names_the_file_and_loses_nothing(
    tmp_path, whole, resume, monkeypatch, place, often
):
    check_full_disk(tmp_path / "run", place, whole, resume, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("place", range(1, 60))
def test_a_full_disk_at_any_place(tmp_path, whole, resume, monkeypatch, place, often):
    check_full_disk(tmp_path / "run", place, whole, resume, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [8, 16, 24, 32, 48, 64, 96, 128, 192, 256])
def test_a_small_disk(tmp_path, whole, resume, kilobytes, often):
    """A real one, which orbax meets, too."""
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(disk)]
    if subprocess.run(words, capture_output=True).returncode:
        pytest.skip("a small file system needs the rights to mount it")
    try:
        code, text = outcome(lambda: resume(disk / "run"))
        if code:
            check_sentence(code, text)
            assert "no space left on the device" in text
        again = ["mount", "-o", "remount,size=64m", str(disk)]
        subprocess.run(again, check=True)
        assert resume(disk / "run") == whole[1]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


PROGRAM = """
import pickle, sys
import conftest
from pathlib import Path
from stand_in import auto
from autoreg_jax.workflows import Journal, _auto
_auto.Journal = lambda *a, **k: Journal(*a, **k, save_every=0)
dataset, run, settings = sys.argv[1:]
print("begin", flush=True)
auto(dataset, run, pickle.loads(Path(settings).read_bytes()), resume=True,
     with_report=False)
"""


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_run_that_is_killed_again_and_again_is_the_same(tmp_path, dataset, settings):
    """As one that is not, in a process like these."""
    (tmp_path / "settings").write_bytes(pickle.dumps(settings))
    run = tmp_path / "run"
    words = [sys.executable, "-c", PROGRAM, dataset, run, tmp_path / "settings"]
    begin = time.monotonic()
    assert is_finished(words)
    seconds, whole = time.monotonic() - begin, found_in(run)
    shutil.rmtree(run)
    rng, kills = random.Random(0), 0
    while kills < 40:
        if is_finished(words, seconds=rng.uniform(0, seconds / 3)):
            assert found_in(run) == whole
            shutil.rmtree(run)
        else:
            kills += 1
    assert is_finished(words)
    assert found_in(run) == whole


def found_in(run):
    """The numbers of a finished run; as text, since NaN is not equal to itself."""
    return json.dumps(numbers(workflows.read_evaluation(run)))
