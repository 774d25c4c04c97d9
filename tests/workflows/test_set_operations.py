"""Which operations an edge may take: the mixture, a hand-made network, refusals."""

import logging
import typing

import jax
import numpy as np
import pytest
from stand_in import programs_for, search

from autoreg_jax import config, workflows
from autoreg_jax.config._registration_network import Operation
from autoreg_jax.errors import ConfigError
from autoreg_jax.files import read_json
from autoreg_jax.programs import (
    chosen_genotype,
    initial_alpha,
    network_family,
    operations_table,
    set_genotype,
)
from autoreg_jax.programs._layout import example_inputs
from autoreg_jax.search_space import (
    CANDIDATES,
    OPERATIONS,
    PAPER_CELLS,
    PUBLISHED_GENOTYPES,
    Genotype,
)

SEARCHED = config.load("table2")
UNIFORM = Genotype.uniform("conv_3")
NO_STAGE = {"steps": 0, "warm_up": 0}


def with_operations(settings, *names, **more):
    return config.merge(settings, {"network": {"operations": names}} | more)


def test_an_edge_may_take_any_operation():
    assert typing.get_args(Operation) == OPERATIONS
    assert operations_table(SEARCHED) == CANDIDATES
    assert set_genotype(SEARCHED, PAPER_CELLS) is None
    by_default = set_genotype(config.RunConfig(), PAPER_CELLS)
    assert by_default == UNIFORM


def test_the_mixture_has_the_operations_of_the_setting():
    run = with_operations(SEARCHED, "dil_conv_3", "conv_3")
    mixed = network_family(run)(None)
    inputs = example_inputs(mixed, 2)
    assert inputs[2].feature.shape == (2, 3, 2)
    weights = jax.eval_shape(mixed.init, jax.random.key(0), *inputs)["params"]
    for cell in ("feature_half", "deformation_quarter"):
        for edge in weights[cell].values():
            assert set(edge) == {"conv_3", "dil_conv_3"}
    alpha = initial_alpha(1.0, (3,), mixed.candidates)
    found = chosen_genotype(run, alpha, mixed.candidates)
    for kind, logits in zip((found.feature, found.deformation), alpha, strict=True):
        is_dilated = np.array(kind) == "dil_conv_3"
        np.testing.assert_array_equal(is_dilated, logits[..., 1] > logits[..., 0])
    # Any genotype can be built and trained.
    other = network_family(run)(Genotype.uniform("conv_5"))
    assert other.candidates == CANDIDATES


def test_with_one_operation_nothing_is_searched(cohorts, settings, tmp_path, caplog):
    """But λ, if it has steps."""
    nothing = {"search": {"lam": NO_STAGE}}
    run = with_operations(settings, "conv_3", **nothing)
    with caplog.at_level(logging.INFO):
        found = search(*cohorts[:2], run, run=tmp_path)
    assert "Every edge is conv_3, as set; not searched." in caplog.messages
    assert (found.genotype, found.records) == (UNIFORM, [])
    assert found.lam == found.lam_start
    text = (tmp_path / "genotype.json").read_text()
    assert Genotype.from_json(text) == UNIFORM
    assert read_json(tmp_path / "objective.json")["lam"] == found.lam


def test_with_one_operation_the_search_begins_with_the_weights(cohorts, settings):
    run = with_operations(settings, "conv_3")
    stepped = workflows.SteppedSearch(*cohorts[:2], run, programs=programs_for(run))
    assert stepped.start().stage == "lam"


def test_features_that_are_fixed_stay_fixed():
    quirks = {"quirks": {"deformation_only": True, "dilation_8": True}}
    run = with_operations(SEARCHED, "conv_5", **quirks)
    found = set_genotype(run, PAPER_CELLS)
    assert found is not None
    assert found.feature == PUBLISHED_GENOTYPES["ppmi"].feature
    assert found.deformation == Genotype.uniform("conv_5").deformation


def test_wrong_names_are_refused_with_the_right_ones():
    for words, message in (
        ("[conv_9]", r"operations\[0\]: must be one of conv_1, conv_3, .*dil_conv_7"),
        ("[conv_3, conv_3]", "each once, got"),
        ("conv_3", "must be a list"),
    ):
        with pytest.raises(ConfigError, match=message):
            config.override(config.RunConfig(), [f"network.operations={words}"])
    with pytest.raises(ConfigError, match=r"one or more of conv_1, .*got \[\]"):
        config.NetworkConfig(operations=())


def test_the_compact_networks_are_made_by_hand():
    for name in ("compact", "compact_large"):
        assert config.load(name).network.operations == ("conv_3",)
