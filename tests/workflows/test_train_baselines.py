"""Rivals go through the same training: they learn, are kept, read and evaluated."""

import jax
import numpy as np
import pytest

from autoreg_jax import config
from autoreg_jax.baselines import NETWORKS
from autoreg_jax.files import read_records
from autoreg_jax.inference import load_model
from autoreg_jax.workflows import evaluate, train

LAM = {"full": 1.0, "smooth": 0.5, "half": 0.2, "quarter": 0.1}


# The one that compiles quickest runs with every change.
RIVALS = [
    pytest.param(name, marks=[] if name == "voxelmorph" else [pytest.mark.slow])
    for name in NETWORKS
]


@pytest.mark.parametrize("name", RIVALS)
def test_training_lowers_the_loss(name, cohorts, settings, tmp_path):
    longer = config.merge(settings, {"train": {"steps": 30, "log_every": 10}})
    model = train(cohorts[0], longer, name, LAM, run=tmp_path)
    losses = [record["loss"] for record in read_records(tmp_path / "metrics.jsonl")]
    assert losses[-1] < losses[0] - 0.005
    again = load_model(tmp_path)
    assert again.description == model.description
    assert again.description.genotype == name
    images = cohorts[2].images
    fields = [one(images[:1], images[1:2]).displacements.full for one in (model, again)]
    np.testing.assert_array_equal(*map(jax.device_get, fields))


@pytest.mark.slow
def test_evaluation_refines_a_rival_too(cohorts, settings, tmp_path):
    short = config.merge(settings, {"train": {"steps": 2}, "evaluate": {"pairs": 2}})
    model = train(cohorts[0], short, "voxelmorph_diff", LAM)
    evaluation = evaluate(cohorts[2], model, short, run=tmp_path)
    scores = evaluation.summary
    assert scores["dice_refined"]["mean"] != scores["dice"]["mean"]
