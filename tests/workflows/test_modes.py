"""What a user has set in JAX for other programs changes nothing here."""

import contextlib

import jax
import numpy as np
import pytest
from stand_in import search, train

from autoreg_jax.alignment import align
from autoreg_jax.geometry import Volume
from autoreg_jax.inference import register_pair
from autoreg_jax.search_space import Genotype

LAM = {"full": 10.0, "smooth": 15.0, "half": 3.0, "quarter": 1.0}
MODES = {
    "double precision": lambda: jax.enable_x64(True),
    "strict promotion": lambda: jax.numpy_dtype_promotion("strict"),
    "NaN is an error": lambda: jax.debug_nans(True),
    "no implicit ranks": lambda: jax.numpy_rank_promotion("raise"),
}


def values(records):
    return [{k: v for k, v in r.items() if k != "seconds"} for r in records]


def job(cohorts, settings):
    """Numbers of a search, a training, a refinement and an alignment."""
    found = search(*cohorts[:2], settings)
    model = train(cohorts[0], settings, Genotype.uniform("conv_3"), LAM)
    moving, fixed = cohorts[0].images[:1], cohorts[0].images[1:2]
    refined = register_pair(moving, fixed, np.ones(2, np.float32), num_iterations=2)
    volumes = (Volume(image[0, ..., 0], np.eye(4)) for image in (fixed, moving))
    aligned = align(*volumes, kind="rigid")
    arrays = [*jax.tree.leaves(model.params), refined.displacement, aligned.matrix]
    return values(found.records), [np.asarray(array) for array in arrays]


@pytest.fixture(scope="module")
def usual(cohorts, settings):
    """The numbers with the defaults of JAX."""
    return job(cohorts, settings)


@pytest.mark.parametrize("mode", MODES)
def test_numbers_are_the_same_in_every_mode_of_jax(usual, cohorts, settings, mode):
    with contextlib.ExitStack() as stack:
        stack.enter_context(MODES[mode]())
        records, arrays = job(cohorts, settings)
    assert records == usual[0]
    for found, expected in zip(arrays, usual[1], strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
