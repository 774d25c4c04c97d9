"""What ends a run: an error at a chosen flush to the disk, or a signal."""

import os
import signal
import subprocess
from pathlib import Path

TESTS = Path(__file__).parent


class Crash(BaseException):
    """The power fails."""


def fail_at(monkeypatch, place, error):
    """Let the flushes from the n-th on fail."""
    fsync, count = os.fsync, 0

    def failing(descriptor):
        nonlocal count
        count += 1
        if count >= place:
            raise error
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", failing)


def is_finished(words, *folders, seconds=None):
    """Run a program in a process; whether it ends before it is killed.

    It may import what is in the folders, and prints a line before it begins.
    """
    paths = os.pathsep.join(map(str, (TESTS, *folders, TESTS.parent)))
    with subprocess.Popen(
        list(map(str, words)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": paths},
    ) as process:
        process.stdout.readline()
        try:
            assert process.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return False
    return True
