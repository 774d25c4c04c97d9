"""The player of the search and the trust of the pairs: what the files say, no more."""

import json
import re

import numpy as np
import pytest
from scipy.special import softmax

from autoreg_jax.inference import Trust
from autoreg_jax.inference.trust import Evidence
from autoreg_jax.report import write_report
from autoreg_jax.report.page._frames import alpha_players, lambda_player
from autoreg_jax.search_space import OPERATIONS


def test_frames_are_the_records_and_keep_the_first_and_the_last():
    weights = np.linspace(2.0, -4.0, 301)
    records = [
        {"stage": "lam", "step": 1 + i, "lam": {"smooth": w, "own": None if i else 0.5}}
        for i, w in enumerate(weights.tolist())
    ]
    player = lambda_player(records)
    assert player is not None
    assert player.rows == ("Smoothness", "own")
    assert player.full == (4.0, 0.5)
    steps = [int(re.findall(r"step (\d+)", text)[0]) for text in player.steps]
    assert steps[0] == 1
    assert steps[-1] == 301
    assert len(steps) == 60
    assert np.all(np.diff(steps) > 0)
    shown = [frame[0] for frame in player.frames]
    np.testing.assert_allclose(shown, weights[np.array(steps) - 1], atol=1e-4)
    assert [frame[1] for frame in player.frames] == [0.5] + [None] * 59
    assert lambda_player(records[:1]) is None
    json.dumps(player.data, allow_nan=False)


def test_probabilities_are_those_of_each_step_and_what_stands_still_has_no_player():
    rng = np.random.default_rng(0)
    alphas = rng.normal(size=(5, 2, 3, 8))
    still = np.zeros((2, 3, 8)).tolist()
    records = [
        {"stage": "feature", "step": i, "alpha": {"feature": a, "deformation": still}}
        for i, a in enumerate(alphas.tolist())
    ]
    (player,) = alpha_players(records, list(OPERATIONS))
    assert len(player.columns) == 6
    assert len(player.rows) == 8
    for frame, alpha in zip(player.frames, alphas, strict=True):
        cells = np.reshape(np.asarray(frame, float), (8, 2, 3))
        expected = 100 * softmax(alpha, axis=-1)
        np.testing.assert_allclose(np.moveaxis(cells, 0, -1), expected, atol=0.051)
    assert player.full == (player.full[0],) * 8
    assert player.full[0] == pytest.approx(100 * softmax(alphas, axis=-1).max())


def _with_trust(run, trusts):
    """Write the trust of pairs "b to a" as an evaluation does, None where unknown."""
    content = json.loads((run / "evaluation.json").read_text())
    content["trust_flags"] = [
        {"fixed": f"{name}-fixed", "moving": name, "flags": trust.flags}
        for name, trust in trusts.items()
        if trust.flags
    ]
    (run / "evaluation.json").write_text(json.dumps(content))
    lines = [f"{name}-fixed,{name},{t.value}" for name, t in trusts.items()]
    table = "\n".join(["fixed,moving,trust", *lines])
    (run / "evaluation_pairs.csv").write_text(f"{table}\n")


def test_doubtful_pairs_come_first_the_worst_on_top_each_with_its_reasons(
    make_run, tmp_path
):
    run = make_run(tmp_path / "run", num_pairs=1, with_records=False)
    good = Evidence(0, 0.1, 0.1, 0.0, 0.02, 0.1, 0.0, 0.0)
    folded = Evidence(0, 0.1, 0.1, 0.0, 0.02, 0.1, 0.0, 0.001)
    bad = Evidence(0.9, 0.1, 0.1, 0.5, 0.02, 0.1, 0.0, 0.0)
    found = {"fine": Trust(good), "folds": Trust(folded), "torn": Trust(bad)}
    _with_trust(run, found)
    html = write_report(run).read_text(encoding="utf-8")
    assert "Something is unusual about 2 of 3 pairs. Look at them" in html
    shown = re.findall(r'<th scope="row">(\w+) to \w+-fixed</th>', html)
    assert shown == ["torn", "folds", "fine"]
    for trust in found.values():
        assert f'<td data-column="Trust">{trust.value:.2f}</td>' in html
        for flag in trust.flags:
            assert flag[0].upper() + flag[1:] in html
    assert "1 pair without anything unusual" in html


def test_an_evaluation_without_trust_says_so(make_run, tmp_path):
    run = make_run(tmp_path / "run", num_pairs=1, with_records=False)
    (run / "evaluation_pairs.csv").unlink()
    html = write_report(run).read_text(encoding="utf-8")
    assert "this evaluation is of a version that did not measure it" in html
