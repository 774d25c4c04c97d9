"""A file is the old one or the new one, whatever happens between."""

import errno
import json
import multiprocessing
import os
import signal
import stat
from pathlib import Path

import numpy as np
import pytest

from autoreg_jax.files import (
    append_record,
    flush_to_disk,
    is_writer,
    write_bytes,
    write_file,
    write_here,
    write_json,
    write_text,
)


@pytest.fixture
def path(tmp_path):
    """A file that exists already, alone in its folder."""
    path = tmp_path / "result.txt"
    path.write_text("old")
    return path


def check_untouched(path):
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_content_comes_back(tmp_path):
    assert write_bytes(tmp_path / "a" / "b.bin", b"\x00\n\r").read_bytes() == b"\0\n\r"
    assert write_text(str(tmp_path / "t"), "λ\r\n").read_bytes() == "λ\r\n".encode()
    arrays = {"x": np.arange(3), "y": np.eye(2)}
    path = write_file(tmp_path / "c.npz", lambda file: np.savez(file, **arrays))
    with np.load(path) as found:
        assert {name: found[name].tolist() for name in found} == {
            name: array.tolist() for name, array in arrays.items()
        }
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "c.npz", "t"]


def test_the_old_file_is_whole_until_the_new_one_is_complete(path):
    def write(file):
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"

    assert write_file(path, write).read_text() == "new"


def test_content_is_on_disk_before_the_name_and_the_name_before_the_end(
    path, monkeypatch
):
    events = []
    fsync, replace = os.fsync, os.replace

    def log_fsync(descriptor):
        mode = os.fstat(descriptor).st_mode
        kind = "folder" if stat.S_ISDIR(mode) else "file"
        events.append((kind, os.fstat(descriptor).st_size if kind == "file" else None))
        fsync(descriptor)

    def log_replace(source, target):
        events.append(("rename", Path(target).name))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", log_fsync)
    monkeypatch.setattr(Path, "replace", log_replace)
    write_text(path, "new!")
    assert events == [("file", 4), ("rename", "result.txt"), ("folder", None)]


def test_what_was_appended_is_on_disk_when_it_is_asked_for(path, monkeypatch):
    flushed = []
    append_record(path, {"step": 1}, is_durable=False)
    size = path.stat().st_size
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: flushed.append(os.fstat(descriptor))
    )
    append_record(path, {"step": 2}, is_durable=False)
    assert flushed == []
    flush_to_disk(path)
    file, folder = flushed
    assert (file.st_ino, file.st_size) == (path.stat().st_ino, 2 * size)
    assert stat.S_ISDIR(folder.st_mode)
    flushed.clear()
    append_record(path, {"step": 3})
    assert [found.st_size for found in flushed] == [3 * size]


@pytest.mark.skipif(os.name != "posix", reason="needs a limit of the size of files")
@pytest.mark.parametrize("size", [100, 700, 1327])
def test_an_array_is_whole_or_an_error(path, size):
    """NumPy's own writes lose the error of their last bytes."""
    import resource  # Windows lacks it

    array = np.ones(600, np.float16)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        with pytest.raises(OSError, match=r"File too large: .*result\.txt'$") as caught:
            write_file(path, lambda file: np.save(file, array))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.errno == errno.EFBIG
    check_untouched(path)
    write_file(path, lambda file: np.save(file, array))
    assert path.stat().st_size == 1328


def test_an_error_without_a_number_keeps_its_text(path):
    def write(_):
        raise OSError("12 requested and 0 written")

    with pytest.raises(OSError, match=r"12 requested and 0 written: .*result\.txt'$"):
        write_file(path, write)
    check_untouched(path)


class Crash(BaseException):
    """What no handler expects."""


@pytest.mark.parametrize("error", [Crash(), KeyboardInterrupt(), OSError(5, "broken")])
@pytest.mark.parametrize("place", ["write", "fsync", "rename"])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    path, monkeypatch, place, error
):
    def fail(*_):
        raise error

    def write(file):
        file.write(b"new")
        if place == "write":
            fail()

    if place == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    if place == "rename":
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(type(error)) as caught:
        write_file(path, write)
    check_untouched(path)
    if isinstance(error, OSError):
        assert caught.value.filename == str(path)


def test_text_that_is_not_unicode_leaves_the_old_file(path):
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    check_untouched(path)


def test_a_folder_that_cannot_be_made_is_named(path):
    below = path / "below" / "a.txt"
    with pytest.raises(OSError, match=r"below.a\.txt") as caught:
        write_text(below, "x")
    assert caught.value.errno in (errno.ENOTDIR, errno.EEXIST)
    check_untouched(path)


@pytest.mark.skipif(os.name != "posix", reason="needs a umask")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_file_is_as_readable_as_any_new_file(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_text(tmp_path / "a", "x")
        (tmp_path / "b").write_text("x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~mask


def write_often(path, letter):
    for _ in range(50):
        write_text(path, letter * 10_000)


def test_writers_at_the_same_time_do_not_collide(path):
    path.write_text("a" * 10_000)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_often, args=(path, x)) for x in "bcd"]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        text = path.read_text()
        assert text == text[0] * 10_000
        seen.add(text[0])
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert seen & set("bcd")
    assert list(path.parent.iterdir()) == [path]


@pytest.fixture
def second_process():
    """A process that leaves the files of its run to another one."""
    write_here(False)
    yield
    write_here(True)
    assert is_writer()


def test_of_several_processes_one_writes(path, second_process):
    assert not is_writer()
    assert write_text(path, "new") == path
    append_record(path, {"a": 1})
    write_json(path, {"a": 1})
    check_untouched(path)


def test_what_all_processes_fill_together_is_written(path, second_process):
    write_json(path, {"a": 1}, by_all=True)
    assert json.loads(path.read_text()) == {"a": 1}
