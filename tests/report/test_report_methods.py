"""Figures of several methods: what they show, in two and three dimensions."""

import numpy as np
import pytest

from autoreg_jax.report import method_boxes, method_panels


def test_a_box_for_every_structure_and_method_with_scores():
    scores = {
        "all structures": {"none": [0.5, 0.6], "autoreg": [0.7, 0.9]},
        "a_b$": {"none": [0.4, np.nan], "autoreg": [np.nan, np.nan]},
    }
    figure = method_boxes(scores)
    axes = figure.axes[0]
    assert len(axes.patches) == 3  # one method lacks the second structure
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels == ["all structures", "a_b$"]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["none", "autoreg"]
    with pytest.raises(ValueError, match="no method has a Dice"):
        method_boxes({"all structures": {}})


@pytest.mark.parametrize("shape", [(12, 9), (10, 8, 6)])
def test_panels_have_a_row_for_every_method(shape):
    rng = np.random.default_rng(0)
    fixed, moving = rng.random((2, *shape), np.float32)
    ndim = len(shape)
    fields = {"one": np.zeros((*shape, ndim)), "two": rng.random((*shape, ndim))}
    moved = {"one": moving, "two": fixed}
    figure = method_panels(fixed, moving, moved, fields, (1.0, 2.0, 1.5)[:ndim])
    assert len(figure.axes) == 3 * 3
    rows = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert rows == ["one", "two"]
    still = figure.axes[5].images[0].get_array()
    half = [0.5, 0.5, 0.5]
    np.testing.assert_allclose(still, np.broadcast_to(half, still.shape))
    assert not np.any(figure.axes[7].images[0].get_array())  # nothing is left
    with pytest.raises(ValueError, match="the same methods"):
        method_panels(fixed, moving, {}, {}, (1.0,) * ndim)
