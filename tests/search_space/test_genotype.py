"""Genotypes: decoding α, JSON, and what is refused."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoreg_jax.search_space import (
    OPERATIONS,
    PUBLISHED_GENOTYPES,
    ArchitectureLogits,
    Genotype,
    decode,
    probabilities,
)

edges = st.tuples(*[st.sampled_from(OPERATIONS)] * 3)
cells = st.tuples(edges, edges)
genotypes = st.builds(Genotype, cells, cells)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(genotypes)
def test_json_and_decoding_are_round_trips(genotype):
    assert Genotype.from_json(genotype.to_json()) == genotype
    logits = [
        np.array([[np.eye(8)[OPERATIONS.index(op)] for op in cell] for cell in kind])
        for kind in (genotype.feature, genotype.deformation)
    ]
    assert decode(ArchitectureLogits(*logits)) == genotype


def test_undecided_logits_choose_the_first_operation():
    assert decode(ArchitectureLogits.zeros()) == Genotype.uniform("conv_1")


def test_published_architectures_are_genotypes_that_alpha_cannot_choose():
    for genotype in PUBLISHED_GENOTYPES.values():
        assert Genotype.from_json(genotype.to_json()) == genotype
        assert genotype.feature[1][2] not in OPERATIONS
        assert {name for cell in genotype.deformation for name in cell} < {*OPERATIONS}


def test_probabilities():
    np.testing.assert_allclose(probabilities(jnp.zeros((2, 8))), np.full((2, 8), 1 / 8))
    certain = jnp.zeros(8).at[3].set(200.0)
    np.testing.assert_allclose(probabilities(certain), np.eye(8)[3], atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(format=9), "format 9"),
        (lambda c: c.pop("feature"), "not a genotype"),
        (lambda c: c["feature"].update(half=["conv_3"]), "2 scales of 3"),
        (lambda c: c["deformation"].update(half=["conv_4"] * 3), "unknown operations"),
    ],
)
def test_a_text_that_is_no_genotype_is_refused(change, message):
    content = json.loads(Genotype.uniform("conv_3").to_json())
    change(content)
    with pytest.raises(ValueError, match=message):
        Genotype.from_json(json.dumps(content))
    with pytest.raises(ValueError, match="not a genotype"):
        Genotype.from_json("{")
