"""A run is resumed from what it wrote, with what it began with, or not at all."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from stand_in import make_cohort, search, train

from autoreg_jax import config
from autoreg_jax.errors import ArtifactError, NonFiniteError
from autoreg_jax.files import read_records
from autoreg_jax.search_space import Genotype
from autoreg_jax.workflows import Journal
from autoreg_jax.workflows._origin import looks
from autoreg_jax.workflows.divergence import check_outer, check_progress, check_sane

LAM = {"full": 10.0, "smooth": 15.0, "half": 3.0, "quarter": 1.0}


class Stopped(Exception):
    """The process ends."""


@pytest.fixture(scope="module")
def searched(tmp_path_factory, cohorts, settings):
    """The folder of a search that was stopped in its last stage."""
    folder = tmp_path_factory.mktemp("searched")

    def observe(stage, step, state):
        if (stage, step) == ("lam", 2):
            raise Stopped

    journal = Journal(folder, observe=observe, save_every=0)
    with pytest.raises(Stopped):
        search(*cohorts[:2], settings, journal=journal)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory, cohorts, settings):
    """The folder of a training that was stopped after its first checkpoint."""
    folder = tmp_path_factory.mktemp("trained")

    def observe(stage, step, state):
        if step == 4:
            raise Stopped

    journal = Journal(folder, observe=observe, save_every=0)
    with pytest.raises(Stopped):
        train(cohorts[0], settings, Genotype.uniform("conv_3"), LAM, journal=journal)
    return folder


@pytest.fixture
def copy(searched, tmp_path):
    """A copy of the search to be damaged."""
    return shutil.copytree(searched, tmp_path / "run")


def edit(folder, change):
    """Write the records again, changed."""
    records = read_records(folder / "metrics.jsonl")
    lines = [json.dumps(record) for record in change(records)]
    (folder / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines))


def of_other_weights(records):
    for record in records:
        if record["stage"] == "lam":
            record["lam"]["full"] = 99.0
    return records


def of_other_logits(records):
    first = next(r for r in records if r["stage"] == "feature")
    first["alpha"]["feature"][0][0][0] += 1e-6
    return records


DAMAGE = {
    "λ was edited": of_other_weights,
    "α was edited": of_other_logits,
    "all are gone": lambda records: [],
    "the last of a finished stage is gone": lambda records: [
        r for r in records if (r["stage"], r["step"]) != ("feature", 3)
    ],
    "those of a stage are gone": lambda records: [
        r for r in records if r["stage"] != "lam"
    ],
    "one in the middle is gone": lambda records: records[:1] + records[2:],
    "two are exchanged": lambda records: [records[1], records[0], *records[2:]],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_records_that_are_not_those_of_the_run_are_refused(
    copy, cohorts, settings, damage
):
    edit(copy, DAMAGE[damage])
    with pytest.raises(ArtifactError, match=r"metrics\.jsonl: the records? of .*rest"):
        search(*cohorts[:2], settings, run=copy, resume=True)


@pytest.mark.parametrize("stage", ["feature", "lam"])
def test_a_checkpoint_under_another_name_is_refused(copy, cohorts, settings, stage):
    (place,) = (copy / "checkpoints" / stage).iterdir()
    place.rename(place.with_name("999"))
    with pytest.raises(ArtifactError, match=r"checkpoint 999 is that of step \d"):
        search(*cohorts[:2], settings, run=copy, resume=True)


def brighter(cohort):
    return dataclasses.replace(cohort, images=np.clip(cohort.images * 1.2, 0, 1))


def test_a_search_with_other_inputs_is_refused(copy, cohorts, settings):
    one, two, _ = cohorts
    flipped = dataclasses.replace(two, labels=two.labels[:, ::-1])
    slow = config.merge(settings, {"search": {"omega_learning_rate": 1e-3}})
    for inputs, what in (
        ((make_cohort(4, 9), two, settings), "training images"),
        ((brighter(one), two, settings), "training images"),
        ((one, one, settings), "validation images"),
        ((one, flipped, settings), "validation images"),
        ((one, two, slow), "settings"),
    ):
        with pytest.raises(ArtifactError, match=rf"made with other {what}; restore"):
            search(*inputs, run=copy, resume=True)


def test_a_training_with_other_inputs_is_refused(trained, cohorts, settings):
    genotype = Genotype.uniform("conv_3")
    for cohort, lam, what in (
        (cohorts[2], LAM, "training images"),
        (cohorts[0], LAM | {"full": 9.9}, "loss weights"),
    ):
        with pytest.raises(ArtifactError, match=rf"made with other {what}; restore"):
            train(cohort, settings, genotype, lam, run=trained, resume=True)


def test_the_same_images_after_another_resampling_are_the_same(cohorts, settings, copy):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1e-3, cohorts[0].images.shape).astype(np.float32)
    almost = dataclasses.replace(cohorts[0], images=cohorts[0].images + noise)
    found = search(almost, cohorts[1], settings, run=copy, resume=True)
    assert found.records[-1]["step"] == 3


def test_means_are_those_of_the_halves():
    cohort = make_cohort(2, 0)
    found = looks(cohort)["images"][0]
    whole = cohort.images[0, ..., 0]
    parts = [whole[:8, :8], whole[:8, 8:], whole[8:, :8], whole[8:, 8:]]
    assert found == pytest.approx([part.mean() for part in parts], abs=1e-5)
    assert looks(None) is None


@pytest.mark.parametrize(("kind", "most"), [("alpha", 1e3), ("lam", 1e6)])
def test_a_diverged_search_names_stage_step_pair_and_rates(kind, most):
    about = "pair a to b; learning rates: ω 0.1, λ 3"
    check_outer("lam", 7, kind, {"full": [[most, -most]]}, about)
    words = rf"'lam', step 7 \(pair a to b; .*λ 3\).*{kind} full is .*lower the"
    with pytest.raises(NonFiniteError, match=words):
        check_outer("lam", 7, kind, {"full": [[0.0, -1.1 * most]]}, about)


def test_displacements_that_jump_stop_a_search():
    check_sane("feature", 3, {"smooth": 99.0}, keep="last")
    with pytest.raises(NonFiniteError, match=r"step 3 \(rate 9\).*has diverged"):
        check_sane("feature", 3, {"smooth": 101.0}, keep="last", about="rate 9")


def records_of(*values, every=10):
    """Records of two terms that compare images and one that does not."""
    parts = [{"full": v / 2, "half": v / 2, "smooth": 9.0} for v in values]
    return [{"step": every * n, "terms": p} for n, p in enumerate(parts, 1)]


HEALTHY = [-1.3, -1.5, -1.4, -1.9, -2.3, -2.2, -2.4]


@pytest.mark.parametrize(
    "values",
    [
        HEALTHY,
        [*HEALTHY, 0.0, 0.0, -2.0],
        [*HEALTHY, -0.8, -0.8, -0.8],
        [0.09, 0.1, 0.08, 0.12, 0.13, 0.14],
        [-1.3, 0.0, 0.0],
        [0.0] * 6,
        [0.0] * 3 + [1e-6] * 3,
        [-0.01, 0.01, 0.0, 0.3, 0.4, 0.5],
    ],
    ids=[
        "learns",
        "comes back",
        "less than half",
        "positive",
        "begins",
        "no terms",
        "begins with equal images",
        "begins around nothing",
    ],
)
def test_a_training_that_only_learns_little_goes_on(values):
    check_progress("train", records_of(*values), keep="last")


@pytest.mark.parametrize(
    "values",
    [[*HEALTHY, -0.3, 0.0, -0.5], [0.09, 0.1, 0.08, 0.16, 0.2, 0.18]],
    ids=["correlation", "difference"],
)
def test_images_that_no_longer_agree_stop_a_training(values):
    """Smooth displacements beyond the image: nothing in it is large or NaN."""
    records = records_of(*values)
    with pytest.raises(NonFiniteError, match=r"step \d+ \(rate 9\): the training has"):
        check_progress("train", records, keep="last", about="rate 9")
    check_progress("train", records, keep="best")


def test_pairs_of_two_kinds_stop_no_search():
    """A record is one pair; few of a kind come in a row by chance, not twenty."""
    rng = np.random.default_rng(0)
    mixed = np.where(rng.random(400) < 0.5, -1.5, -0.3)
    first = [-1.5] * 5
    for values in ([*first, *mixed], [*-1 / np.r_[first, mixed]]):
        records = records_of(*values, every=1)
        for end in range(1, len(records) + 1):
            check_progress("lam", records[:end], keep="last")
    lost = records_of(*first, *mixed, *[-0.1] * 20, every=1)
    check_progress("lam", lost[:-1], keep="last")
    with pytest.raises(NonFiniteError, match="step 425: the training has diverged"):
        check_progress("lam", lost, keep="last")


@pytest.mark.parametrize(
    ("begin", "stiffer", "lost"), [(-2.0, -0.5, -0.1), (0.01, 0.05, 0.2)]
)
def test_trained_weights_may_learn_to_move_less(begin, stiffer, lost):
    """With a stiffer loss registered images may agree as little as they did before."""
    check = lambda end, is_fresh: check_progress(  # noqa: E731
        "train", records_of(*[begin] * 3, *[end] * 3), keep="last", is_fresh=is_fresh
    )
    check(stiffer, is_fresh=False)
    for end, is_fresh in ((stiffer, True), (lost, False)):
        with pytest.raises(NonFiniteError, match="has diverged"):
            check(end, is_fresh)


def test_a_search_that_diverges_says_with_what(cohorts, settings):
    wild = config.merge(settings, {"search": {"lam": {"learning_rate": 1e9}}})
    with pytest.raises(NonFiniteError) as caught:
        search(*cohorts[:2], wild)
    for word in ("stage 'lam', step 2", "pair s1-", " to s1-", "λ 1e+09"):
        assert word in str(caught.value)
