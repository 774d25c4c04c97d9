"""Overlap against folding on the page: the numbers of smoothness.json."""

import json

import numpy as np
import pytest

from autoreg_jax.inference import stored_digest
from autoreg_jax.report import write_report
from autoreg_jax.report._smoothness import front_figure, front_rows


def spread(mean):
    return {"mean": mean, "sd": 0.01}


def front(*, labels=True, refined=True):
    """Three factors; what is known follows from the factor."""
    rows = []
    for factor in (0.1, 1.0, 10.0):
        row = {"smoothness": factor}
        for ending in ("", "_refined")[: 1 + refined]:
            more = 0.05 * bool(ending)
            row[f"ncc{ending}"] = spread(0.6 + more - factor / 100)
            row[f"folding_fraction{ending}"] = spread(0.001 / factor)
            row[f"log_jacobian_std{ending}"] = spread(0.2 - factor / 100)
            if labels:
                row[f"dice{ending}"] = spread(0.8 + more - factor / 100)
        rows.append(row)
    return {"model": "0", "rows": rows}


def test_rows_are_the_means_in_percent():
    rows = front_rows(front())
    names = ["0.1", "1", "10", "0.1 refined", "1 refined", "10 refined"]
    assert [row.smoothness for row in rows] == names
    assert (rows[2].dice, rows[5].dice) == pytest.approx((0.7, 0.75))
    assert rows[0].folding == pytest.approx(1.0)
    bare = front_rows(front(labels=False, refined=False))
    assert len(bare) == 3
    assert np.isnan([row.dice for row in bare]).all()


@pytest.mark.parametrize(("labels", "won"), [(True, "Dice"), (False, "local corr")])
def test_the_figure_draws_what_is_won_by_what_is_paid(labels, won):
    plots = front_figure(front(labels=labels)).axes
    assert plots[0].get_ylabel().startswith(won)
    for axes, name, scale in zip(
        plots, ("folding_fraction", "log_jacobian_std"), (100, 1), strict=True
    ):
        network, refined = axes.lines
        paid = [scale * row[name]["mean"] for row in front()["rows"]]
        np.testing.assert_allclose(network.get_xdata(), paid)
        assert (refined.get_ydata() > network.get_ydata()).all()
        texts = [text.get_text() for text in axes.texts]
        assert texts == ["0.1", "1", "10"] * 2


def test_the_page_has_it_and_says_whose_it_is(make_run, tmp_path):
    run = make_run(tmp_path / "run", shape=(20, 24), num_pairs=1, with_records=False)
    (run / "panels.npz").unlink()
    title, warning = "Overlap against folding", "scores of another model"
    assert title not in write_report(run).read_text()
    (run / "model").mkdir()
    np.savez(run / "model" / "weights.npz", kernel=np.ones(3))
    for digest in ("0", stored_digest(run)):
        content = front() | {"model": digest}
        (run / "smoothness.json").write_text(json.dumps(content))
        page = write_report(run).read_text()
        assert title in page
        assert ">0.750</td>" in page
        assert (warning in page) == (digest == "0")
