"""Names that files, subjects and structures may have, and what becomes of them."""

import io
import logging

import pytest

from autoreg_jax import inference
from autoreg_jax.cli._os_errors import explain_os_error
from autoreg_jax.cli._printable import PrintableFormatter, printable
from autoreg_jax.cli._show import show_line, show_table
from autoreg_jax.data import PairFiles
from autoreg_jax.errors import ConfigError
from autoreg_jax.files import csv_text, read_scores, write_scores
from autoreg_jax.inference import _files
from autoreg_jax.studies import Column, Table

NAMES = ("[red]", "[/red]", "[bold]x[/]", "a\x1b[31mb", "bell\a", "é λ 脳", "a\rb")


@pytest.mark.parametrize("name", NAMES)
def test_a_table_shows_a_name_and_a_terminal_is_not_steered(name, capsys):
    show_table(f"run {name}", ["", name], [[name, "1"]])
    show_line(name, name)
    out = capsys.readouterr().out
    assert out.count(printable(name)) == 5
    assert not set(out) & set("\x1b\a\r")


def test_only_what_steers_is_changed():
    assert printable("é\t脳\n\udc80") == "é\t脳\n\udc80"
    assert printable("\x1b]0;x\x07\x9b") == "\\x1b]0;x\\x07\\x9b"


def test_a_log_is_printable():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(PrintableFormatter("%(message)s"))
    handler.emit(logging.LogRecord("a", 20, "", 1, "of %s", ("\x1b[2J",), None))
    assert stream.getvalue() == "of \\x1b[2J\n"


FORMULAS = ("=HYPERLINK(1)", "+1", "-1", "@a", "\t=1", "'=1", "''=1", "'a", "a=1", "")


def test_a_formula_is_a_text_in_every_table_and_comes_back(tmp_path):
    path = tmp_path / "evaluation.csv"
    write_scores(path, ["name", "dice"], [{"name": f, "dice": -0.5} for f in FORMULAS])
    cells = [line.rpartition(",")[0] for line in path.read_text().split("\n")[1:-1]]
    assert [cell.strip('"')[:1] in ("=", "+", "-", "@", "\t") for cell in cells] == [
        False
    ] * len(FORMULAS)
    rows = read_scores(path, ["name"])
    assert [row["name"] for row in rows] == list(FORMULAS)
    assert {row["dice"] for row in rows} == {-0.5}
    Table([{"name": "=1", "dice": -0.5}], [Column("name", "name")]).write(tmp_path, "t")
    assert (tmp_path / "t.csv").read_text() == "name,dice\n'=1,-0.5\n"
    assert csv_text("s1") == "s1"


def test_a_name_that_no_file_may_have_ends_no_batch(images, tmp_path, monkeypatch):
    names = ("m" * 200, "f" * 200, "moving", "fixed")
    long, other, moving, fixed = (images / f"{name}.nii.gz" for name in names)
    for copy in (long, other):
        copy.write_bytes(fixed.read_bytes())
    monkeypatch.setattr(_files, "_register", lambda *_, **__: {"dice": 1.0})
    pairs = [PairFiles(other, long), PairFiles(fixed, moving)]
    found = inference.register_many(pairs, f"{tmp_path}/out/")
    first, second = found.values()
    assert "more than 255 bytes" in first["error"]
    assert second == {"dice": 1.0}
    with pytest.raises(ConfigError, match="more than 255 bytes"):
        inference.output_paths("x" * 300)


def test_an_error_without_a_file_does_not_name_none():
    for number in (28, 122, 27, 5):
        text, code = explain_os_error(OSError(number, "Reason"))
        assert code == 1
        assert "None" not in text
        assert text.endswith(".")
