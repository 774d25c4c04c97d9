"""One owner of a folder: who may take it, who is refused, what is left."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from autoreg_jax import files
from autoreg_jax.errors import ArtifactError, ConfigError
from autoreg_jax.files import owned, write_here, write_text

HOLD = """
import sys
from autoreg_jax.files import owned
with owned(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""

HERE = files._process.this_process()


@pytest.fixture
def holder(tmp_path):
    """Another process that owns the folder."""
    root = Path(files.__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_lock_names_host_process_and_start_and_goes(tmp_path):
    with owned(tmp_path):
        found = json.loads((tmp_path / "owner.json").read_text())
        assert found["process"] == os.getpid()
        assert {"host", "start", "since"} <= set(found)
    assert names(tmp_path) == []


def test_another_process_is_refused_and_changes_nothing(tmp_path, holder):
    before = (tmp_path / "owner.json").read_text()
    words = rf"in use by process {holder.pid} on .* since 20.*wait until it ends"
    with pytest.raises(ArtifactError, match=words), owned(tmp_path):
        pytest.fail("it is not free")
    assert (tmp_path / "owner.json").read_text() == before
    assert names(tmp_path) == ["owner.json"]


def test_who_is_refused_writes_nothing_even_for_a_moment(tmp_path, monkeypatch):
    """On a full disk the reason is still the other process."""
    about = HERE | {"process": os.getppid()}
    about["start"] = files._process._start(os.getppid())
    (tmp_path / "owner.json").write_text(json.dumps(about))
    monkeypatch.setattr(os, "link", lambda *_: pytest.fail("it writes"))
    monkeypatch.setattr(os, "fsync", lambda *_: pytest.fail("it writes"))
    with pytest.raises(ArtifactError, match="in use by process"), owned(tmp_path):
        pytest.fail("it is not free")


def test_it_is_free_when_the_other_ends(tmp_path, holder):
    holder.communicate("")
    assert names(tmp_path) == []
    with owned(tmp_path):
        assert names(tmp_path) == ["owner.json"]


def test_what_a_killed_process_leaves_is_replaced(tmp_path, holder):
    partial = tmp_path / "model" / files._partial.partial_beside(Path("x")).name
    left = partial.with_name(
        partial.name.replace(f"-{os.getpid()}-", f"-{holder.pid}-")
    )
    write_text(left, "half")
    write_text(partial, "of a running process")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with owned(tmp_path):
        found = json.loads((tmp_path / "owner.json").read_text())
        assert found["process"] == os.getpid()
        assert names(tmp_path / "model") == [partial.name]
    assert names(tmp_path) == ["model"]


def test_another_process_of_the_same_number_is_not_the_owner(tmp_path):
    about = files._process.this_process() | {"process": 1, "start": "earlier"}
    (tmp_path / "owner.json").write_text(json.dumps(about))
    with owned(tmp_path):
        pass
    assert names(tmp_path) == []


OF_OTHERS = {
    "another host": {"host": "elsewhere", "process": 1},
    "another machine of this name": HERE | {"place": "0" * 16, "process": 2**22 + 1},
    "nobody": {},
    "no lock": [],
    "an empty file": None,
}


@pytest.mark.parametrize("about", OF_OTHERS.values(), ids=OF_OTHERS)
def test_a_lock_of_another_host_or_of_nobody_is_left_to_the_user(tmp_path, about):
    lock = tmp_path / "owner.json"
    lock.write_text("" if about is None else json.dumps(about))
    with pytest.raises(ArtifactError, match=r"delete .*") as caught, owned(tmp_path):
        pytest.fail("it may be in use")
    assert str(lock) in str(caught.value)
    lock.unlink()
    with owned(tmp_path):
        pass


@pytest.mark.parametrize("about", [HERE | {"process": 2**22 + 1}, HERE | {"start": ""}])
def test_a_process_that_has_ended_here_is_not_the_owner(tmp_path, about):
    """With and without the place, which earlier versions did not write."""
    for lock in (about, {k: v for k, v in about.items() if k != "place"}):
        (tmp_path / "owner.json").write_text(json.dumps(lock))
        with owned(tmp_path):
            assert json.loads((tmp_path / "owner.json").read_text())["place"]


@pytest.fixture
def in_another_container(holder, tmp_path):
    """The lock of the other process, as a container shows it to another one."""
    lock = tmp_path / "owner.json"
    about = json.loads(lock.read_text()) | {"host": "f00", "place": "0" * 16}

    def show(**more):
        lock.write_text(json.dumps(about | more))  # the same file, so still held

    show()
    return show


def test_a_lock_that_a_killed_container_has_left_is_replaced(
    tmp_path, holder, in_another_container
):
    with pytest.raises(ArtifactError, match=r"process \d+ on f00"), owned(tmp_path):
        pytest.fail("the other process runs")
    holder.kill()
    holder.wait()
    with owned(tmp_path):
        assert (
            json.loads((tmp_path / "owner.json").read_text())["process"] == os.getpid()
        )
    assert names(tmp_path) == []


@pytest.mark.parametrize("more", [{"boot": "another"}, {"boot": None}, {"held": False}])
def test_a_lock_that_this_system_may_not_see_is_left_to_the_user(
    tmp_path, holder, in_another_container, more
):
    """Of another machine, of an unknown one, on a file system without such locks."""
    in_another_container(**more)
    holder.kill()
    holder.wait()
    with pytest.raises(ArtifactError, match="cannot be seen"), owned(tmp_path):
        pytest.fail("it may be in use")


FORK = """
import contextlib, os, sys
from autoreg_jax.errors import ArtifactError
from autoreg_jax.files import owned
lock = owned(sys.argv[1])
lock.__enter__()
child = os.fork()
if not child:
    with contextlib.suppress(ArtifactError), owned(sys.argv[1]):
        os._exit(1)
    lock.__exit__(None, None, None)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert os.listdir(sys.argv[1]) == ["owner.json"]
lock.__exit__(None, None, None)
assert not os.path.exists(sys.argv[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_does_not_own_and_takes_nothing_away(tmp_path):
    root = Path(files.__file__).parents[2]
    words = [sys.executable, "-c", FORK, str(tmp_path / "run")]
    env = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(words, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def nowhere(lock):
    lock.symlink_to("nowhere")


KINDS = {"a link to nowhere": nowhere, "a folder": Path.mkdir, "a pipe": os.mkfifo}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_what_is_no_file_is_refused(tmp_path, make):
    make(tmp_path / "owner.json")
    with (
        pytest.raises(ArtifactError, match=r"must be a regular file.*delete or rename"),
        owned(tmp_path),
    ):
        pytest.fail("it is not free")


def test_a_copy_of_a_folder_in_use_says_what_to_delete(tmp_path, holder):
    copy = shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name}-copy")
    words = rf"in use by .* is a copy of that one, delete {copy}/owner\.json\."
    with pytest.raises(ArtifactError, match=words), owned(copy):
        pytest.fail("the other process runs")
    with pytest.raises(ArtifactError) as caught, owned(tmp_path):
        pytest.fail("the other process runs")
    assert "is a copy" not in str(caught.value)


def test_a_number_that_may_be_another_programs_is_left_to_the_user(tmp_path):
    """Where the system hides when processes start."""
    about = HERE | {"process": os.getppid(), "start": None}
    (tmp_path / "owner.json").write_text(json.dumps(about))
    words = rf"stop it, or choose another folder. If .* delete {tmp_path}/owner.json\."
    with pytest.raises(ArtifactError, match=words), owned(tmp_path):
        pytest.fail("it may be in use")


@pytest.mark.parametrize("name", ["_machine", "_container"])
def test_a_place_is_a_machine_and_a_container_of_one_name(monkeypatch, name, tmp_path):
    """The numbers of processes in there say nothing here, nor do names of files."""
    partial = files._partial.partial_beside(tmp_path / "x")
    partial = partial.with_name(partial.name.replace(f"-{os.getpid()}-", "-4194305-"))
    partial.touch()
    there = files._process.place()
    files._process.place.cache_clear()
    monkeypatch.setattr(files._process, name, lambda: "another")
    try:
        assert files._process.place() != there
        files.remove_partials(tmp_path)
        assert partial.exists()
        assert not files._process.is_gone(HERE | {"process": 2**22 + 1})
    finally:
        files._process.place.cache_clear()
    monkeypatch.undo()
    assert files._process.place() == there
    files.remove_partials(tmp_path)
    assert not partial.exists()


def test_the_owner_may_own_it_again_but_no_other_thread(tmp_path):
    caught = []

    def other():
        with pytest.raises(ArtifactError, match="in use") as error, owned(tmp_path):
            pass
        caught.append(error)

    with owned(tmp_path):
        with owned(tmp_path / ".." / tmp_path.name):
            pass
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert names(tmp_path) == ["owner.json"]
    assert len(caught) == 1


def test_an_error_inside_leaves_no_lock_and_no_empty_folder(tmp_path):
    with pytest.raises(KeyboardInterrupt), owned(tmp_path / "a" / "b"):
        raise KeyboardInterrupt
    assert names(tmp_path) == []
    with owned(tmp_path / "a" / "b"):
        write_text(tmp_path / "a" / "b" / "kept", "")
    assert names(tmp_path / "a" / "b") == ["kept"]


def test_where_there_are_no_hard_links_a_new_file_does(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with owned(tmp_path):
        assert json.loads((tmp_path / "owner.json").read_text())["process"]
        with monkeypatch.context() as patch:
            patch.setattr(files._owner, "_held", {})
            patch.setattr(os, "getpid", lambda: 1)
            with pytest.raises(ArtifactError, match="in use"), owned(tmp_path):
                pass
    assert names(tmp_path) == []


@pytest.mark.parametrize("has_links", [True, False])
def test_a_disk_that_takes_no_lock_has_none(tmp_path, monkeypatch, has_links):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "fsync" if has_links else "link", refuse)
    if not has_links:
        monkeypatch.setattr(os, "fsync", refuse)
    with (
        pytest.raises(PermissionError, match=r"denied: '.*owner\.json'"),
        owned(tmp_path),
    ):
        pytest.fail("it is not owned")
    assert names(tmp_path) == []


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EMLINK, errno.EACCES])
def test_whatever_links_are_refused_for_a_new_file_does(tmp_path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    with owned(tmp_path):
        assert names(tmp_path) == ["owner.json"]
    assert names(tmp_path) == []


def test_a_lock_that_another_has_taken_over_is_not_removed(tmp_path):
    lock = tmp_path / "owner.json"
    with owned(tmp_path):
        lock.write_text("{}")
    assert lock.read_text() == "{}"


def test_a_process_that_does_not_write_does_not_own(tmp_path, holder):
    write_here(False)
    try:
        with owned(tmp_path):
            assert names(tmp_path) == ["owner.json"]
    finally:
        write_here(True)


def test_a_file_is_no_folder(tmp_path):
    write_text(tmp_path / "file", "")
    with (
        pytest.raises(ConfigError, match="cannot be created"),
        owned(tmp_path / "file"),
    ):
        pass
