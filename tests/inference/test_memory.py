"""The memory that a registration takes: estimated, obeyed and not wasted."""

import itertools
import re
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from autoreg_jax import inference
from autoreg_jax.data import normalize_intensity
from autoreg_jax.errors import ConfigError, ImageWarning, MemoryNeededError
from autoreg_jax.geometry import Grid, Volume, displacement_on
from autoreg_jax.inference import _quality, _register
from autoreg_jax.inference.memory import (
    Limit,
    RegistrationTask,
    _estimate,
    bytes_of,
    fit,
    registration_memory,
)
from autoreg_jax.inference.memory._estimate import _FOLDING, _SCALING
from autoreg_jax.losses import local_ncc
from autoreg_jax.metrics import folding_fraction
from autoreg_jax.spatial import warp

WHOLE = RegistrationTask((400, 300, 500), (300, 300, 300), (400, 300, 500))


def numpy_peak(function):
    """Most bytes of NumPy while a function runs."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_scaling_takes_what_is_counted():
    image = np.random.default_rng(0).random((64, 64, 64), np.float32)
    taken = numpy_peak(lambda: normalize_intensity(image)) / image.size
    assert _SCALING / 1.25 < taken < _SCALING * 1.25


def test_a_field_is_enlarged_without_copies():
    working = Grid((32, 32, 32), np.diag([2.0, 2, 2, 1]))
    fixed = Grid((64, 64, 64), np.eye(4))
    field = np.ones((*working.shape, 3), np.float32)
    taken = numpy_peak(lambda: displacement_on(field, working, fixed))
    assert taken < 1.1 * 12 * (64**3 + 32**3)


def test_counting_folds_takes_what_is_counted():
    shape = (40, 40, 40, 3)
    found = _quality._folding.lower(jax.ShapeDtypeStruct(shape, jnp.float32))
    analysis = found.compile().memory_analysis()
    taken = analysis.temp_size_in_bytes + analysis.argument_size_in_bytes
    # The vectors in mm, and in voxels, on the host.
    taken += 2 * 4 * np.prod(shape)
    assert _FOLDING / 1.25 < taken / 40**3 < _FOLDING * 1.25


@pytest.mark.parametrize("together", [200, 10**6])
def test_slabs_change_no_number(together):
    rng = np.random.default_rng(1)
    images = [jnp.asarray(rng.random((1, 23, 6, 5, 1)), jnp.float32) for _ in range(3)]
    field = jnp.asarray(rng.normal(size=(1, 23, 6, 5, 3)), jnp.float32)
    before, after = _quality.correlations(*images, field, window=3, together=together)
    fixed, unaligned, moving = images
    moved = warp(moving, field)
    assert before == pytest.approx(float(jnp.mean(local_ncc(fixed, unaligned, 3))))
    assert after == pytest.approx(float(jnp.mean(local_ncc(fixed, moved, 3))), rel=1e-4)
    volume = Volume(np.zeros((23, 6, 5), np.float32), np.diag([1.0, 2, 1, 1]))
    found = _quality.folding(np.asarray(field[0]), volume, together=together)
    expected = folding_fraction(field / jnp.asarray([[[[[1.0, 2, 1]]]]]))
    assert 0.1 < found == pytest.approx(float(expected))


def test_every_option_takes_more():
    each = {
        "network": 30.0,
        "similarity": "ncc",
        "has_masks": True,
        "has_labels": True,
        "extra": ("jacobian",),
        "fixed": (400, 300, 600),
        "moving": (400, 400, 400),
    }
    start = replace(WHOLE, is_aligned=False, is_written=True)
    for changes in itertools.combinations(each, 2):
        one = replace(start, **{changes[0]: each[changes[0]]})
        both = replace(one, **{changes[1]: each[changes[1]]})
        assert registration_memory(one).host <= registration_memory(both).host
    assert registration_memory(start).host < registration_memory(WHOLE).host


def test_channels_take_more_and_two_similarities_the_most():
    needs = [
        registration_memory(replace(WHOLE, similarity=name, channels=count)).host
        for name, count in (("ncc", 1), ("ncc", 2), ("mixed", 2), ("mind", 2))
    ]
    voxels = 400 * 300 * 500
    assert 150 < (needs[1] - needs[0]) / voxels < 300
    assert needs[0] < needs[1] < needs[2] < needs[3]
    for name in ("", "ncc"):
        one, two = (
            registration_memory(replace(WHOLE, similarity=name, channels=count)).host
            for count in (1, 2)
        )
        assert one < two < 2 * one


def test_an_accelerator_takes_its_part():
    what = replace(WHOLE, similarity="ncc")
    here, there = (
        registration_memory(what, has_accelerator=flag) for flag in (False, True)
    )
    assert here.device == 0 < there.device
    assert there.host < here.host <= there.host + there.device


def test_the_finest_grid_that_fits_is_taken():
    what = replace(WHOLE, similarity="ncc")
    needs = [registration_memory(replace(what, coarsening=n)).host for n in range(4)]
    assert needs == sorted(needs, reverse=True)
    for number, need in enumerate(needs[:2]):
        found = fit(what, Limit(need, None, "so much is free"), "a to b")
        assert (found.coarsening, found.memory.host) == (number, need)
        assert len(found.notes) == number
    assert "half of the resolution" in found.notes[0]
    assert f"{needs[0] / 2**30:.1f} GiB" in found.notes[0]
    # What is in memory already is not needed again.
    assert fit(what, Limit(needs[0] - 5, None, ""), "", held=5).coarsening == 0


def test_few_thick_slices_stay_while_their_plane_is_halved():
    shape = (512, 512, 20)
    what = RegistrationTask(*[shape] * 3, similarity="ncc", is_aligned=False)
    needs = [registration_memory(replace(what, coarsening=n)).host for n in range(3)]
    found = fit(what, Limit(needs[2], None, "so much is free"), "a to b")
    assert found.coarsening == 2
    thin = replace(what, **dict.fromkeys(("fixed", "moving", "working"), (20, 20, 20)))
    need = registration_memory(thin).host
    with pytest.raises(MemoryNeededError, match="a to b"):
        fit(thin, Limit(need - 1, None, "so much is free"), "a to b")


def test_what_does_not_fit_is_refused_with_a_proposal():
    limit = Limit(2.0**30, None, "1.0 GiB of 2.0 GiB are left", asked=2.0**31)
    with pytest.raises(MemoryNeededError, match=r"a to b: .*1\.0 GiB of") as raised:
        fit(WHOLE, limit, "a to b")
    words = str(raised.value).split()
    place = words.index("allow")
    allowed = bytes_of(" ".join(words[place + 1 : place + 3]))
    more = Limit(allowed - 2.0**30 + 0.1 * 2**30, None, "")
    assert fit(WHOLE, more, "").coarsening == 0
    factor = float(words[words.index("times") - 1])
    fewer = {
        name: tuple(int(n / factor) for n in getattr(WHOLE, name))
        for name in ("fixed", "moving", "working")
    }
    assert fit(replace(WHOLE, **fewer), limit, "").coarsening == 0


@pytest.mark.parametrize("size", ["", "8", "GiB", "8 bytes", "-1GiB", "0MB", -1, 0])
def test_no_amount_of_memory(size):
    with pytest.raises(ConfigError, match=r"max_memory: .* as 8GiB"):
        bytes_of(size)


def test_a_refinement_that_does_not_fit_is_done_on_a_coarser_grid(monkeypatch):
    """What it finds is a displacement of the full grid: the known shift."""
    monkeypatch.setattr(_estimate, "_THREAD", 0.0)
    noise = np.random.default_rng(5).random((44, 40)).astype(np.float32)
    blobs, affine = ndimage.gaussian_filter(noise, 3.5), np.diag([2.0, 2, 5, 1])
    fixed, moving = Volume(blobs[2:-2], affine), Volume(blobs[:-4], affine)
    what = RegistrationTask(*[fixed.shape] * 3, similarity="ncc", is_aligned=False)
    needs = [registration_memory(replace(what, coarsening=n)).host for n in range(2)]
    held = fixed.array.nbytes + moving.array.nbytes
    limit = Limit(sum(needs) / 2 - held, None, "little is free")
    monkeypatch.setattr(_register, "memory_limit", lambda _: limit)
    with pytest.warns(ImageWarning, match=r"refined at half of the resolution.*little"):
        found = inference.register(fixed, moving, affine="none", refine=60)
    assert found.coarsening == found.summary()["coarsening"] == 1
    assert any("half of the resolution" in doubt for doubt in found.warnings)
    assert found.displacement_mm.shape == (*fixed.shape, 3)
    inside = found.displacement_mm[6:-6, 6:-6]
    # Two voxels of 2 mm; a voxel of the grid of the optimisation has 4 mm.
    assert np.abs(inside - [4, 0, 0]).mean() < 0.4
    assert 1 - found.similarity < 0.3 * (1 - found.similarity_before)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_the_estimate_is_what_a_process_takes():
    options = ["--shape", *["128"] * 3, "--refine", "2", "--affine", "none"]
    words = [sys.executable, "-m", "tests.benchmarks.registration_memory", *options]
    root = Path(__file__).parents[2]
    done = subprocess.run(words, cwd=root, check=True, capture_output=True, text=True)
    ratio = re.search(r"\((\d\.\d+)\)", done.stdout)
    assert ratio
    assert 0.75 < float(ratio[1]) < 1.25
