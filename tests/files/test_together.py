"""Several files that appear at once, or none of them."""

import errno
import threading
from pathlib import Path

import numpy as np
import pytest

from autoreg_jax.errors import ArtifactError
from autoreg_jax.files import (
    append_record,
    read_arrays,
    read_json,
    together,
    write_json,
    write_text,
)


@pytest.fixture
def pair(tmp_path):
    """Two results of an earlier run."""
    paths = [tmp_path / "moved", tmp_path / "displacement"]
    for path in paths:
        write_text(path, "old")
    return paths


def texts(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_both_are_old_until_both_are_new(tmp_path, pair):
    with together():
        for path in pair:
            write_text(path, "new")
            assert [p.read_text() for p in pair] == ["old", "old"]
    assert texts(tmp_path) == {"moved": "new", "displacement": "new"}


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_an_error_at_the_second_leaves_both_old(tmp_path, pair, error):
    def write():
        with together():
            write_text(pair[0], "new")
            raise error

    with pytest.raises(type(error)):
        write()
    assert texts(tmp_path) == {"moved": "old", "displacement": "old"}


def test_the_last_of_two_contents_is_written_and_inner_groups_belong_to_outer(tmp_path):
    path = tmp_path / "a"
    with together():
        write_text(path, "1")
        with together():
            write_text(path, "2")
        assert not path.exists()
    assert texts(tmp_path) == {"a": "2"}


def test_another_thread_is_not_held_up(tmp_path, pair):
    with together():
        thread = threading.Thread(target=write_text, args=(pair[0], "of another"))
        thread.start()
        thread.join()
        assert pair[0].read_text() == "of another"


def test_an_appended_record_names_its_file(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        append_record(tmp_path / "metrics.jsonl", {"a": 1})
    assert caught.value.filename == str(tmp_path / "metrics.jsonl")


def test_a_sealed_file_that_was_changed_is_noticed(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"b": 1.5, "c": [np.float32(2)]}, is_sealed=True)
    assert read_json(path) == {"b": 1.5, "c": [2.0]}
    path.write_text(path.read_text().replace("1.5", "1.25"))
    with pytest.raises(ArtifactError, match=r"a\.json: was changed since"):
        read_json(path)
    write_json(path, {"b": 1})
    path.write_text(path.read_text().replace("1", "2"))  # not sealed
    assert read_json(path) == {"b": 2}


@pytest.mark.parametrize("content", [b"", b"\0" * 99, b"PK\3\4", b"\x93NUMPY"])
def test_arrays_that_are_none_are_a_value_error(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match="archive of arrays"):
        read_arrays(tmp_path / "a.npz")


def test_no_byte_of_an_archive_may_be_another(tmp_path):
    path = Path(tmp_path / "a.npz")
    np.savez(path, x=np.arange(6.0))
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        other = bytes([content[place] ^ 64])
        path.write_bytes(content[:place] + other + content[place + 1 :])
        try:
            found = read_arrays(path)
        except ValueError:
            continue
        np.testing.assert_array_equal(found.get("x", np.arange(6.0)), np.arange(6.0))
