"""Objects show what they are: in a line of text, and in a notebook."""

import html
import pickle
import re
import sys
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from autoreg_jax import hypergrad, inference, report, studies
from autoreg_jax.data import Cohort
from autoreg_jax.errors import AutoRegError
from autoreg_jax.geometry import Grid, Volume
from autoreg_jax.inference import Registered
from autoreg_jax.search_space import ArchitectureLogits, Genotype
from autoreg_jax.transforms import Transform
from autoreg_jax.workflows import Evaluation, SearchProgress, SearchResult

GRID = Grid((20, 24, 16), np.diag([1.0, 1.0, 1.5, 1.0]))
NAME = "a<b>&.nii"


def volume(path=None):
    array = np.random.default_rng(0).random(GRID.shape).astype(np.float32)
    return Volume(array, GRID.affine, path)


def shift(millimetres):
    vectors = np.zeros((*GRID.shape, 3), np.float32)
    vectors[..., 0] = millimetres
    return Transform.displacement(vectors, GRID)


def registered(**more):
    images = volume(NAME), volume("moving.nii")
    values = {"folding_fraction": 0.0012, "similarity_before": 0.4, "similarity": 0.8}
    return Registered(*images, shift(2.5), seconds=3.25, **values | more)


def search_result():
    alpha = ArchitectureLogits.zeros()
    alpha = alpha._replace(feature=alpha.feature.at[0, 0, 0].set(np.log(14.0)))
    lam = {"full": 10.0, "smooth": 1.5333, "<mine>": 2.0}
    start = {"full": 10.0, "smooth": 15.0, "<mine>": 2.0}
    genotype = Genotype.uniform("conv_3")
    return SearchResult(genotype, alpha, lam, start, [{"alpha": [0.0] * 99}] * 40)


def evaluation():
    summary = {
        "pairs": 5,
        "simulated": True,
        "dice_before": {"mean": 0.6, "sd": 0.1},
        "dice": {"mean": 0.8123, "sd": 0.05},
        "folding_fraction": {"mean": 1e-5, "sd": None},
    }
    dice = [0.9, 0.3, 0.8, 0.7, 0.5]
    pairs = [{"fixed": f"f{i}", "moving": "<m>", "dice": d} for i, d in enumerate(dice)]
    return Evaluation(summary, [], pairs)


def table():
    rows = [{"estimator": f"x<{i}", "error": 0.25} for i in range(103)]
    columns = [studies.Column("estimator", "estimator"), studies.Column("e", "error")]
    return studies.Table(rows, columns)


SHOWN = {
    "volume": (volume(NAME), ["20 × 24 × 16 voxels of 1 × 1 × 1.5 mm, RAS"], 1),
    "transform": (
        Transform.affine(np.diag([2.0, 1, 1, 1])) @ shift(2.5),
        ["2.5 mm on average, 2.5 mm at most", "volumes times 2"],
        1,
    ),
    "registered": (registered(), ["0.4 → 0.8", "0.12 %", "3.25 s"], 5),
    "genotype": (Genotype.uniform("conv_3"), ["conv_3"], 0),
    "search": (search_result(), ["conv_3", "1.53"], 0),
    "evaluation": (evaluation(), ["0.812"], 0),
    "table": (table(), ["x<99", "0.250", "... and 3 more lines"], 0),
}


def words(markup):
    return html.unescape(re.sub(r"<[^>]*>", " ", markup))


@pytest.mark.parametrize(("thing", "said", "pictures"), SHOWN.values(), ids=SHOWN)
def test_shows_what_matters_and_no_more(thing, said, pictures, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("matplotlib")]:
        monkeypatch.setitem(sys.modules, name, None)  # nothing is drawn with it
    shown, text = thing._repr_html_(), f"{thing!r}"
    for value in said:
        assert value in words(shown)
        assert value in text
    assert shown.count("data:image/png;base64,") == pictures
    assert len(shown) < 60_000
    assert len(text) < 3000
    assert "array(" not in text
    # Readable on a light and on a dark page: it has no colours of its own.
    assert not re.search(r"color|background|#[0-9a-f]{3}", shown)
    assert not re.search(r"<(b>&|m>|mine>|\d)", shown)


@pytest.mark.parametrize("thing", [t for t, _, _ in SHOWN.values()], ids=SHOWN)
def test_is_the_same_after_a_pickle(thing):
    again = pickle.loads(pickle.dumps(thing))
    assert (repr(again), again._repr_html_()) == (repr(thing), thing._repr_html_())


def test_numbers_that_decide_are_in_the_html():
    found = words(search_result()._repr_html_())
    # exp(log 14) of 14 + 7 candidates; the others have one eighth.
    assert "12.5 to 66.7 % of all of its candidates; 12.5 % would be no pref" in found
    found = words(evaluation()._repr_html_())
    assert "5 pairs of simulated subjects" in found
    assert "0.6\xa0±\xa00.1" in found
    assert "Lowest Dice: <m> to f1 (0.3), <m> to f4 (0.5), <m> to f3 (0.7)." in found


def test_doubts_are_shown():
    assert "Doubt & more" in words(registered(warnings=("Doubt & more",))._repr_html_())
    assert "warnings: 1" in repr(registered(warnings=("Doubt",)))


def test_a_map_that_cannot_be_drawn_says_why():
    vectors = np.zeros((*GRID.shape, 3))
    vectors[..., 0] = -3 * np.arange(GRID.shape[0])[:, None, None]  # folds everywhere
    inverse = Transform.displacement(vectors, GRID).inverse()
    assert "the displacement folds at" in words(inverse._repr_html_())


def test_objects_with_arrays_do_not_dump_them():
    cohort = Cohort(
        ("a", "b"), np.zeros((2, 8, 9, 1)), np.zeros((2, 8, 9), int), ("x", "y", "z"),
        np.eye(4), (1.0, 2.0),
    )  # fmt: skip
    assert repr(cohort) == (
        "Cohort(2 subjects, 8 × 9 voxels of 1 × 2 mm, 3 structures)"
    )
    progress = SearchProgress("lam", 3, omega=np.zeros(999), lam={"full": 10.0})
    assert repr(progress) == (
        "SearchProgress(stage 'lam', 3 steps of it, 0 in all, weights: full 10)"
    )


def test_the_slider_draws_the_slice_that_is_chosen(monkeypatch):
    class Slider(SimpleNamespace):
        def observe(self, draw, names):
            assert names == "value"
            self.draw = draw

    widgets = SimpleNamespace(
        HTML=lambda text: SimpleNamespace(value=text),
        IntSlider=lambda **given: Slider(**given),
        VBox=list,
    )
    monkeypatch.setitem(sys.modules, "ipywidgets", widgets)
    slider, picture = report.slice_slider(registered())
    assert (slider.min, slider.max) == (0, 15)
    assert f"Slice {slider.value + 1} of 16" in picture.value
    slider.draw({"new": 7})
    assert "Slice 8 of 16" in picture.value
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(AutoRegError, match="pip install ipywidgets"):
        report.slice_slider(registered())
    with pytest.raises(ValueError, match="slices 0 to 15, got the index 16"):
        inference.slice_html(registered(), 16)


def test_agreements_print_as_a_table_and_stay_a_pytree():
    one = hypergrad.Agreement(*(jax.numpy.float32(x) for x in (0.5, 0.25, 1)))
    found = hypergrad.Agreements({"b": one, "a": one})
    assert str(found).split("\n")[1].split() == ["b", "0.5", "0.25", "1"]
    assert repr(one) == "Agreement(cosine=0.5, relative_error=0.25, sign_agreement=1)"
    doubled = jax.tree.map(lambda x: 2 * x, found)
    assert doubled["a"].cosine == 1
    assert pickle.loads(pickle.dumps(found)) == found == dict(found)
    paths = [jax.tree_util.keystr(p) for p, _ in jax.tree.leaves_with_path(found)]
    plain = [jax.tree_util.keystr(p) for p, _ in jax.tree.leaves_with_path({**found})]
    assert paths == plain
    shapes = jax.eval_shape(lambda tree: tree, found)
    assert isinstance(shapes, hypergrad.Agreements)
    seen = []
    jax.eval_shape(lambda tree: seen.append(repr(tree)), found)
    assert "Tracer" in seen[0]
