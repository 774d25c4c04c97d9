"""Ctrl-C, SIGTERM, and both twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from autoreg_jax import cli
from autoreg_jax.cli import _main
from autoreg_jax.cli._signals import Terminated, interruptible

# A command that takes its time to close what it has begun.
PROGRAM = """
import sys, time
from autoreg_jax.cli import _main
wait = float(sys.argv.pop())
def run(options):
    try:
        print("begun", flush=True)
        time.sleep(60)
    finally:
        print("closing", flush=True)
        time.sleep(wait)
_main._VERBS["doctor"].run = staticmethod(run)
sys.exit(_main.main())
"""


def started(wait):
    root = Path(cli.__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "doctor", str(wait)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    assert process.stdout.readline() == "begun\n"
    return process


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_signal_closes_what_was_begun_and_says_so(number, code, word):
    process = started(0.0)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (code, "closing\n")
    assert err == f"autoreg doctor: {word}. Nothing was written.\n"


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_at_once_without_a_traceback(first, second):
    process = started(60.0)
    process.send_signal(first)
    assert process.stdout.readline() == "closing\n"
    process.send_signal(second)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (128 + second, "")


def test_handlers_of_others_stay_and_ours_go():
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        with interruptible(is_last=False):
            os.kill(os.getpid(), signal.SIGTERM)
        assert seen == [signal.SIGTERM]
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with pytest.raises(Terminated), interruptible(is_last=False):
            os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_an_interrupted_run_says_how_to_go_on(command, monkeypatch, tmp_path):
    def end(options):
        raise Terminated

    monkeypatch.setattr(_main._VERBS["search"], "run", staticmethod(end))
    code, _, err = command("search", "d.csv", "-o", tmp_path / "a b")
    assert code == 143
    assert f"Resume with: autoreg search d.csv -o '{tmp_path}/a b' --resume" in err
