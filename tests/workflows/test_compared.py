"""By what a model compares the pairs that it refines."""

import pytest

from autoreg_jax import config, inference
from autoreg_jax.losses import Objective, feature_similarity
from autoreg_jax.workflows.training import compared_by, loss_compares


@pytest.mark.parametrize(
    ("augment", "expected"),
    [
        ({}, "ncc"),
        ({"gamma": {"probability": 0.5}}, "ncc"),
        ({"remap": {"probability": 0.5}}, "mind"),
        ({"paint": {"probability": 0.5}}, "mind"),
        ({"remap": {"probability": 0.5}, "loss_on": "augmented"}, "ncc"),
    ],
)
def test_a_network_of_any_contrast_is_refined_by_mind(augment, expected):
    run = config.merge(config.RunConfig(), {"train": {"augment": augment}})
    assert compared_by(run, Objective()) == expected
    assert compared_by(run, Objective("mind")) == "mind"
    assert [loss_compares(run, Objective(x)) for x in ("ncc", "mind")] == [
        "ncc",
        "mind",
    ]


def test_a_similarity_of_ones_own_has_the_name_of_the_settings():
    own = Objective(feature_similarity(lambda image: image))
    assert compared_by(config.RunConfig(), own) == "ncc"


def test_brain_is_refined_by_mind():
    about = inference.load_model("brain").description
    assert (about.similarity, about.loss_similarity) == ("mind", "ncc")
    assert compared_by(config.load("brain"), Objective()) == "mind"
