"""Ctrl-C and SIGTERM end a command in an orderly way, the second one at once."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM


class Terminated(KeyboardInterrupt):
    """SIGTERM, which goes the way of Ctrl-C: what was begun is closed."""


@contextlib.contextmanager
def interruptible(*, is_last: bool) -> Iterator[None]:
    """Raise `Terminated` for SIGTERM; end without a word at the second signal.

    A signal that is ignored (`nohup`) or handled by somebody else stays so.

    Args:
        is_last: The process ends behind this: a signal that comes still later shows no
            traceback either. Otherwise the handlers of before are set again.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    is_ending = False

    def handle(number: int, frame: Any) -> None:
        nonlocal is_ending
        del frame
        if is_ending:
            os._exit(128 + number)
        is_ending = True
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    usual = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
    }
    changed = {
        number: signal.signal(number, handle)
        for number, handler in usual.items()
        if signal.getsignal(number) is handler
    }
    try:
        yield
    finally:
        is_ending = True
        for number, handler in changed.items():
            if not is_last:
                signal.signal(number, handler)
