"""Tables on a terminal: no word and no number is broken."""

import pytest

from autoreg_jax.cli._show import show_evaluation, show_table

HEADER = ["", "pairs", "Dice", "error, mm", "folding, %", "to AutoReg", "first, s"]
ROWS = [
    ["autoreg_classical", "20", "0.886 ± 0.006", "1.28 ± 0.15", "0.012", "", "30.2"],
    ["none", "20", "0.676 ± 0.025", "5.43 ± 0.40", "0.000", "-0.1490 ± 0.1", "1150"],
]
PAIRS = [
    "",
    *("Dice before", "Dice", "error before, mm", "error, mm"),
    *("correlation before", "correlation", "folding", "seconds"),
]
NAMES = [f"sub-{n:04}_acq-highres_T1w_to_sub-{n + 1:04}_acq-low_T1w" for n in range(8)]
VALUES = ["0.612", "0.787", "10.42", "1.23", "0.512", "0.801", "0.00012", "12.34"]
CHECKS = [
    ["ok", "packages", "jax 0.10.1, flax 0.12.0, optax 0.2.8, orbax-checkpoint", "3"],
    ["FAILED", "[red]", "a/folder/whose/name/is/longer/than/sixty/columns", "1"],
]


@pytest.fixture
def printed(monkeypatch, capsys):
    """The lines of a table in a terminal of so many columns."""

    def show(columns, *table, **options):
        monkeypatch.setenv("COLUMNS", str(columns))
        show_table(*table, **options)
        return capsys.readouterr().out.splitlines()

    return show


def tokens(texts):
    return {token for text in texts for token in text.replace("│", " ").split()}


@pytest.mark.parametrize(("columns", "has_deviations"), [(80, False), (160, True)])
def test_numbers_stay_whole(columns, has_deviations, printed):
    lines = printed(columns, "bench", HEADER, ROWS)
    assert max(map(len, lines)) <= columns
    for row in ROWS:
        (line,) = [line for line in lines if row[0] in line]
        cells = [cell.strip() for cell in line.split("│")[1:-1]]
        whole = row if has_deviations else [cell.split(" ± ")[0] for cell in row]
        assert cells == whole


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
@pytest.mark.parametrize("drop", [(), PAIRS[1:6:2]])
def test_many_pairs_with_long_names(columns, drop, printed):
    rows = [[name, *VALUES] for name in NAMES]
    lines = printed(columns, "8 of 8 pairs", PAIRS, rows, drop=drop)
    body = [line for line in lines if not line.startswith("columns not")]
    blocks = body[1] == NAMES[0]
    assert blocks or max(map(len, body)) <= columns
    hidden = " ".join(line for line in lines if line.startswith("columns not"))
    allowed = tokens(["8 of 8 pairs", *PAIRS, *VALUES, *NAMES])
    frame = set("┏┳┓┡╇┩├┼┤└┴┘━─┃ ")
    shown = tokens(line.replace("┃", " ") for line in body if not set(line) <= frame)
    broken = {t.removesuffix(":") for t in shown if "…" not in t} - allowed
    assert not broken
    if columns == 80 and drop:
        assert all(title in hidden for title in drop)
    # Each value of the columns that are shown is on one line with its (short) name.
    if not blocks:
        assert len([line for line in body if "0.787" in line]) == len(NAMES)
        short = [line.split("│")[1] for line in body if "0.787" in line]
        assert len(set(short)) == len(NAMES)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_text_is_wrapped_at_spaces(columns, printed):
    header = ["", "check", "result", "seconds"]
    lines = printed(columns, "autoreg doctor", header, CHECKS, justify="left")
    words = tokens(cell for row in CHECKS for cell in row)
    assert words <= tokens(lines)


def test_what_looks_like_markup_is_a_name(printed):
    lines = printed(80, "[bold]", ["", "[red]"], [["[/red]", "[1]"]])
    text = "\n".join(lines)
    for word in ("[bold]", "[red]", "[/red]", "[1]"):
        assert word in text


def test_a_table_without_rows(printed):
    assert "Dice" in "\n".join(printed(80, "0 of 2 pairs", ["", "Dice"], []))


@pytest.mark.parametrize(
    ("before", "after", "is_worse"),
    [
        ({"dice_before": {"mean": 0.58}}, {"dice": {"mean": 0.5}}, True),
        ({"dice_before": {"mean": 0.58}}, {"dice": {"mean": 0.6}}, False),
        ({"tre_before": {"mean": 4.0}}, {"tre": {"mean": 4.5}}, True),
        ({"tre_before": {"mean": 4.0}}, {"tre": {"mean": 3.5}}, False),
        ({}, {"ncc": {"mean": 0.2}}, False),
    ],
)
def test_what_is_worse_than_no_registration_is_said(before, after, is_worse, capsys):
    show_evaluation(before | after, "run")
    assert ("worse than none" in capsys.readouterr().out) is is_worse
