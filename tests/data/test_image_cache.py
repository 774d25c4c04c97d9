"""Large datasets are preprocessed once and read from disk, subject by subject."""

import errno
import os
import re
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from autoreg_jax import data
from autoreg_jax.errors import ArtifactError, DataError
from autoreg_jax.geometry import Grid, Volume

GRID = Grid((5, 4, 6), np.diag([1.2, 2.0, 2.5, 1.0]))
# Largest error: half a unit in the last place below 1, half a step.
ERRORS = {"float32": 0.0, "float16": 2.0**-12, "uint8": 0.5 / 255 + 1e-7}


def load(path, cache=None, *splits, **options):
    options = {"preprocessing": data.Preprocessing(GRID)} | options
    dataset = data.read_dataset(path)
    return data.load_cohorts(dataset, splits or ("test",), cache=cache, **options)


@pytest.fixture
def path(make_dataset):
    return make_dataset(label_values=(3, 7, 614_454_277))


@pytest.mark.parametrize("storage", ERRORS)
def test_the_cache_holds_what_memory_holds(path, tmp_path, storage):
    cache = data.ImageCache(tmp_path / "cache", storage)
    for expected, found in zip(
        load(path, None, "train", "test"),
        load(path, cache, "train", "test"),
        strict=True,
    ):
        assert isinstance(found.images, data.StoredArray)
        assert isinstance(found.labels, data.StoredArray)
        assert found.images.shape == expected.images.shape
        assert found.nbytes == expected.nbytes
        assert found.label_values == expected.label_values == (3, 7, 614_454_277)
        assert found.structures == expected.structures
        images = np.asarray(found.images)
        assert images.dtype == np.float32
        np.testing.assert_allclose(images, expected.images, atol=ERRORS[storage])
        assert 0 <= images.min() < images.max() <= 1
        np.testing.assert_array_equal(found.labels[:], expected.labels)
        assert found.labels[0].dtype == np.int32


def test_other_classes_need_no_other_entry(path, tmp_path):
    cache = data.ImageCache(tmp_path / "cache")
    load(path, cache)
    before = cache.size()
    (found,) = load(path, cache, label_values=(7, 900))
    (expected,) = load(path, label_values=(7, 900))
    np.testing.assert_array_equal(found.labels[:], expected.labels)
    assert cache.size() == before


def test_a_small_dataset_stays_in_memory(path, tmp_path):
    (cohort,) = load(path)
    cache = data.ImageCache(tmp_path / "cache", above=cohort.nbytes)
    assert isinstance(load(path, cache)[0].images, np.ndarray)
    assert cache.size() == (0, 0)
    cache = replace(cache, above=cohort.nbytes - 1)
    assert isinstance(load(path, cache)[0].images, data.StoredArray)


def test_nothing_is_preprocessed_twice(path, tmp_path, monkeypatch):
    cache = data.ImageCache(tmp_path / "cache")
    (first,) = load(path, cache)
    entries, size = cache.size()
    assert entries == 4  # with labels of the other split, which name the classes
    assert size > 4 * 3 * np.prod(GRID.shape)
    expected = first.images[:]
    with monkeypatch.context() as patch:
        patch.setattr(data.Preprocessing, "load", None)
        (again,) = load(path, cache)
    np.testing.assert_array_equal(again.images[:], expected)
    # An interrupted process leaves an entry without its last file.
    last = sorted(cache.folder.glob("??/*.json"))[0]
    last.unlink()
    calls = []
    plain = data.Preprocessing.load

    def counted(self, subject, **options):
        calls.append(subject.name)
        return plain(self, subject, **options)

    monkeypatch.setattr(data.Preprocessing, "load", counted)
    (again,) = load(path, cache)
    assert len(calls) == 1
    np.testing.assert_array_equal(again.images[:], expected)
    assert cache.size() == (entries, size)


def changes(path):
    """What makes another entry of the test subjects, by name."""
    image = data.read_image(path.parent / "2.nii.gz")
    brighter = replace(image, array=np.sqrt(image.array))
    base = data.Preprocessing(GRID)
    moved = Grid(GRID.shape, np.diag([1.2, 2.0, 2.4, 1.0]))
    wide = replace(base.intensity, high=90.0)

    def write():
        data.write_volume(path.parent / "2.nii.gz", brighter)

    return {
        "content": (write, base, 1),
        "grid": (None, replace(base, grid=moved), 4),
        "intensity": (None, replace(base, intensity=wide), 4),
        "alignment": (
            None,
            replace(base, align=lambda _: np.eye(4), align_key="rigid a"),
            4,
        ),
    }


@pytest.mark.parametrize("change", ["content", "grid", "intensity", "alignment"])
def test_the_key_is_content_and_plan(path, tmp_path, change):
    cache = data.ImageCache(tmp_path / "cache")
    load(path, cache)
    write, preprocessing, new = changes(path)[change]
    if write is not None:
        write()
    (found,) = load(path, cache, preprocessing=preprocessing)
    assert cache.size()[0] == 4 + new
    (expected,) = load(path, preprocessing=preprocessing)
    np.testing.assert_allclose(found.images[:], expected.images, atol=2.0**-12)


def test_voxels_in_another_file_count(tmp_path):
    pytest.importorskip("SimpleITK")
    volume = data.read_image(_one_volume(tmp_path, 1.0))
    data.write_volume(tmp_path / "a.nhdr", volume)
    before = data.content_digest(tmp_path / "a.nhdr")
    header = (tmp_path / "a.nhdr").read_bytes()
    data.write_volume(tmp_path / "a.nhdr", replace(volume, array=volume.array + 1))
    assert (tmp_path / "a.nhdr").read_bytes() == header
    assert data.content_digest(tmp_path / "a.nhdr") != before


def _one_volume(folder, value):
    array = np.full((4, 4, 4), value, np.float32)
    array[0] = 0
    return data.write_volume(folder / "v.nii.gz", Volume(array, np.eye(4)))


def test_several_may_fill_it_at_once(path, tmp_path):
    """Each begins with another subject; who comes second finds or replaces an entry."""
    (expected,) = load(path, data.ImageCache(tmp_path / "one"))
    folder = tmp_path / "two"
    turns = [data.ImageCache(folder, turn=(turn, 3)) for turn in (0, 0, 1, 2)]
    with ThreadPoolExecutor(len(turns)) as pool:
        list(pool.map(lambda cache: load(path, cache), turns))
    cache = data.ImageCache(folder)
    assert cache.size() == data.ImageCache(tmp_path / "one").size()
    (found,) = load(path, cache)
    np.testing.assert_array_equal(found.images[:], expected.images[:])
    subjects = data.read_dataset(path).subjects
    assert [s.name for s in turns[3].in_turn(subjects)] == ["s2", "s3", "s0", "s1"]


def cut(file):
    file.write_bytes(file.read_bytes()[:-3])


@pytest.mark.parametrize(
    ("ending", "damage"),
    [
        (".image.npy", cut),
        (".image.npy", lambda file: file.write_bytes(b"")),
        (".labels.npy", lambda file: file.unlink()),
        (".image.npy", lambda file: np.save(file, np.zeros((3, 3)))),
        (".json", lambda file: file.write_text("{}")),
        (".json", cut),
    ],
)
def test_an_incomplete_entry_is_made_again(path, tmp_path, ending, damage):
    cache = data.ImageCache(tmp_path / "cache")
    (expected,) = load(path, cache)
    before = {file: file.read_bytes() for file in cache.folder.glob("??/*")}
    for file in cache.folder.glob(f"??/*{ending}"):
        damage(file)
    (found,) = load(path, cache)
    assert {file: file.read_bytes() for file in cache.folder.glob("??/*")} == before
    np.testing.assert_array_equal(found.images[:], expected.images[:])


def other_numbers(file):
    file.write_bytes(file.read_bytes()[:-9] + b"\xff" * 9)


@pytest.mark.parametrize(
    "damage", [cut, other_numbers, lambda f: f.write_bytes(b""), lambda f: f.unlink()]
)
@pytest.mark.parametrize("kind", ["images", "labels"])
def test_damage_is_never_read(path, tmp_path, kind, damage):
    """And the remedy is to remove the files of one subject, which are made again."""
    cache = data.ImageCache(tmp_path / "cache")
    cohorts = load(path, cache, "train", "test")
    ending = {"images": ".image.npy", "labels": ".labels.npy"}[kind]
    file = min(cache.folder.glob(f"??/*{ending}"))
    before, entry = file.read_bytes(), file.name.removesuffix(ending)
    damage(file)
    message = rf"{re.escape(file.name)}: .* remove the files .*{entry}\.\* and"
    with pytest.raises(ArtifactError, match=message):
        [getattr(cohort, kind)[:] for cohort in cohorts]
    for one in file.parent.glob(f"{entry}.*"):
        one.unlink()
    load(path, cache)
    assert file.read_bytes() == before


def test_a_checksum_is_computed_once(path, tmp_path, monkeypatch):
    (cohort,) = load(path, data.ImageCache(tmp_path / "cache"))
    expected = cohort.images[0]
    monkeypatch.setattr(zlib, "crc32", None)
    np.testing.assert_array_equal(cohort.images[0], expected)
    with pytest.raises(TypeError):
        cohort.images[1]


def test_a_full_disk_is_told_with_what_is_needed(path, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    needed = r"No space left on device; s\d takes .* MiB\); set data\.cache"
    with pytest.raises(ArtifactError, match=needed):
        load(path, data.ImageCache(tmp_path / "cache"))


def test_errors_name_the_file(path, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ArtifactError, match=r"file: .* set data\.cache"):
        load(path, data.ImageCache(blocked))
    (path.parent / "2.nii.gz").write_bytes(b"")
    with pytest.raises(DataError, match=r"2\.nii\.gz"):
        load(path, data.ImageCache(tmp_path / "new"))


def test_a_stored_array_is_indexed_like_an_array():
    rng = np.random.default_rng(0)
    plain = rng.normal(size=(6, 3, 4, 1)).astype(np.float32)
    calls = []

    def read(place):
        calls.append(place)
        return plain[place]

    stored = data.StoredArray(plain.shape, plain.dtype, read)
    assert (len(stored), stored.ndim, stored.nbytes) == (6, 4, plain.nbytes)
    for key in (
        2,
        np.int64(4),
        -1,
        slice(1, 5, 2),
        [3, 0, 3],
        np.array([[1, 2], [5, 0]]),
        (2, ..., 0),
        (slice(0, 2), ..., 0),
        (..., 0),
        ([1, 2], slice(None), 3),
    ):
        found = stored[key]
        np.testing.assert_array_equal(found, plain[key])
        assert found.dtype == plain.dtype
    np.testing.assert_array_equal(np.asarray(stored), plain)
    assert np.asarray(stored, np.float64).dtype == np.float64
    calls.clear()
    stored[[4, 1]]
    assert calls == [4, 1]  # and no others
    with pytest.raises(IndexError):
        stored[6]


def test_the_folder_is_a_choice_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("AUTOREG_DATA_CACHE", str(tmp_path / "chosen"))
    assert data.default_cache() == tmp_path / "chosen"
    monkeypatch.delenv("AUTOREG_DATA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data.default_cache() == tmp_path / "autoreg_jax" / "images"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "~/own")
    assert data.default_cache() == tmp_path / "own" / "autoreg_jax" / "images"
    monkeypatch.setenv("AUTOREG_DATA_CACHE", "~/images")
    assert data.default_cache() == tmp_path / "images"
