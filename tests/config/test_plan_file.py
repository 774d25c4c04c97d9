"""A plan comes back from its file as it was, and what a person wrote is checked."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoreg_jax.config import (
    GridConfig,
    Intensity,
    PlanConfig,
    dump_plan,
    load_plan,
)
from autoreg_jax.errors import ConfigError

PLAN = PlanConfig(
    dataset="../subjects/dataset.csv",
    reference="s 0",
    grid=GridConfig(
        shape=(81, 95, 113),
        spacing=(1.5, 2.0, 0.9375),
        orientation="LIA",
        centre=(0.5, -12.25, 1e-7),
    ),
)


def test_round_trip_with_reasons(tmp_path):
    path = tmp_path / "plan.yaml"
    reasons = {"grid": "Because " * 40, "metric": "So."}
    path.write_text(dump_plan(PLAN, reasons, "First.\n\nSecond."))
    assert load_plan(path) == PLAN
    lines = path.read_text().splitlines()
    assert lines[:3] == ["# First.", "#", "# Second."]
    assert max(map(len, lines)) <= 80
    assert lines[lines.index("metric: ncc") - 1] == "# So."


@settings(deadline=None, max_examples=20, derandomize=True)
@given(
    name=st.text(min_size=1, max_size=20),
    sizes=st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=3),
    centre=st.tuples(*[st.floats(-1e6, 1e6)] * 3),
)
def test_round_trip_of_any_name_and_number(tmp_path_factory, name, sizes, centre):
    grid = GridConfig(
        shape=(5,) * len(sizes),
        spacing=tuple(sizes),
        orientation="RAS",
        centre=centre,
    )
    plan = replace(PLAN, reference=name, grid=grid)
    path = tmp_path_factory.mktemp("plan") / "plan.yaml"
    path.write_text(dump_plan(plan, {"reference": name}, name), encoding="utf-8")
    assert load_plan(path) == plan


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("metric: ncc", "metrics: ncc", "metrics: unknown name; did you mean metric"),
        ("affine: none", "affine: similarity", "affine: must be one of none, rigid"),
        ("batch: 1", "batch: 0", "batch: must be >= 1"),
        ("shape: [81, 95, 113]", "shape: [81, 95]", "grid.spacing: must be 2 sizes"),
        ("shape: [81, 95, 113]", "shape: 81", "grid.shape: must be a list"),
        ("shape: [81, 95, 113]", "shape: [81, 95, 2]", "grid.shape: must be two or"),
        ("shape: [81, 95, 113]", "shape: [8.5, 95, 9]", "must be a whole number"),
        ("0.9375]", ".nan]", "grid.spacing: must be 3 sizes"),
        ("0.5, -12", ".inf, -12", "grid.centre: must be three finite"),
        ("low: 0.5", "low: 99.9", "intensity.high: must be above low"),
        ("high: 99.5", "high: 900", "a percentile at most 100"),
        ("rule: percentile", "rule: robust", "intensity.rule: must be one of"),
        ("reference: s 0\n", "", "reference: missing"),
        ("batch: 1", "batch: 1\nbatch: 2", "batch: given twice"),
        ("batch: 1", "batch: [", "not valid YAML"),
    ],
)
def test_bad_edits(tmp_path, old, new, message):
    path = tmp_path / "plan.yaml"
    text = dump_plan(PLAN, {}, "x")
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_plan(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_no_plan(tmp_path):
    with pytest.raises(ConfigError, match="create it again with"):
        load_plan(tmp_path / "plan.yaml")


def test_a_window_may_be_any_grey_value():
    assert Intensity(rule="window", low=-1000, high=3000).low == -1000
