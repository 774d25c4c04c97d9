"""How many devices a run takes, and what is refused; the rest needs several devices.

`tests/workflows/test_several_devices.py` has them.
"""

import jax
import numpy as np
import pytest

from autoreg_jax.errors import ConfigError
from autoreg_jax.runtime import ONE_DEVICE, _placement, local_placement, placement


@pytest.fixture
def eight(monkeypatch):
    """Eight devices of which nothing is computed; returns what is asked of them."""
    asked = []
    monkeypatch.setattr(jax, "device_count", lambda: 8)
    monkeypatch.setattr(jax, "local_devices", lambda: list(range(8)))
    monkeypatch.setattr(
        _placement, "_mesh", lambda *sizes: asked.append(sizes[:3]) or ONE_DEVICE
    )
    return asked


@pytest.mark.parametrize(
    ("backend", "members", "batches", "expected"),
    [
        ("cpu", 1, [8], (1, 1)),
        ("gpu", 1, [8], (1, 8)),
        ("tpu", 1, [8, 12], (1, 4)),
        ("gpu", 1, [8, 1], (1, 1)),
        ("gpu", 2, [8], (2, 4)),
        ("gpu", 3, [8], (3, 2)),
        ("cpu", 8, [1], (8, 1)),
    ],
)
def test_accelerators_share_what_divides_every_batch(
    eight, monkeypatch, backend, members, batches, expected
):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    placement(None, members, batches, has_members=True)
    assert eight == [(*expected, 1)]


def test_groups_without_members_are_left_out(eight):
    placement(2, 4, [2], has_members=False)
    assert eight == [(1, 2, 1)]


@pytest.mark.parametrize(
    ("pairs", "members", "expected"),
    [(None, 1, (1, 2, 4)), (1, 2, (2, 1, 4)), (None, 2, (2, 1, 4))],
)
def test_devices_that_share_a_volume_are_left_out_of_the_others(
    eight, monkeypatch, pairs, members, expected
):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    placement(pairs, members, [8], has_members=True, space=4)
    assert eight == [expected]


@pytest.mark.parametrize(
    ("backend", "mesh", "expected"),
    [
        ("cpu", (None, 1), 1),
        ("gpu", (None, 1), 5),
        ("gpu", (2, 1), 2),
        ("cpu", (2, 2), 4),
    ],
)
def test_pairs_of_a_table_go_to_every_device(
    eight, monkeypatch, backend, mesh, expected
):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    local_placement(*mesh, 5)
    assert eight == [(1, expected, 1)]


@pytest.mark.parametrize(
    ("mesh", "batches", "words"),
    [
        ((4, 4), [4], r"4 group\(s\) of 4 .* 16, found 8"),
        ((None, 9), [1], r"9 group\(s\) .* found 8"),
        ((4, 1), [4, 6], r"mesh.pairs: 4 .* batch of 6 pair"),
    ],
)
def test_what_cannot_be_divided_is_refused(eight, mesh, batches, words):
    with pytest.raises(ConfigError, match=words):
        placement(*mesh, batches, has_members=True)
    assert not eight


def test_processes_use_all_of_their_devices(eight, monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    placement(None, 1, [16], has_members=False)
    assert eight == [(1, 8, 1)]
    with pytest.raises(ConfigError, match="2 processes have 8 devices"):
        placement(4, 1, [16], has_members=False)


def test_one_device_binds_nothing():
    tree = {"a": np.ones(3)}
    assert ONE_DEVICE.everywhere(tree) is tree
    assert ONE_DEVICE.dealt(tree) is tree
    assert ONE_DEVICE.groups() == [ONE_DEVICE]
    assert (ONE_DEVICE.pairs, ONE_DEVICE.members) == (1, 1)
    with ONE_DEVICE.active():
        assert jax.sharding.get_abstract_mesh().empty


@pytest.mark.parametrize(
    ("has_members", "members"), [(False, 2), (True, 2), (False, 1)]
)
def test_groups_without_a_population_are_said_to_be_unused(
    eight, caplog, has_members, members
):
    with caplog.at_level("INFO", logger="autoreg_jax"):
        placement(1, members, [8], has_members=has_members)
    is_dropped = members > 1 and not has_members
    assert ("mesh.members: there is no population" in caplog.text) == is_dropped
    assert eight[-1][0] == (1 if is_dropped else members)
