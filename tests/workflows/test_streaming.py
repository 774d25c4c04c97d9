"""Splits that do not fit on the device are read ahead, and nothing else changes."""

import threading
from dataclasses import replace

import chex
import jax
import numpy as np
import pytest
from stand_in import SmallNetwork, make_cohort, programs_for, write_dataset

from autoreg_jax import config, data, workflows
from autoreg_jax.programs import Programs
from autoreg_jax.runtime import memory_for_images
from autoreg_jax.search_space import Genotype
from autoreg_jax.workflows._images import PairImages, ReadAhead, split_images

LAM = {"full": 1.0, "smooth": 0.5, "half": 0.2, "quarter": 0.1}
# Bytes of an image of 16² voxels, and of its label map.
IMAGE = 4 * 16**2


def stored(cohort):
    """The cohort as if it were on disk."""

    def on_disk(array):
        return data.StoredArray(array.shape, array.dtype, lambda place: array[place])

    return replace(cohort, images=on_disk(cohort.images), labels=on_disk(cohort.labels))


def with_memory(settings, size, **changes):
    """Settings with bytes for the images on the device."""
    return config.merge(settings, {"data": {"device_memory": size / 2**30}} | changes)


@pytest.fixture(scope="module")
def large():
    """Splits of some 40 subjects."""
    return make_cohort(40, 1), make_cohort(30, 2)


def without_times(records):
    times = ("seconds", "waited")
    return [{k: v for k, v in r.items() if k not in times} for r in records]


@pytest.mark.parametrize("in_one_program", [True, False])
@pytest.mark.slow
def test_a_streamed_training_is_that_in_memory_bit_for_bit(
    large, settings, in_one_program
):
    programs = Programs(
        settings, 2, network=SmallNetwork, in_one_program=in_one_program
    )
    train, validation = large
    found = {}
    # All on the device; as much as three steps and as one step of two pairs need.
    for size in (10**6, 3 * 3 * 4 * IMAGE, 0):
        changes = {"train": {"batch_size": 2, "steps_per_call": 4}}
        own = with_memory(settings, size, **changes)
        journal = workflows.Journal()
        cohorts = (stored(one) if size < 10**6 else one for one in (train, validation))
        first, second = cohorts
        model = workflows.train(
            first,
            own,
            Genotype.uniform("conv_1"),
            LAM,
            validation=second,
            journal=journal,
            programs=programs,
        )
        assert all(("waited" in r) == (size < 10**6) for r in journal.records)
        found[size] = model.params, without_times(journal.records)
    whole, *others = found.values()
    assert whole[1][-1]["validation_dice"] > 0
    for other in others:
        chex.assert_trees_all_equal(other[0], whole[0])
        assert other[1] == whole[1]


def test_a_streamed_search_is_that_in_memory_bit_for_bit(large, settings):
    """Images of half the size in the stage of α, with label maps in that of λ."""
    stage = {"steps": 3, "warm_up": 1, "valid_pairs": 2}
    search = dict.fromkeys(("feature", "lam"), stage)
    search |= {"deformation": {"steps": 0, "warm_up": 0}}
    found = []
    for size in (10**6, 0):
        own = with_memory(settings, size, search=search)
        cohorts = [stored(one) if size == 0 else one for one in large]
        found.append(workflows.search(*cohorts, own, programs=programs_for(settings)))
    whole, streamed = found
    assert all("waited" in record for record in streamed.records)
    assert without_times(streamed.records) == without_times(whole.records)
    chex.assert_trees_all_equal(streamed.alpha, whole.alpha)
    assert streamed.lam == whole.lam != whole.lam_start


def test_what_is_small_when_it_is_small_stays_on_the_device(large, settings):
    """A quarter of the bytes at half the resolution of a plane."""
    own = with_memory(settings, 11 * IMAGE)
    images = split_images(stored(large[0]), own)
    assert images.kept is None
    small = images.smaller(2)
    everything = split_images(large[0], with_memory(settings, 10**6)).smaller(2)
    chex.assert_trees_all_equal(small.kept, everything.kept)
    assert small.shape == small.kept.images.shape == (40, 8, 8, 1)
    assert images.smaller(1).kept is None


def test_memory_is_bounded(large, settings):
    """No more subjects are read than a chunk and the next one need."""
    read, most = [], 0
    images = large[0].images

    def note(place):
        read.append(place)
        return images[place]

    split = replace(large[0], images=data.StoredArray(images.shape, images.dtype, note))
    sampler = data.PairSampler(40, batch_size=2)
    pairs = PairImages(split_images(split, with_memory(settings, 0)), sampler, 12, 3)
    for start in (0, 3, 6, 9):
        cohort, rows = pairs.chunk(range(start, start + 3))
        jax.block_until_ready(cohort)
        assert cohort.images.shape == (12, 16, 16, 1)
        assert len(read) <= 4 * (start + 6)
        most = max(most, len(pairs.ahead._begun))
        for step, (moving, fixed) in enumerate(rows, start=start):
            for side, places in zip(sampler[step], (moving, fixed), strict=True):
                np.testing.assert_array_equal(cohort.images[places], images[side])
    assert len(read) == 4 * 12
    assert most == 3


def test_what_is_read_ahead_is_in_order_and_once():
    calls, gate = [], threading.Event()

    def read(step):
        calls.append(step)
        if step == 4:
            gate.wait(10)
        return step**2

    now = iter(range(100))
    ahead = ReadAhead(read, stop=7, ahead=2, clock=lambda: float(next(now)))
    assert ahead.take(range(0, 2)) == [0, 1]
    gate.set()
    assert ahead.take(range(2, 5)) == [4, 9, 16]
    assert ahead.take(range(2, 3)) == [4]  # again, after a rule has stopped a stage
    assert ahead.take(range(5, 7)) == [25, 36]
    assert sorted(calls) == [0, 1, 2, 2, 3, 4, 5, 6] or sorted(set(calls)) == [
        *range(7)
    ]
    assert ahead.told() == 4.0
    assert ahead.told() == 0.0


def test_an_error_of_a_reader_is_that_of_the_loop():
    def read(step):
        raise OSError(f"step {step}")

    with pytest.raises(OSError, match="step 3"):
        ReadAhead(read, stop=5, ahead=1).take(range(3, 4))


def test_a_run_reads_from_the_cache_what_exceeds_the_main_memory(
    cohorts, settings, tmp_path, monkeypatch
):
    path = write_dataset(tmp_path, cohorts)
    own = config.merge(
        settings, {"data": {"host_memory": 0.0, "cache": str(tmp_path / "cache")}}
    )
    where = path, tmp_path / "run"
    plain = workflows.prepare_again(*where, settings, "train", "validation")
    kept = workflows.prepare_again(*where, own, "train", "validation")
    for one, other in zip(plain.cohorts, kept.cohorts, strict=True):
        assert isinstance(other.images, data.StoredArray)
        np.testing.assert_allclose(other.images[:], one.images, atol=2.0**-12)
        np.testing.assert_array_equal(other.labels[:], one.labels)
    monkeypatch.setattr(data.Preprocessing, "load", None)
    workflows.prepare_again(*where, own, "train", "validation")


def test_the_default_depends_on_the_device():
    device = ("gpu", 80 * 2**30)
    assert memory_for_images(None, device) == 20 * 2**30
    assert memory_for_images(None, ("cpu", 24 * 2**30)) == 2**30
    assert memory_for_images(0.5, device) == 2**29
