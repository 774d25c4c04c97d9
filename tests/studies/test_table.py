"""Tables of the studies: cells, files, means."""

import csv
import json
import math

import numpy as np
import pytest

from autoreg_jax.studies import Column, Table

RECORDS = [
    {"method": "a|b", "dice": 0.71249, "dice_sd": 0.05, "seconds": 1150.24},
    {"method": "c", "dice": 0.5, "dice_sd": math.nan, "seconds": 12.345},
    {"method": "d", "dice": math.nan, "dice_sd": 0.1, "seconds": 0.000123},
]
COLUMNS = (
    Column("", "method"),
    Column("Dice", "dice", sd="dice_sd"),
    Column("ms", "seconds", "", 1e3),
    Column("gain", "gain"),
)


def test_cells_show_what_is_known():
    table = Table(RECORDS, COLUMNS)
    assert table.header == ("", "Dice", "ms", "gain")
    assert table.cells == [
        ("a/b", "0.712 ± 0.050", "1150240", ""),
        ("c", "0.500", "12345", ""),
        ("d", "", "0.123", ""),
    ]


def test_some_columns_and_other_lines():
    table = Table(RECORDS, COLUMNS, [{"method": "paper", "dice": "unknown"}])
    assert table.only(["Dice", ""]).header == ("", "Dice")
    assert table.only(["Dice", ""]).cells == [("paper", "unknown")]


def test_files_hold_records_and_cells(tmp_path):
    table = Table(RECORDS, COLUMNS)
    table.write(tmp_path / "new", "table", ["One note.", "Another."])
    with (tmp_path / "new" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["dice"]) for row in rows] == pytest.approx(
        [one["dice"] for one in RECORDS], nan_ok=True
    )
    assert rows[0]["method"] == "a|b"
    assert (tmp_path / "new" / "table.md").read_text() == (
        "|  | Dice | ms | gain |\n| --- | --- | --- | --- |\n"
        "| a/b | 0.712 ± 0.050 | 1150240 |  |\n| c | 0.500 | 12345 |  |\n"
        "| d |  | 0.123 |  |\n\n- One note.\n- Another.\n"
    )
    np.testing.assert_equal(json.loads(json.dumps(table.records)), RECORDS)
