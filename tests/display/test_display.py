"""Text, HTML and PNG of objects that show themselves."""

import io

import numpy as np
import pytest
from matplotlib.image import imread

from autoreg_jax import display


@pytest.mark.parametrize("channels", [(), (3,), (4,)])
def test_png_is_read_back_as_it_was(channels):
    picture = np.random.default_rng(0).integers(0, 256, (7, 5, *channels), np.uint8)
    found = imread(io.BytesIO(display.encode_png(picture)), format="png")
    np.testing.assert_array_equal(np.rint(255 * found), picture)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((2, 2)),
        np.zeros((2, 2, 2), np.uint8),
        np.zeros((0, 2), np.uint8),
        np.zeros(3, np.uint8),
    ],
)
def test_png_refuses_what_is_no_picture(picture):
    with pytest.raises(ValueError, match=r"a picture is uint8 .* got "):
        display.encode_png(picture)


def test_grey_values_know_what_is_not_a_number():
    values = np.array([np.nan, -5.0, 0.0, 10.0, np.inf])
    whole = np.append(np.linspace(0, 10, 1001), [np.nan, np.inf])
    assert display.grey_values(values, whole).tolist() == [0, 0, 0, 255, 255]
    flat = display.grey_values(np.full(2, 7.0), np.full(9, 7.0))
    assert flat.tolist() == [0, 0]
    assert display.grey_values(np.zeros(1), np.array([np.nan])).tolist() == [0]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (np.nan, "–"), (-np.inf, "-∞"), (0.0, "0"), (1234.56, "1235")],
)
def test_a_number_for_people(value, text):
    assert display.number(value) == text


def test_everything_that_is_given_is_escaped():
    evil = '<b>&"x"</b>'
    html = display.block(
        evil,
        display.paragraph(evil),
        display.table([(evil, evil)], (evil, evil)),
        display.pictures({evil: np.zeros((1, 1), np.uint8)}),
    )
    assert html.count("&lt;b&gt;&amp;&quot;x&quot;&lt;/b&gt;") == 8
    assert evil not in html
    assert html.count("<b>") == 1
