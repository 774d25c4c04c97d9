"""Tables of scores come back; gaps and damage are told from numbers."""

import numpy as np
import pytest

from autoreg_jax.errors import ArtifactError
from autoreg_jax.files import read_scores, write_scores


def test_texts_numbers_and_gaps_come_back(tmp_path):
    path = tmp_path / "scores.csv"
    rows = [
        {"name": "a, b", "dice": 0.25, "hd95": np.float32(2)},
        {"name": "7", "dice": float("nan"), "hd95": float("inf")},
        {"name": "c"},
    ]
    write_scores(path, ["name", "dice", "hd95"], rows)
    assert path.read_text().splitlines()[2:] == ["7,,", "c,,"]
    found = read_scores(path, ["name"])
    assert [row["name"] for row in found] == ["a, b", "7", "c"]
    assert (found[0]["dice"], found[0]["hd95"]) == (0.25, 2.0)
    assert all(np.isnan(row[key]) for row in found[1:] for key in ("dice", "hd95"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "No such file"),
        ("a,b\n1,2\n", "column fixed, moving is missing"),
        ("fixed,moving,dice\na,b,c\n", "could not convert string to float: 'c'"),
        ("fixed,moving,dice\na,b,1,2\n", "run `autoreg evaluate` again"),
    ],
)
def test_a_damaged_table_is_named(tmp_path, text, says):
    path = tmp_path / "evaluation.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ArtifactError, match=rf"evaluation\.csv: cannot be.*{says}"):
        read_scores(path, ["fixed", "moving"])
