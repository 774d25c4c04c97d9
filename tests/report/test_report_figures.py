"""The figures show the arrays that they were given, where and how they should."""

import numpy as np
import pytest
from matplotlib.patches import PathPatch, Rectangle
from scipy.special import softmax

from autoreg_jax import report
from autoreg_jax.report._architecture import (
    chosen_operations,
    decision_sentence,
    probabilities,
    searched_operations,
    set_sentence,
)
from autoreg_jax.report._curves import series
from autoreg_jax.report._pairs import Pair, mean_dice, select_pairs
from autoreg_jax.report._words import OPERATIONS
from autoreg_jax.search_space import ArchitectureLogits, Genotype


@pytest.fixture
def alpha():
    rng = np.random.default_rng(0)
    return {kind: rng.normal(size=(2, 3, 8)) for kind in ("feature", "deformation")}


def test_public_names_can_be_loaded():
    for name in report.__all__:
        assert callable(getattr(report, name))
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        report.absent  # noqa: B018


def test_operations_have_the_order_of_the_search_space():
    search_space = pytest.importorskip("autoreg_jax.search_space")
    assert tuple(OPERATIONS) == tuple(search_space.OPERATIONS)


def test_probabilities_are_the_softmax(alpha):
    np.testing.assert_allclose(
        probabilities(alpha["feature"]), softmax(alpha["feature"], axis=-1)
    )


def test_heatmap_frames_the_cells_of_the_genotype(alpha):
    rng = np.random.default_rng(1)
    names = list(OPERATIONS)
    # Not the argmax: the frame must follow the genotype, which may have been edited.
    index = rng.integers(8, size=(2, 2, 3))
    genotype = {
        kind: {
            scale: [names[i] for i in index[k, s]]
            for s, scale in enumerate(("half", "quarter"))
        }
        for k, kind in enumerate(("feature", "deformation"))
    }
    figure = report.alpha_heatmap(alpha, genotype)
    for k, kind in enumerate(("feature", "deformation")):
        axes = figure.axes[k]
        frames = {
            (
                round(p.get_x() + p.get_width() / 2),
                round(p.get_y() + p.get_height() / 2),
            )
            for p in axes.patches
            if isinstance(p, Rectangle)
        }
        assert frames == {
            (3 * s + e, int(index[k, s, e])) for s in range(2) for e in range(3)
        }
        shown = axes.images[0].get_array()
        assert shown.shape == (8, 6)
        for s, e, o in np.ndindex(2, 3, 8):
            expected = softmax(alpha[kind], axis=-1)[s, e, o]
            np.testing.assert_allclose(shown[o, 3 * s + e], expected)
    assert not report.alpha_heatmap(alpha, None).axes[0].patches


def test_heatmap_takes_what_a_search_returns(alpha):
    found, genotype = ArchitectureLogits(**alpha), Genotype.random(3)
    plain = {
        kind: dict(zip(("half", "quarter"), getattr(genotype, kind), strict=True))
        for kind in ("feature", "deformation")
    }
    figures = report.alpha_heatmap(found, genotype), report.alpha_heatmap(alpha, plain)
    for one, other in zip(*(figure.axes[:2] for figure in figures), strict=True):
        np.testing.assert_array_equal(
            one.images[0].get_array(), other.images[0].get_array()
        )
        places = [[p.get_xy() for p in axes.patches] for axes in (one, other)]
        assert places[0] == places[1]
        assert len(places[0]) == 6


def test_a_pyramid_has_a_column_for_each_edge_of_its_own_scales():
    alpha = {"feature": np.zeros((1, 3, 8)), "deformation": np.zeros((4, 2, 8))}
    alpha["deformation"][3, 1, 2] = 1
    cells = {"half": 2, "quarter": 2, "eighth": 2, "sixteenth": 2}
    genotype = {
        "feature": {"half": ["conv_1"] * 3},
        "deformation": {scale: ["conv_5"] * count for scale, count in cells.items()},
    }
    left, right, _ = report.alpha_heatmap(alpha, genotype).axes
    shown = [axes.images[0].get_array().shape for axes in (left, right)]
    assert shown == [(8, 3), (8, 8)]
    assert right.images[0].get_array()[2, 7] > 1 / 8
    assert [len(axes.patches) for axes in (left, right)] == [3, 8]
    rows = chosen_operations(genotype, alpha)
    assert [len(row.operations) for row in rows] == [3, 2, 2, 2, 2]
    assert rows[-1].cell == "Deformation cells, 1/16 resolution"


def test_alpha_may_weigh_some_operations(alpha):
    alpha = {kind: np.asarray(logits)[..., 1:3] for kind, logits in alpha.items()}
    cells = {"half": ["conv_3"] * 3, "quarter": ["conv_5"] * 3}
    genotype = {"feature": cells, "deformation": cells}
    names = searched_operations("network: {operations: [conv_5, conv_3]}")
    axes = report.alpha_heatmap(alpha, genotype, names).axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["conv 3", "conv 5"]
    rows = [round(patch.get_y() + 0.45) for patch in axes.patches]
    assert rows == [0, 0, 0, 1, 1, 1]
    percent = chosen_operations(genotype, alpha, names)[3].operations[2][1]
    assert percent == 100 * softmax(alpha["deformation"][1, 2])[1]
    assert searched_operations("seed: 0") == tuple(OPERATIONS)
    assert set_sentence(genotype, names) == ""
    assert set_sentence(genotype, names[:1]) == ""


def test_heatmap_refuses_a_wrong_shape_and_an_unknown_operation(alpha):
    with pytest.raises(ValueError, match=r"shape \(scales, edges, 8\)"):
        report.alpha_heatmap(alpha | {"feature": np.zeros((2, 3, 7))}, None)
    cells = {"half": ["conv_9"] * 3, "quarter": ["conv_1"] * 3}
    with pytest.raises(ValueError, match="conv_9"):
        report.alpha_heatmap(alpha, {"feature": cells, "deformation": cells})


def test_undecided_and_decided_searches_are_told_apart():
    def sentence(scale):
        logits = scale * np.eye(8)[np.arange(6)].reshape(2, 3, 8)
        return decision_sentence({"feature": logits, "deformation": logits})

    assert "1.000 of the largest" in sentence(0.0)
    assert "equivalent to 8.0 of 8" in sentence(0.0)
    assert "hardly any preference" in sentence(0.0)
    assert "equivalent to 1.0 of 8" in sentence(50.0)
    assert "clear preference" in sentence(50.0)


def test_lambda_history_marks_start_and_end(records):
    figure = report.lambda_history(records)
    for axes, name in zip(
        figure.axes, ("full", "smooth", "half", "quarter"), strict=True
    ):
        values = [r["lam"][name] for r in records if r["stage"] == "lam"]
        np.testing.assert_allclose(axes.lines[0].get_ydata(), values)
        marks = [text.get_text() for text in axes.texts]
        assert marks == [f"{values[0]:.3g}", f"{values[-1]:.3g}"]


def test_loss_curves_have_a_column_for_each_stage_that_ran(records):
    assert len(report.loss_curves(records).axes) == 8
    only_training = [
        {k: v for k, v in r.items() if k != "validation_dice"}
        for r in records
        if r["stage"] == "train"
    ]
    (axes,) = report.loss_curves(only_training).axes
    np.testing.assert_allclose(
        axes.lines[0].get_ydata(), [r["loss"] for r in only_training]
    )


def test_hypergradient_curves_survive_a_first_order_estimator(records):
    changed = [r | {"indirect_norm": 0.0} for r in records if r["stage"] == "lam"]
    changed[3] |= {"direct_norm": None}
    (axes,) = report.hypergradient_curves(changed).axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["direct part", "indirect part (zero)"]
    assert len(axes.lines[0].get_xdata()) == len(changed) - 1
    assert axes.get_yscale() == "log"


def test_long_curves_are_thinned_to_their_means():
    long = [{"stage": "train", "step": i, "loss": float(i % 2)} for i in range(10_000)]
    line = report.loss_curves(long).axes[0].lines[0]
    assert 100 < len(line.get_xdata()) <= 400
    assert np.ptp(line.get_xdata()) > 9900
    np.testing.assert_allclose(line.get_ydata(), 0.5, atol=0.1)


@pytest.mark.parametrize(
    "draw", [report.lambda_history, report.loss_curves, report.hypergradient_curves]
)
def test_curves_without_records_are_refused(draw):
    with pytest.raises(ValueError, match="no record"):
        draw([{"stage": "other"}])


def test_series_reaches_into_nested_objects():
    lines = [{"stage": "lam", "step": 4, "lam": {"full": 2}}, {"stage": "lam"}]
    steps, values = series(lines, "lam", "lam.full")
    assert (steps.tolist(), values.tolist()) == ([4.0], [2.0])


def test_dice_by_structure_draws_what_is_known():
    rows = [
        {"structure": name, "dice_before": 0.2, "dice": dice, "dice_refined": np.nan}
        for name, dice in [("low", 0.3), ("low", 0.4), ("high", 0.8), ("high", np.nan)]
    ]
    axes = report.dice_by_structure(rows).axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["low", "high"]
    boxes = [p for p in axes.patches if isinstance(p, PathPatch)]
    assert len(boxes) == 4
    dots = np.sort(
        np.concatenate([ln.get_xdata() for ln in axes.lines if ln.get_marker() == "s"])
    )
    np.testing.assert_allclose(dots, [0.3, 0.4, 0.8])
    with pytest.raises(ValueError, match="no row has a Dice"):
        report.dice_by_structure([{"structure": "a", "dice": np.nan}])


def test_mean_dice_closed_form():
    first = np.array([1, 1, 2, 2, 0, 0])
    second = np.array([1, 0, 2, 2, 3, 0])
    assert mean_dice(first, second) == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert np.isnan(mean_dice(first * 0, first * 0))


def _pair(name, moved_labels):
    image = np.zeros((2, 3))
    fixed = np.array([[1, 1, 1], [1, 1, 1]])
    u = np.zeros((2, 3, 2))
    return Pair(name, image, image, image, u, fixed, fixed, moved_labels)


def test_worst_median_and_best_pairs_are_selected():
    pairs = []
    for count in (3, 6, 1, 5, 2):
        labels = np.zeros(6, int)
        labels[:count] = 1
        pairs.append(_pair(str(count), labels.reshape(2, 3)))
    chosen = [(item.role, item.pair.name) for item in select_pairs(pairs)]
    assert chosen == [("Worst", "1"), ("Median", "3"), ("Best", "6")]
    assert [s.role for s in select_pairs(pairs[:2])] == ["Worst", "Best"]
    unknown = [_pair("a", None)] * 5
    assert [s.role for s in select_pairs(unknown)] == ["", "", ""]


def test_ablation_draws_the_band_of_random_genotypes():
    columns = {"ω": [0.7, 0.72], "ω, λ": [0.75, 0.77]}
    figure = report.ablation_means(columns, [0.68, 0.70, 0.75])
    (axes,) = figure.axes
    bands = [patch.get_bbox() for patch in axes.patches]
    assert [(band.y0, band.y1) for band in bands] == [
        pytest.approx((0.68, 0.75)),
        pytest.approx((0.71 - 0.0360555, 0.71 + 0.0360555)),
    ]
    levels = [line.get_ydata() for line in axes.lines]
    assert levels[0][0] == pytest.approx(0.71)
    assert [level[0] for level in levels[2::2]] == pytest.approx([0.71, 0.76])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["ω", "ω\nλ"]
    assert not report.ablation_means(columns, []).axes[0].patches
    with pytest.raises(ValueError, match="needs a score"):
        report.ablation_means({"ω": []}, [])


def test_an_operation_that_alpha_cannot_choose_has_no_frame(alpha):
    cells = {"half": ["conv_1"] * 3, "quarter": ["conv_3", *["dil_conv_3_8"] * 2]}
    genotype = {"feature": cells, "deformation": cells}
    axes = report.alpha_heatmap(alpha, genotype).axes[0]
    assert len([p for p in axes.patches if isinstance(p, Rectangle)]) == 4
    row = chosen_operations(genotype, alpha)[1]
    assert row.operations[1] == ("dilated convolution, width 3 (reach 17)", None, "")
