"""Volumes that several devices share: which axis is divided."""

from dataclasses import replace
from types import SimpleNamespace

import jax
import pytest
from stand_in import SmallNetwork, make_cohort, programs_for

from autoreg_jax import workflows
from autoreg_jax.config import merge
from autoreg_jax.errors import ConfigError
from autoreg_jax.programs import _cohort, check_space
from autoreg_jax.search_space import Genotype
from autoreg_jax.workflows import _auto


@pytest.mark.parametrize(
    ("shape", "count", "expected"),
    [
        ((8, 6), 1, ()),
        ((8, 6), 4, ("space",)),
        ((9, 8, 7), 4, (None, "space")),
        ((9, 7, 12), 4, (None, None, "space")),
    ],
)
def test_the_first_axis_that_can_be_divided_is(shape, count, expected):
    assert _cohort._axis_of_space(shape, count) == expected


def test_a_volume_that_cannot_be_divided_is_refused():
    with pytest.raises(ConfigError, match=r"mesh.space: 4 .* 9×7 voxels"):
        _cohort._axis_of_space((9, 7), 4)


def odd(size=15):
    """Subjects on a grid that two devices share only where it is smaller by 2."""
    cohort = make_cohort(3, 1)
    return replace(
        cohort,
        images=cohort.images[:, :size, :size],
        labels=cohort.labels[:, :size, :size],
    )


@pytest.mark.parametrize(
    ("shape", "shrinks"), [((15, 15), [2, 1]), ((15, 15), [1]), ((18, 18), [1, 2])]
)
def test_every_size_is_checked(shape, shrinks):
    with pytest.raises(ConfigError, match=r"mesh.space: 2 .*grid is 1[58]×1[58]\)"):
        check_space(shape, 2, shrinks)


def test_a_search_and_a_training_are_refused_before_they_begin(settings):
    shared = merge(settings, {"mesh": {"space": 2}, "search": {"shrink": 2}})
    own = {"programs": programs_for(shared)}
    with pytest.raises(ConfigError, match=r"of 15×15 voxels"):
        workflows.SteppedSearch(odd(), odd(), shared, **own)
    genotype = Genotype.uniform("conv_3")
    with pytest.raises(ConfigError, match=r"of 15×15 voxels"):
        workflows.train(odd(), shared, genotype, {"full": 1.0}, **own)


def test_a_whole_run_is_refused_before_its_search(
    cohorts, settings, tmp_path, monkeypatch
):
    def search(*arguments, **options):
        raise AssertionError

    shared = merge(settings, {"mesh": {"space": 7}})
    prepared = SimpleNamespace(cohorts=cohorts, config=shared)
    monkeypatch.setattr(_auto, "search", search)
    monkeypatch.setattr(_auto, "open_run", lambda *given, **options: prepared)
    with pytest.raises(ConfigError, match=r"mesh.space: 7 devices divide no axis"):
        workflows.auto("none", tmp_path, shared, network=SmallNetwork)


def test_a_size_that_nothing_uses_is_not_checked():
    check_space((15, 15), 2, [2])
    check_space((15, 15), 1, [1, 2])


def test_without_a_mesh_nothing_is_divided():
    assert jax.sharding.get_abstract_mesh().empty
    assert _cohort._axis_of_space((3, 5), _cohort._devices("space")) == ()
