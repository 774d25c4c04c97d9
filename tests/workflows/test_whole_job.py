"""The whole job with the real network on the virtual population, in a plane."""

import numpy as np
import pytest

from autoreg_jax import config
from autoreg_jax.files import read_records
from autoreg_jax.workflows import demo


@pytest.mark.slow
def test_demo_in_a_plane_registers(tmp_path):
    pytest.importorskip("nilearn", reason="the template comes with nilearn")
    stage = {"steps": 12, "warm_up": 6, "learning_rate": 3e-2}
    settings = config.merge(
        config.load("demo"),
        {
            "search": dict.fromkeys(("feature", "deformation", "lam"), stage),
            "train": {"steps": 800, "learning_rate": 3e-2},
            "evaluate": {"pairs": 4, "refine": {"steps": 30}},
        },
    )
    summary = demo(tmp_path / "run", dimensions=2, config=settings).summary
    assert summary["simulated"]
    assert summary["dice"]["mean"] > summary["dice_before"]["mean"] + 0.03
    assert summary["dice_refined"]["mean"] > summary["dice"]["mean"]
    before = summary["displacement_error_before"]["mean"]
    assert summary["displacement_error"]["mean"] < 0.9 * before
    assert summary["folding_fraction"]["mean"] < 1e-3
    records = read_records(tmp_path / "run" / "metrics.jsonl")
    for record in records:
        if "hypergradient_norm" in record:
            assert record["indirect_norm"] > 0
            assert np.isfinite(record["cosine"])
