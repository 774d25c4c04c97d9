"""Progress: a bar for a terminal, one line for a notebook, few lines for a log."""

import io
import sys

import nbclient
import nbformat

from autoreg_jax.runtime import _progress, progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_log_hears_nothing_of_a_short_loop(capfd):
    with progress("train", total=2) as advance:
        advance(loss=1.0)
        advance()
    assert capfd.readouterr() == ("", "")


def test_a_log_gets_a_line_now_and_then_and_a_last_one(monkeypatch, capsys):
    clock = iter(range(0, 1000, 7))
    monkeypatch.setattr(_progress.time, "monotonic", lambda: float(next(clock)))
    with progress("train", total=12, completed=2) as advance:
        for step in range(10):
            advance(loss=step / 8)
    out, lines = capsys.readouterr()
    assert out == ""
    counts = [line.split("  ")[1] for line in lines.splitlines()]
    assert counts[0] == "7/12"
    assert counts[-1] == "12/12"
    assert len(counts) == 3
    assert lines.splitlines()[-1].endswith("loss 1.125")


def test_terminal_shows_count_and_fields(monkeypatch, capsys):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress("train", total=4, completed=2) as advance:
        advance(loss=1.0)
        advance(loss=0.123456, stage="lam", dice=None)
    text = terminal.getvalue()
    assert "train" in text
    assert "4/4" in text
    assert "loss 0.1235  stage lam" in text
    assert "dice" not in text
    assert capsys.readouterr().out == ""


def test_of_two_loops_at_once_the_first_has_the_bar(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress("first", total=1) as advance, progress("second", total=1) as other:
        other(loss=1.0)
        advance(loss=2.0)
    assert "first" in terminal.getvalue()
    assert "second" not in terminal.getvalue()
    with progress("third", total=1) as advance:
        advance()
    assert "third" in terminal.getvalue()


def test_saved_notebook_keeps_one_line():
    cell = nbformat.v4.new_code_cell(
        "from autoreg_jax.runtime import progress\n"
        "with progress('train', total=3) as advance:\n"
        "    for step in range(3):\n"
        "        advance(loss=step / 2)\n"
    )
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbclient.NotebookClient(notebook, timeout=120).execute()
    (output,) = cell.outputs
    assert output["data"]["text/plain"] == "train  3/3  0:00  loss 1"
