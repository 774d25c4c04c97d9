"""Members go to the groups of devices, and come back in their order."""

import threading

import jax
import pytest

from autoreg_jax.errors import ConfigError
from autoreg_jax.runtime import ONE_DEVICE
from autoreg_jax.workflows._members import side_by_side


class Groups:
    """Two groups of devices."""

    def groups(self):
        return ["a", "b"]


def test_as_many_at_once_as_there_are_groups():
    together = threading.Barrier(2, timeout=30)
    used = []

    def work(member, group):
        used.append(group)
        together.wait()  # breaks if only one runs at a time
        return member * 10

    assert side_by_side(work, 4, Groups()) == [0, 10, 20, 30]
    assert {*used[:2]} == {"a", "b"}
    assert used.count("a") == used.count("b") == 2


def test_a_failure_is_that_of_the_member_and_frees_its_group():
    def work(member, group):
        del group
        if member == 1:
            raise ValueError("member 1")
        return member

    with pytest.raises(ValueError, match="member 1"):
        side_by_side(work, 6, Groups())


def test_one_group_works_in_this_thread():
    here = threading.current_thread()

    def work(member, group):
        assert group is ONE_DEVICE
        return threading.current_thread() is here

    assert side_by_side(work, 2, ONE_DEVICE) == [True, True]


def test_groups_of_several_processes_are_refused(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(ConfigError, match=r"mesh\.members: 2 groups"):
        side_by_side(lambda member, group: member, 2, Groups())
