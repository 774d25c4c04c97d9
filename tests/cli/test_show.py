"""Tables on a terminal."""

import pytest

from autoreg_jax.cli._show import show_table

HEADER = ["", "pairs", "Dice", "error, mm", "folding, %", "to AutoReg", "first, s"]
ROWS = [
    ["autoreg_classical", "20", "0.886 ± 0.006", "1.28 ± 0.15", "0.012", "", "30.2"],
    ["none", "20", "0.676 ± 0.025", "5.43 ± 0.40", "0.000", "-0.1490 ± 0.1", "1150"],
]


@pytest.mark.parametrize(("columns", "has_deviations"), [(80, False), (160, True)])
def test_numbers_stay_whole(columns, has_deviations, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    show_table("bench", HEADER, ROWS)
    printed = capsys.readouterr().out.splitlines()
    assert max(map(len, printed)) <= columns
    for row in ROWS:
        (line,) = [line for line in printed if row[0] in line]
        cells = [cell.strip() for cell in line.split("│")[1:-1]]
        whole = row if has_deviations else [cell.split(" ± ")[0] for cell in row]
        assert cells == whole
