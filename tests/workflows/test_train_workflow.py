"""Training: learning, repeating, resuming, and what is written."""

import dataclasses
import logging

import jax
import numpy as np
import pytest
from stand_in import SmallNetwork, programs_for, train

from autoreg_jax import config, workflows
from autoreg_jax.errors import ArtifactError, ConfigError, DataError, NonFiniteError
from autoreg_jax.files import read_records
from autoreg_jax.inference import load_model
from autoreg_jax.programs import Programs
from autoreg_jax.search_space import Genotype
from autoreg_jax.workflows import Journal

GENOTYPE = Genotype.uniform("conv_1")
LAM = {"full": 1.0, "smooth": 0.5, "half": 0.2, "quarter": 0.1}


@pytest.fixture(scope="module")
def done(cohorts, settings, tmp_path_factory):
    """A training with validation, and its folder."""
    folder = tmp_path_factory.mktemp("train")
    subjects, validation, _ = cohorts
    model = train(subjects, settings, GENOTYPE, LAM, validation=validation, run=folder)
    return model, folder


def _is_equal(one, other):
    return jax.tree.all(jax.tree.map(np.array_equal, one, other))


def test_model_on_disk_is_the_one_returned(done, settings):
    model, folder = done
    again = load_model(folder)
    assert again.description == model.description
    assert _is_equal(again.params, jax.device_get(model.params))
    assert model.description.lam == LAM
    assert model.description.genotype == GENOTYPE
    assert model.description.orientation == "RAS"
    assert model.description.loss_similarity == "ncc"
    assert model.description.spacing == (2.0, 2.0)
    assert model.description.windows == settings.objective.windows


def test_records_are_means_over_their_interval(done, cohorts, settings, tmp_path):
    records = read_records(done[1] / "metrics.jsonl")
    assert [record["step"] for record in records] == [2, 4, 6]
    for record in records:
        total = sum(LAM[name] * term for name, term in record["terms"].items())
        assert record["loss"] == pytest.approx(total, rel=1e-5)
        assert 0 < record["validation_dice"] < 1
    single = config.merge(settings, {"train": {"log_every": 1}})
    train(cohorts[0], single, GENOTYPE, LAM, run=tmp_path)
    single = [record["loss"] for record in read_records(tmp_path / "metrics.jsonl")]
    means = np.reshape(single, (3, 2)).mean(1)
    assert [record["loss"] for record in records] == pytest.approx(means, rel=1e-6)


def test_training_lowers_the_loss(cohorts, settings, tmp_path):
    longer = config.merge(
        settings, {"train": {"steps": 120, "learning_rate": 2e-2, "log_every": 20}}
    )
    train(cohorts[0], longer, GENOTYPE, LAM, run=tmp_path)
    losses = [record["loss"] for record in read_records(tmp_path / "metrics.jsonl")]
    assert losses[-1] < losses[0] - 0.02


def test_same_seed_same_weights_and_labels_do_not_matter(done, cohorts, settings):
    blind = dataclasses.replace(cohorts[0], labels=None, structures=())
    again = train(blind, settings, GENOTYPE, LAM)
    assert _is_equal(again.params, done[0].params)
    other = train(blind, dataclasses.replace(settings, seed=1), GENOTYPE, LAM)
    assert not _is_equal(other.params, done[0].params)


@pytest.mark.parametrize("step", [2, 4])
def test_interrupted_and_resumed_is_the_same(done, cohorts, settings, tmp_path, step):
    def pull_the_plug(*place):
        if place[1] == step:
            raise KeyboardInterrupt

    keywords = {"validation": cohorts[1]}
    journal = Journal(tmp_path, observe=pull_the_plug, save_every=0)
    with pytest.raises(KeyboardInterrupt):
        train(cohorts[0], settings, GENOTYPE, LAM, **keywords, journal=journal)
    assert not (tmp_path / "model").exists()
    keywords |= {"run": tmp_path, "resume": True}
    resumed = train(cohorts[0], settings, GENOTYPE, LAM, **keywords)
    assert _is_equal(resumed.params, done[0].params)
    clockless = [
        [{k: v for k, v in r.items() if k != "seconds"} for r in read_records(path)]
        for path in (tmp_path / "metrics.jsonl", done[1] / "metrics.jsonl")
    ]
    assert clockless[0] == clockless[1]


def test_an_augmented_training_is_that_of_its_seed(done, cohorts, settings):
    """In one program and in parts: the key is that of the step."""
    changes = {"gamma": {"probability": 1.0}, "flip": ["x"], "loss_on": "augmented"}
    own = config.merge(settings, {"train": {"augment": changes, "steps": 2}})
    models = [
        workflows.train(
            *(cohorts[0], own, GENOTYPE, LAM),
            programs=Programs(own, 2, network=SmallNetwork, in_one_program=is_whole),
        )
        for is_whole in (True, False)
    ]
    whole, parts = (model.params["velocity_half"]["kernel"] for model in models)
    np.testing.assert_allclose(whole, parts, rtol=1e-4, atol=1e-6)
    plain = dataclasses.replace(own, train=dataclasses.replace(settings.train, steps=2))
    other = train(cohorts[0], plain, GENOTYPE, LAM)
    assert np.abs(other.params["velocity_half"]["kernel"] - parts).max() > 1e-5


def test_checkpoint_of_other_settings_is_refused(done, cohorts, settings, tmp_path):
    for name in ("checkpoints", "metrics.jsonl"):
        (tmp_path / name).symlink_to(done[1] / name)
    other = dataclasses.replace(cohorts[0], images=_volumes(cohorts[0].images))
    with pytest.raises(ArtifactError, match="made with other training images"):
        train(other, settings, GENOTYPE, LAM, run=tmp_path, resume=True)


def _volumes(images):
    return np.repeat(images[..., None, :], 8, axis=-2)


def test_finished_training_is_read_and_not_repeated(done, cohorts, settings):
    seen = []
    journal = Journal(done[1], resume=True, observe=lambda *place: seen.append(place))
    again = train(cohorts[0], settings, GENOTYPE, LAM, journal=journal)
    assert _is_equal(again.params, jax.device_get(done[0].params))
    assert not seen


def test_existing_training_is_not_mixed_with_another(done, cohorts, settings):
    with pytest.raises(ArtifactError, match="stage 'train' already; resume"):
        train(cohorts[0], settings, GENOTYPE, LAM, run=done[1])


def test_useless_numbers_name_their_step_and_term(cohorts, settings):
    images = cohorts[0].images.copy()
    images[:] = np.nan
    broken = dataclasses.replace(cohorts[0], images=images)
    with pytest.raises(
        NonFiniteError, match=r"'train', step 1 \(pair .*\): loss became NaN"
    ):
        train(broken, settings, GENOTYPE, LAM)


def test_average_is_the_model_and_a_resumed_one_is_the_same(
    done, cohorts, settings, tmp_path
):
    averaged = config.merge(settings, {"train": {"average": 0.9}})
    whole = train(cohorts[0], averaged, GENOTYPE, LAM)
    assert not _is_equal(whole.params, done[0].params)

    states = []

    def pull_the_plug(stage, step, state):
        states.append(state)
        if step == 4:
            raise KeyboardInterrupt

    journal = Journal(tmp_path, observe=pull_the_plug, save_every=0)
    with pytest.raises(KeyboardInterrupt):
        train(cohorts[0], averaged, GENOTYPE, LAM, journal=journal)
    assert not _is_equal(states[-1].average, states[-1].params)
    resumed = train(cohorts[0], averaged, GENOTYPE, LAM, run=tmp_path, resume=True)
    assert _is_equal(resumed.params, whole.params)


@pytest.mark.parametrize("judge", ["dice", "loss"])
def test_the_model_has_the_best_of_the_validated_weights(
    cohorts, settings, tmp_path, judge
):
    changes = {
        "steps": 8,
        "log_every": 1,
        "learning_rate": 3.0,  # too large, so that the last weights are not the best
        "schedule": "constant",
        "keep": "best",
        "judge": judge,
        "validate_every": 2,
    }
    settings = config.merge(settings, {"train": changes})
    keywords = {"validation": cohorts[1]}
    states = {}

    def look(stage, step, state):
        states[step] = state

    journal = Journal(tmp_path / "whole", observe=look)
    model = train(cohorts[0], settings, GENOTYPE, LAM, **keywords, journal=journal)
    name, sign = (f"validation_{judge}", -1 if judge == "dice" else 1)
    measured = {r["step"]: sign * r[name] for r in journal.records if name in r}
    assert list(measured) == [2, 4, 6, 8]
    best = min(measured, key=measured.__getitem__)
    assert journal.records[-1]["best_step"] == best != 8
    layout = programs_for(settings).layout(model.network)
    expected = layout.to_tree(np.asarray(states[best].params))
    assert _is_equal(model.params, expected)

    def pull_the_plug(stage, step, state):
        if step == 5:
            raise KeyboardInterrupt

    folder = tmp_path / "resumed"
    journal = Journal(folder, observe=pull_the_plug, save_every=0)
    with pytest.raises(KeyboardInterrupt):
        train(cohorts[0], settings, GENOTYPE, LAM, **keywords, journal=journal)
    keywords |= {"run": folder, "resume": True}
    resumed = train(cohorts[0], settings, GENOTYPE, LAM, **keywords)
    assert _is_equal(resumed.params, expected)
    assert read_records(folder / "metrics.jsonl")[-1]["best_step"] == best


def test_weights_cannot_be_judged_by_what_is_not_there(cohorts, settings):
    best = config.merge(settings, {"train": {"keep": "best"}})
    with pytest.raises(DataError, match=r"train\.keep: .* there are none"):
        train(cohorts[0], best, GENOTYPE, LAM)
    blind = dataclasses.replace(cohorts[1], labels=None, structures=())
    dice = config.merge(settings, {"train": {"judge": "dice"}})
    with pytest.raises(DataError, match=r"train\.judge: dice needs label maps"):
        train(cohorts[0], dice, GENOTYPE, LAM, validation=blind)


def test_a_training_may_start_from_a_model(done, cohorts, settings, tmp_path, caplog):
    model = done[0]
    whole = train(cohorts[1], settings, GENOTYPE, LAM, initial=model)
    assert not _is_equal(whole.params, model.params)

    def pull_the_plug(stage, step, state):
        if step == 0:
            layout = programs_for(settings).layout(model.network)
            assert _is_equal(layout.to_tree(np.asarray(state.params)), model.params)
        if step == 2:
            raise KeyboardInterrupt

    # Before the first checkpoint, so that it begins again: with the copy of the model.
    journal = Journal(tmp_path, observe=pull_the_plug, save_every=1e9)
    with pytest.raises(KeyboardInterrupt):
        train(cohorts[1], settings, GENOTYPE, LAM, journal=journal, initial=model)
    keywords = {"run": tmp_path, "resume": True}
    resumed = train(cohorts[1], settings, GENOTYPE, LAM, **keywords)
    assert _is_equal(resumed.params, whole.params)
    part = {"learning_rate": 0.12, "fine_tuning": 0.25}
    named = config.merge(settings, {"train": part})
    with caplog.at_level(logging.INFO):
        slower = train(cohorts[1], named, GENOTYPE, LAM, initial=model)
    assert "its learning rate is 0.03, 0.25 of train.learning_rate" in caplog.text
    assert _is_equal(slower.params, whole.params)
    with pytest.raises(ArtifactError, match="started from another model"):
        train(cohorts[1], settings, GENOTYPE, LAM, **keywords, initial=whole)


def test_a_model_that_does_not_fit_is_no_start(done, cohorts, settings, tmp_path):
    other = Genotype.uniform("conv_3")
    with pytest.raises(ArtifactError, match="has another architecture"):
        train(cohorts[0], settings, other, LAM, initial=done[0])
    with pytest.raises(ArtifactError, match="no model in"):
        train(cohorts[0], settings, GENOTYPE, LAM, initial=tmp_path / "nothing")
    wider = jax.tree.map(lambda x: np.repeat(x, 2, -1), done[0].params)
    broken = dataclasses.replace(done[0], params=wider)
    with pytest.raises(ArtifactError, match="does not fit the images and the network"):
        train(cohorts[0], settings, GENOTYPE, LAM, initial=broken)
    frozen = config.merge(settings, {"train": {"freeze": "features"}})
    with pytest.raises(ConfigError, match="no weights of feature cells"):
        train(cohorts[0], frozen, GENOTYPE, LAM, initial=done[0])
    with pytest.raises(ConfigError, match="would stay at random weights"):
        train(cohorts[0], frozen, GENOTYPE, LAM)


@pytest.mark.parametrize(
    "is_whole", [True, pytest.param(False, marks=pytest.mark.slow)]
)
def test_batches_one_after_the_other_are_one_large_batch(cohorts, settings, is_whole):
    programs = Programs(settings, 2, network=SmallNetwork, in_one_program=is_whole)
    found, losses = [], []
    for batches in ({"batch_size": 4}, {"batch_size": 2, "accumulate": 2}):
        changes = {"steps": 3, "learning_rate": 0.1, "warm_up": 0} | batches
        own = config.merge(settings, {"train": changes})
        journal = Journal()
        keywords = {"programs": programs, "journal": journal}
        model = workflows.train(cohorts[0], own, GENOTYPE, LAM, **keywords)
        found.append(model.params)
        losses.append([record["loss"] for record in journal.records])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), *found)
    assert not _is_equal(*found)
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)  # Adam sees no scale


def test_a_finished_training_goes_on(cohorts, settings, tmp_path):
    more = {"steps": 10, "restart": 6, "keep": "best", "validate_every": 3}
    more = config.merge(settings, {"train": more})
    keywords = {"validation": cohorts[1]}
    whole = train(cohorts[0], more, GENOTYPE, LAM, **keywords)
    first = {"steps": 6, "restart": 0}
    first = config.merge(more, {"train": first})
    keywords["run"] = tmp_path
    train(cohorts[0], first, GENOTYPE, LAM, **keywords)
    keywords["resume"] = True
    longer = config.merge(first, {"train": {"steps": 10}})
    with pytest.raises(ArtifactError, match="finished after 6 steps, not 10"):
        train(cohorts[0], longer, GENOTYPE, LAM, **keywords)
    again = train(cohorts[0], more, GENOTYPE, LAM, **keywords)
    assert _is_equal(again.params, whole.params)
    steps = [record["step"] for record in read_records(tmp_path / "metrics.jsonl")]
    assert steps == [2, 4, 6, 8, 10]
    journal = Journal(tmp_path, resume=True, observe=lambda *place: pytest.fail("ran"))
    train(cohorts[0], more, GENOTYPE, LAM, journal=journal, validation=cohorts[1])


class Clock:
    """Each look at it takes ten seconds."""

    def __init__(self, now=0.0):
        self.now = now

    def __call__(self):
        self.now += 10.0
        return self.now


def test_time_ends_a_training_with_a_record(cohorts, settings, tmp_path):
    changes = {"steps": 100, "minutes": 2.0, "keep": "best", "learning_rate": 0.1}
    settings = config.merge(settings, {"train": changes})
    keywords = {"validation": cohorts[1]}

    def run(folder, **options):
        journal = Journal(folder, save_every=0, clock=Clock(), **options)
        found = train(cohorts[0], settings, GENOTYPE, LAM, **keywords, journal=journal)
        return found, journal.records

    model, records = run(tmp_path / "whole")
    last = records[-1]
    assert last["stopped"] == "time"
    expected = last["seconds"] - records[-2]["seconds"]
    assert last["seconds"] <= 120 < last["seconds"] + expected
    assert all("stopped" not in record for record in records[:-1])
    assert "validation_dice" in last
    # The model is missing, as if the process had ended before it was written.
    (tmp_path / "whole" / "model" / "model.json").unlink()
    again, same = run(tmp_path / "whole", resume=True)
    assert same == records
    assert _is_equal(again.params, model.params)


def test_time_may_limit_a_training_that_goes_on(cohorts, settings, tmp_path):
    train(cohorts[0], settings, GENOTYPE, LAM, run=tmp_path)
    changes = {"steps": 100, "restart": 6, "minutes": 2.0}
    longer = config.merge(settings, {"train": changes})
    journal = Journal(tmp_path, resume=True, clock=Clock())
    before = journal.records[-1]["seconds"]
    train(cohorts[0], longer, GENOTYPE, LAM, journal=journal)
    last = journal.records[-1]
    assert last["stopped"] == "time"
    assert 6 < last["step"] < 100
    assert 60 < last["seconds"] - before <= 120
