"""Where the images of a run lie."""

import logging
from pathlib import Path

import numpy as np
import pytest

from autoreg_jax import alignment
from autoreg_jax.geometry import Volume
from autoreg_jax.workflows.planning._prepare import make_align

# An alignment runs for longer than it compiles.
pytestmark = pytest.mark.optimised

REFERENCE = Volume(np.ones((4, 4, 4), np.float32), np.eye(4), Path("reference.nii.gz"))
IMAGE = Volume(np.ones((4, 4, 4), np.float32), np.eye(4), Path("scan.nii.gz"))
SHIFT = np.eye(4) + np.pad(np.ones((3, 1)), ((0, 1), (3, 0)))


@pytest.fixture
def found(monkeypatch):
    """Alignments that are found, with a doubt or without."""

    def find(reason):
        verdict = (not reason, reason)
        result = alignment.Alignment(SHIFT, 0.9, 0.1, *verdict, "mi", 1.0)
        monkeypatch.setattr(alignment, "align", lambda *_, kind: result)

    return find


def test_headers_are_trusted_where_the_plan_says_so():
    assert make_align("none", REFERENCE) is None


def test_the_reference_stays_where_it_is(found):
    found("it must not be asked for")
    align = make_align("affine", REFERENCE)
    assert align is not None
    np.testing.assert_array_equal(align(REFERENCE), np.eye(4))


@pytest.mark.parametrize("reason", ["", "the images agree little"])
def test_a_doubted_alignment_is_used_and_reported(found, caplog, reason):
    found(reason)
    align = make_align("rigid", REFERENCE)
    assert align is not None
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(align(IMAGE), SHIFT)
    wanted = [f"scan.nii.gz: its alignment is not trusted: {reason}."] if reason else []
    assert caplog.messages == wanted
