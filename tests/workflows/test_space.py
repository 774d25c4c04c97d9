"""Volumes that several devices share: which axis is divided."""

import jax
import pytest

from autoreg_jax.errors import ConfigError
from autoreg_jax.programs import _cohort


@pytest.mark.parametrize(
    ("shape", "count", "expected"),
    [
        ((8, 6), 1, ()),
        ((8, 6), 4, ("space",)),
        ((9, 8, 7), 4, (None, "space")),
        ((9, 7, 12), 4, (None, None, "space")),
    ],
)
def test_the_first_axis_that_can_be_divided_is(monkeypatch, shape, count, expected):
    monkeypatch.setattr(_cohort, "_devices", lambda name: count)
    assert _cohort._axis_of_space(shape) == expected


def test_a_volume_that_cannot_be_divided_is_refused(monkeypatch):
    monkeypatch.setattr(_cohort, "_devices", lambda name: 4)
    with pytest.raises(ConfigError, match=r"mesh.space: 4 .* 9×7 voxels"):
        _cohort._axis_of_space((9, 7))


def test_without_a_mesh_nothing_is_divided():
    assert jax.sharding.get_abstract_mesh().empty
    assert _cohort._axis_of_space((3, 5)) == ()
