"""λ of more than four terms, from the configuration to the files and back."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from stand_in import search, train

from autoreg_jax import config, report
from autoreg_jax.errors import ConfigError
from autoreg_jax.files import read_records
from autoreg_jax.inference import load_model, refine
from autoreg_jax.losses import in_order, registration_loss
from autoreg_jax.programs import initial_lambda
from autoreg_jax.search_space import Genotype
from autoreg_jax.spatial import Pyramid, half_shape, integrate, resize_displacement
from autoreg_jax.workflows import evaluate

EXTRA = {"mind_full": 2.0, "bending": 0.1, "folding": 0.0}
NAMES = ("full", "smooth", "half", "quarter", "bending", "folding", "mind_full")


@pytest.fixture(scope="module")
def extended(settings):
    """The settings of the tests with three more terms."""
    run = config.merge(settings, {"objective": {"extra": EXTRA}})
    return replace(run, train=replace(run.train, steps=2))


@pytest.fixture(scope="module")
def done(cohorts, extended, tmp_path_factory):
    """A search of λ and a training with what it found."""
    run = tmp_path_factory.mktemp("extra")
    genotype = Genotype.uniform("conv_3")
    found = search(cohorts[0], cohorts[1], extended, genotype=genotype, run=run)
    return found, train(cohorts[0], extended, genotype, found.lam, run=run), run


def test_configuration_names_weights_and_keeps_them(extended):
    assert tuple(in_order(initial_lambda(extended))) == NAMES
    again = config.merge(
        config.RunConfig(), {"objective": {"extra": EXTRA | {"bending": None}}}
    )
    assert "bending" not in in_order(initial_lambda(again))
    with pytest.raises(ConfigError, match=r"extra\.mind_ful: .*mean mind_full"):
        config.merge(config.RunConfig(), {"objective": {"extra": {"mind_ful": 1.0}}})
    with pytest.raises(ConfigError, match=r"extra\.bending: must be >= 0"):
        config.merge(config.RunConfig(), {"objective": {"extra": {"bending": -1.0}}})


def test_search_moves_every_weight(done):
    found, _, run = done
    assert tuple(found.lam) == tuple(found.lam_start) == NAMES
    np.testing.assert_allclose(
        [found.lam_start[n] for n in EXTRA], list(EXTRA.values())
    )
    assert all(
        found.lam[name] != found.lam_start[name] for name in EXTRA if EXTRA[name]
    )
    assert all(weight >= 0 for weight in found.lam.values())
    objective = json.loads((run / "objective.json").read_text())
    assert objective["lam"] == found.lam


def test_records_and_report_name_every_term(done):
    _, _, run = done
    records = read_records(run / "metrics.jsonl")
    assert {record["stage"] for record in records} == {"lam", "train"}
    for record in records:
        assert tuple(record["terms"]) == NAMES
        assert np.isfinite(list(record["terms"].values())).all()
    titles = [axes.get_title() for axes in report.lambda_history(records).axes]
    assert titles[4:] == ["Bending energy", "Folding", "MIND, full resolution"]


def test_interrupted_search_goes_on_alike(done, cohorts, extended, tmp_path):
    found, _, run = done
    again = search(
        cohorts[0],
        cohorts[1],
        extended,
        genotype=found.genotype,
        run=run,
        resume=True,
    )
    assert again.lam == found.lam


def test_model_keeps_them_and_refinement_uses_them(done, cohorts, extended):
    found, model, run = done
    read = load_model(run).description
    assert read.lam == model.description.lam == found.lam
    fixed, moving = (jnp.asarray(cohorts[2].images[[i]]) for i in (0, 1))
    velocity = model(moving, fixed).velocity

    @jax.jit
    def loss(velocity, lam):
        half = integrate(velocity, read.num_steps)
        shapes = fixed.shape[1:-1], half_shape(half.shape[1:-1])
        full, quarter = (resize_displacement(half, shape) for shape in shapes)
        fields = Pyramid(full, half, quarter)
        return registration_loss(fixed, moving, fields, lam, windows=read.windows)[0]

    losses = []
    for lam in (found.lam, found.lam | {"bending": 1e3}):
        refined = refine(
            moving,
            fixed,
            velocity,
            lam,
            num_iterations=1,
            learning_rate=0.1,
            objective=read.objective,
            num_steps=read.num_steps,
            wiring=read.wiring,
        )
        losses.append(float(refined.loss_before))
        np.testing.assert_allclose(losses[-1], loss(velocity, lam), rtol=1e-4)
    assert losses[1] > losses[0]
    few = replace(extended, evaluate=replace(extended.evaluate, pairs=1))
    assert np.isfinite(evaluate(cohorts[2], model, few).summary["dice"]["mean"])
