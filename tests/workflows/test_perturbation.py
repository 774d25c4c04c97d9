"""The strategy `perturbation`: what is missed most stays, whatever α says."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax

from autoreg_jax import config, workflows
from autoreg_jax.errors import ConfigError
from autoreg_jax.losses import Objective, Similarity
from autoreg_jax.networks import Registration, Structure
from autoreg_jax.programs import Programs
from autoreg_jax.search_space import OPERATIONS, PAPER_CELLS, ArchitectureLogits
from autoreg_jax.spatial import Pyramid
from autoreg_jax.workflows.strategies._removal import (
    Edge,
    edges_of,
    most_missed,
    only,
    without,
)

NO_STAGE = {"steps": 0, "warm_up": 0}
# The operation with the smallest logit of this edge at seed 0.
NEEDED = 4
WHERE = Edge("deformation", 0, 0)


def test_the_margin_and_its_error_are_those_of_the_pairs():
    losses = [[1.0, 1.0, 1.0], [5.0, 6.0, 7.0], [3.0, 5.0, 4.0]]
    found = most_missed(losses)
    assert found[:2] == (1, 2)
    assert found.margin == pytest.approx(2.0)
    # The differences are 2, 1 and 3.
    assert found.standard_error == pytest.approx(1 / np.sqrt(3))
    assert most_missed([[2.0], [1.0]]) == (0, 1, 1.0, None)
    assert most_missed(np.ones((4, 3))) == (0, 1, 0.0, 0.0)  # the first of equals


def test_an_operation_is_removed_and_the_others_share_its_weight():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 2, 3, 4)).astype(np.float32)
    alpha, edge = ArchitectureLogits(*logits), Edge("deformation", 1, 2)
    weights = softmax(without(alpha, edge, 3).deformation, -1)
    before = softmax(alpha.deformation, -1)
    assert weights[1, 2, 3] == 0
    expected = before[1, 2, :3] / (1 - before[1, 2, 3])
    np.testing.assert_allclose(weights[1, 2, :3], expected, rtol=1e-6)
    np.testing.assert_array_equal(weights[0], before[0])
    alone = softmax(only(alpha, edge, 0).deformation, -1)[1, 2]
    np.testing.assert_array_equal(alone, [1, 0, 0, 0])
    np.testing.assert_array_equal(alpha.deformation, logits[1])


def test_the_edges_are_those_of_all_scales_and_read_from_records():
    edges = edges_of(PAPER_CELLS._replace(deformation=(4, 2)), ["deformation"])
    assert len(set(edges)) == 8
    assert all(Edge.of_record(edge.words) == edge for edge in edges)
    assert len(edges_of(PAPER_CELLS, ["feature", "deformation"])) == 12


def moved_part(omega, weights):
    """How much of the shift between two images the network sees."""
    each = (weights * omega).sum(-1)
    return weights[2, NEEDED] * (1 + 0.05 * each).prod()


STRUCTURE = Structure(feature_edges=1, deformation_channels=(1,))


@dataclass(frozen=True)
class Shift:
    """Four edges that see a shift of ramps, if one edge has one operation.

    Where that operation has the weight w, and all weights of ω are zero, the images
    are brought together by w times what is between them.
    """

    genotype: object = None
    num_steps: int = 2
    structure: Structure = STRUCTURE

    def init(self, key, moving, fixed, alpha=None):
        """A weight for each operation of each edge."""
        del key, moving, fixed, alpha
        return {"params": {"kernel": jnp.ones((4, 8))}}

    def apply(self, variables, moving, fixed, alpha=None):
        """The same displacement everywhere, along both axes."""
        shift = 32 * jnp.mean(fixed - moving, (1, 2, 3), keepdims=True)
        weights = jax.nn.softmax(jnp.concatenate(alpha).reshape(4, 8))
        moved = moved_part(variables["params"]["kernel"], weights) * shift
        fields = []
        for factor in (1, 2, 4):
            space = (-(-size // factor) for size in fixed.shape[1:-1])
            shape = len(fixed), *space, 2
            fields.append(jnp.broadcast_to(moved / factor, shape))
        return Registration(fields[1], Pyramid(*fields))


def middle_loss(fixed, moved, window):
    """Mean squared difference away from the border."""
    del window
    border = fixed.shape[1] // 4
    inside = (slice(None), slice(border, -border), slice(border, -border))
    return jnp.mean((fixed[inside] - moved[inside]) ** 2)


OBJECTIVE = Objective(
    Similarity(middle_loss, lambda fixed: fixed, lambda fixed, *_: fixed)
)
HEIGHTS = np.array([0.0, 1.0, 3.0])


@pytest.fixture(scope="module")
def ramps(cohorts):
    """Subjects for training and validation: one ramp, at different heights."""
    ramp = np.indices((16, 16)).sum(0, dtype=np.float32)[None, ..., None]
    images = (ramp + HEIGHTS.astype(np.float32).reshape(-1, 1, 1, 1)) / 64
    return replace(cohorts[1], images=images)


@pytest.fixture(scope="module")
def options(settings):
    """A search of a few steps, and the programs for it."""
    changes = {
        "quirks": {"alpha_spread": 1.0},
        "objective": {"smooth": 0.0, "half": 0.0, "quarter": 0.0},
        "search": {
            "strategy": "perturbation",
            "hypergradient": {"name": "finite_difference"},
            "joint": True,
            "rounds": 2,
            "lam": NO_STAGE,
            "shrink": 1,
            "perturbation": {"pairs": 6, "fine_tune_steps": 2},
        },
    }
    run = config.merge(settings, changes)
    programs = Programs(run, 2, network=lambda genotype: Shift(), objective=OBJECTIVE)
    return run, programs


def search(ramps, options, changes=None, **more):
    run, programs = options
    run = config.merge(run, {"search": changes or {}})
    return workflows.search(ramps, ramps, run, programs=programs, **more)


def test_an_operation_that_is_needed_stays_though_alpha_ranks_it_last(ramps, options):
    """ω learns alone, then rests: each loss is that of a shift that is known."""
    changes = {"rounds": 1, "perturbation": {"alpha": False, "fine_tune_steps": 0}}
    found = search(ramps, options, changes)
    assert np.argmin(found.alpha.deformation[0, 0]) == NEEDED
    assert found.genotype.deformation[0][0] == OPERATIONS[NEEDED]
    stages = [record["stage"] for record in found.records]
    assert stages == ["mixture"] * 3 + ["perturbation"] * 4
    assert not any("valid_loss" in record for record in found.records)
    gaps = np.subtract.outer(HEIGHTS, HEIGHTS)[~np.eye(3, dtype=bool)]
    here = found.alpha
    for record in found.records[3:]:
        edge = Edge.of_record(record)
        for number, name in enumerate(OPERATIONS):
            parts = np.concatenate(without(here, edge, number)).reshape(4, 8)
            seen = moved_part(found.omega["kernel"], softmax(parts, -1))
            expected = 10 * np.mean((gaps * (1 - seen) / 64) ** 2)
            assert record["losses"][name] == pytest.approx(expected, rel=1e-3)
        here = only(here, edge, OPERATIONS.index(record["operation"]))
        assert record["operation"] == max(OPERATIONS, key=record["losses"].get)
    record = next(
        r for r in found.records if r.get("operation") and Edge.of_record(r) == WHERE
    )
    assert record["margin"] > 2 * record["standard_error"] > 0
    assert record["pairs"] == 6


def without_clock(records):
    return [{k: v for k, v in r.items() if k != "seconds"} for r in records]


@pytest.fixture(scope="module")
def whole(ramps, options):
    """A search that nothing interrupts, in memory."""
    return search(ramps, options)


def test_the_mixture_is_that_of_darts(ramps, options, whole):
    other = search(ramps, options, {"strategy": "darts", "rounds": 1})
    first = [r for r in whole.records if r["stage"] == "joint"]
    assert without_clock(first) == without_clock(other.records)
    assert {r["stage"]: r["step"] for r in whole.records} == {
        "joint": 3, "perturbation": 4, "joint-2": 3, "perturbation-2": 4,
    }  # fmt: skip
    order = [
        [Edge.of_record(r) for r in whole.records if r["stage"] == name]
        for name in ("perturbation", "perturbation-2")
    ]
    assert sorted(order[0]) == sorted(order[1]) == sorted(set(order[0]))
    assert order[0] != order[1]


def test_omega_learns_between_two_choices(ramps, options, whole):
    changes = {"rounds": 1, "perturbation": {"fine_tune_steps": 0}}
    resting = search(ramps, options, changes).records[3:]
    learning = [r for r in whole.records if r["stage"] == "perturbation"]
    assert without_clock(resting[:1]) == without_clock(learning[:1])
    assert resting[1]["mixture_loss"] != learning[1]["mixture_loss"]


@pytest.mark.parametrize("place", [("joint", 3), ("perturbation", 2)])
def test_interrupted_and_resumed_is_the_same(ramps, options, whole, tmp_path, place):
    def pull_the_plug(*here):
        if here[:2] == place:  # the record is there, its checkpoint is not
            raise KeyboardInterrupt

    once = {"rounds": 1}
    journal = workflows.Journal(tmp_path, observe=pull_the_plug, save_every=0)
    with pytest.raises(KeyboardInterrupt):
        search(ramps, options, once, journal=journal)
    resumed = search(ramps, options, once, run=tmp_path, resume=True)
    assert without_clock(resumed.records) == without_clock(whole.records[:7])
    again = search(ramps, options, once, run=tmp_path, resume=True)
    assert again.genotype == resumed.genotype
    assert again.records == resumed.records


def test_there_must_be_a_mixture_and_two_pairs(ramps, options):
    with pytest.raises(ConfigError, match=r"no stage of α has steps; set search\.def"):
        search(ramps, options, {"feature": NO_STAGE})
    for setting in ("pairs=1", "fine_tune_steps=-1"):
        with pytest.raises(ConfigError, match=r"search\.perturbation\.\w+: must be >="):
            config.override(options[0], [f"search.perturbation.{setting}"])
