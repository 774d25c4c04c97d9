"""What ends a run at a chosen flush to the disk."""

import os


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
