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
    CellShapes,
    Genotype,
    decode,
    probabilities,
)


@st.composite
def some_cells(draw):
    """Any number of scales, each with the same number of operations."""
    count = draw(st.integers(1, 4))
    cell = st.tuples(*[st.sampled_from(OPERATIONS)] * count)
    return tuple(draw(st.lists(cell, min_size=1, max_size=6)))


genotypes = st.builds(Genotype, some_cells(), some_cells())


@settings(deadline=None, derandomize=True, max_examples=30)
@given(genotypes)
def test_json_and_decoding_are_round_trips(genotype):
    assert Genotype.from_json(genotype.to_json()) == genotype
    logits = [
        np.array([[np.eye(8)[OPERATIONS.index(op)] for op in cell] for cell in kind])
        for kind in (genotype.feature, genotype.deformation)
    ]
    assert decode(ArchitectureLogits(*logits)) == genotype
    assert ArchitectureLogits.zeros(cells=genotype.cells).cells == genotype.cells


def test_scales_have_names_and_format_1_is_read():
    """As an earlier version wrote it."""
    genotype = Genotype.random(3)
    content = json.loads(genotype.to_json())
    assert list(content["feature"]) == ["half", "quarter"]
    older = json.dumps(content | {"format": 1})
    assert Genotype.from_json(older) == genotype
    drawn = np.random.default_rng(3).choice(OPERATIONS, (2, 2, 3)).tolist()
    kinds = zip((genotype.feature, genotype.deformation), drawn, strict=True)
    assert all([list(cell) for cell in kind] == names for kind, names in kinds)
    pyramid = Genotype.uniform("conv_1", CellShapes((1, 3), (4, 2)))
    content = json.loads(pyramid.to_json())["deformation"]
    names = ["half", "quarter", "eighth", "sixteenth"]
    assert content == {name: ["conv_1", "conv_1"] for name in names}
    del content["quarter"]
    text = json.dumps(json.loads(pyramid.to_json()) | {"deformation": content})
    with pytest.raises(ValueError, match="not a genotype"):
        Genotype.from_json(text)


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
        (lambda c: c["feature"].update(half=["conv_3"]), "1 to 6 scales with equal"),
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
