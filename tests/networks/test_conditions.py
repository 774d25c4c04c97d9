"""What a network is told: logarithms of factors, within a range."""

import math

import pytest

from autoreg_jax import config
from autoreg_jax.errors import ConfigError
from autoreg_jax.networks import Conditions
from autoreg_jax.programs import conditioned, make_conditions, told_network

TOLD = Conditions(("half", "smooth"), 3.0)
LAM = {"full": 10.0, "smooth": 15.0, "half": 3.2}


def test_factors_become_logarithms_in_the_order_of_the_terms():
    assert TOLD.told({}) == (0.0, 0.0)
    assert TOLD.told({"smooth": 2.0}) == (0.0, math.log(2))
    for factor in (3.0, 1 / 3, 0.3333333333):
        assert TOLD.told({"half": factor})[0] == pytest.approx(math.log(factor))


@pytest.mark.parametrize("factor", [3.01, 0.33, 0.0, -1.0, math.inf, math.nan])
def test_a_factor_out_of_range_is_refused_with_the_range(factor):
    with pytest.raises(ConfigError, match=r"smooth must be from 0\.333 to 3,.*got"):
        TOLD.told({"smooth": factor})


def test_unknown_terms_are_refused():
    with pytest.raises(ConfigError, match=r"bending: .* of half, smooth"):
        TOLD.told({"bending": 1.0})
    for terms, limit in (((), 3.0), (("half", "half"), 3.0), (("half",), 1.0)):
        with pytest.raises(ConfigError, match="condition"):
            Conditions(terms, limit)


@pytest.mark.parametrize(
    ("network", "objective", "words"),
    [
        ({"conditions": ["smoothness"]}, {}, "full, smooth, half, quarter, got smooth"),
        ({"conditions": ["smooth"]}, {"smooth": 0.0}, "weight above 0, which are full"),
        ({"conditions": ["bending"]}, {}, "got bending"),
        ({"conditions": ["smooth", "smooth"]}, {}, "different terms"),
        ({"condition_range": 1.0}, {}, "condition_range: must be > 1"),
    ],
)
def test_settings_name_terms_of_the_loss(network, objective, words):
    changes = {"network": network, "objective": objective}
    with pytest.raises(ConfigError, match=words):
        config.merge(config.RunConfig(), changes)


def test_settings_become_a_told_network():
    settings = config.RunConfig()
    assert make_conditions(settings) is None
    more = {"conditions": ["smooth"], "condition_range": 4.0}
    found = make_conditions(config.merge(settings, {"network": more}))
    assert found == Conditions(("smooth",), 4.0)
    with pytest.raises(ConfigError, match=r"above 0, which are full, got smooth"):
        conditioned(None, found, {"full": 1.0, "smooth": 0.0})
    with pytest.raises(ConfigError, match="object has not"):
        conditioned(object(), found, LAM)
    with pytest.raises(ConfigError, match="some setting needs a network with a field"):
        told_network(object(), 2, "some setting")
