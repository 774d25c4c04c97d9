"""Many searches at once find what each of them finds alone."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autoreg_jax import config
from autoreg_jax.errors import ConfigError, DataError
from autoreg_jax.search_space import OPERATIONS, Genotype, decode
from autoreg_jax.workflows import _build, _many_programs, search, search_many
from autoreg_jax.workflows._decided import decided_logits, embedded
from autoreg_jax.workflows._flat import Layout
from autoreg_jax.workflows._judge import with_judge

pytestmark = pytest.mark.usefixtures("small_network")


@pytest.fixture
def named_network(small_network, forget_programs, monkeypatch):
    """The stand-in with a name for each candidate, as in the real network."""
    stand_in = _build.RegistrationNetwork

    class NamedNetwork(stand_in):
        def _edges(self):
            if self.genotype is None:
                return [OPERATIONS] * 12
            cells = (*self.genotype.feature, *self.genotype.deformation)
            return [(name,) for cell in cells for name in cell]

        def init(self, key, moving, fixed, alpha=None):
            params = stand_in.init(self, key, moving, fixed, alpha)["params"]
            kernel = {"kernel": jnp.ones((4, 4))}
            params["mixture"] = {
                f"edge_{place:02}": dict.fromkeys(names, kernel)
                for place, names in enumerate(self._edges())
            }
            return {"params": params}

        def apply(self, variables, moving, fixed, alpha=None):
            params = variables["params"]
            mixture = params["mixture"]
            kernels = [
                jnp.stack([mixture[f"edge_{place:02}"][n]["kernel"] for n in names])
                for place, names in enumerate(self._edges())
            ]
            params = params | {"mixture": {"kernel": jnp.stack(kernels)}}
            return stand_in.apply(self, {"params": params}, moving, fixed, alpha)

    monkeypatch.setattr(_build, "RegistrationNetwork", NamedNetwork)


def variants(settings):
    """Three searches: two seeds, and the second with another start of λ."""
    other = config.merge(settings, {"seed": 5})
    return [settings, other, config.merge(other, {"objective": {"smooth": 4.0}})]


def assert_same(found, alone):
    """Everything but the clock, to 1e-5."""
    assert found.genotype == alone.genotype
    for part in ("alpha", "lam", "lam_start"):
        one, other = (jax.tree.leaves(getattr(r, part)) for r in (found, alone))
        for ours, theirs in zip(one, other, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert len(found.records) == len(alone.records)
    for ours, theirs in zip(found.records, alone.records, strict=True):
        assert ours.keys() == theirs.keys()
        assert (ours["stage"], ours["step"]) == (theirs["stage"], theirs["step"])
        np.testing.assert_allclose(ours["train_loss"], theirs["train_loss"], rtol=1e-5)


def test_seeds_and_starts_of_lambda(forget_programs, cohorts, settings):
    """In chunks of two, of which the second is filled up, and one compilation."""
    configs, genotype = variants(settings), Genotype.uniform("conv_3")
    found = search_many(
        cohorts[0], cohorts[1], configs, genotypes=[genotype] * 3, chunk=2
    )
    made = _many_programs._programs.cache_info()
    assert (made.misses, made.hits) == (1, 1)
    classes = len(cohorts[1].structures), False
    again = _many_programs.many_programs(
        with_judge(settings, cohorts[1]), "lam", genotype, 2, classes
    )
    assert _many_programs._programs.cache_info().misses == 1
    assert again.outer_step._cache_size() == again.inner_step._cache_size() == 1
    for one, run in zip(found, configs, strict=True):
        assert_same(one, search(cohorts[0], cohorts[1], run, genotype=genotype))
    assert found[1].lam["full"] != found[0].lam["full"]
    assert found[2].lam_start["smooth"] == 4.0


def test_the_whole_algorithm_with_genotypes_that_differ(
    named_network, cohorts, settings
):
    fast = config.merge(
        settings,
        {
            "search": {
                "feature": {"steps": 2, "learning_rate": 0.5},
                "deformation": {"steps": 0, "warm_up": 0},
                "lam": {"steps": 4, "stop": {"ranking": 2}},
                "omega_steps": "absolute",
            }
        },
    )
    configs = variants(fast)[1:]
    configs[0] = replace(configs[0], seed=0)
    found = search_many(cohorts[0], cohorts[1], configs)
    assert len({one.genotype for one in found}) == 2
    assert _many_programs._programs.cache_info().misses == 2
    assert {one.records[-1].get("stopped") for one in found} == {"ranking"}
    assert all(one.records[-1]["step"] == 3 for one in found)
    for one, run in zip(found, configs, strict=True):
        assert_same(one, search(cohorts[0], cohorts[1], run))


def test_a_genotype_and_its_logits():
    genotype = Genotype.from_json(Genotype.uniform("dil_conv_5").to_json())
    logits = decided_logits(genotype)
    assert decode(logits) == genotype
    shares = jax.nn.softmax(logits.feature)
    assert set(np.unique(shares)) == {0.0, 1.0}
    fixed = replace(genotype, feature=(("dil_conv_3_8",) * 3,) * 2)
    np.testing.assert_array_equal(decided_logits(fixed).feature, 0)


def test_embedding_keeps_weights_and_adds_zeros():
    mixed = Layout({"a": {"x": np.ones(2), "y": np.ones(3)}, "head": np.ones(1)})
    discrete = Layout({"a": {"y": np.ones(3)}, "head": np.ones(1)})
    vector = embedded(np.arange(1.0, 5.0), discrete, mixed)
    np.testing.assert_array_equal(vector, [0, 0, 1, 2, 3, 4])
    with pytest.raises(ValueError, match="a/y is no candidate"):
        embedded(
            np.arange(4.0),
            discrete,
            Layout({"a": {"x": np.ones(2)}, "head": np.ones(1)}),
        )


def test_what_cannot_run_at_once_is_refused(cohorts, settings):
    train, validation = cohorts[:2]
    genotypes = [Genotype.uniform("conv_3")]
    deeper = config.merge(settings, {"network": {"num_steps": 3}})
    more = config.merge(settings, {"objective": {"extra": {"bending": 1.0}}})
    for other in (deeper, more):
        with pytest.raises(ConfigError, match="seed and start of λ alone"):
            search_many(train, validation, [settings, other])
    limited = config.merge(settings, {"search": {"minutes": 1.0}})
    with pytest.raises(ConfigError, match=r"search\.minutes"):
        search_many(train, validation, [limited])
    judged = config.merge(settings, {"search": {"judge": "landmarks"}})
    with pytest.raises(DataError, match="landmarks"):
        search_many(train, validation, [judged])
    with pytest.raises(ValueError, match="1 genotypes for 2"):
        search_many(train, validation, [settings] * 2, genotypes=genotypes)
    with pytest.raises(ValueError, match="chunk of one at least"):
        search_many(train, validation, [settings], chunk=0)
