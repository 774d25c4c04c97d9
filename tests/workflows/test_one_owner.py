"""Everything that writes a run owns it: a second process is refused, each way."""

import contextlib
import json
import re
import sys
import threading
from pathlib import Path

import pytest
from stand_in import write_dataset

import autoreg_jax
from autoreg_jax import studies, workflows
from autoreg_jax.config import RunConfig
from autoreg_jax.errors import ArtifactError
from autoreg_jax.files import owned
from autoreg_jax.report import write_report
from autoreg_jax.runtime import _owner
from autoreg_jax.studies.bench._process import Limits
from autoreg_jax.workflows.refinement import search_refinement


@pytest.fixture
def taken(tmp_path):
    """The folder of a run that a process of another host works on."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "owner.json").write_text(json.dumps({"host": "elsewhere", "process": 7}))
    return folder


@pytest.fixture(scope="module")
def table(tmp_path_factory, cohorts):
    return write_dataset(tmp_path_factory.mktemp("data"), cohorts)


CONFIG = RunConfig()


def _bench(table, run):
    limits = Limits(1.0, None, 1)
    protocol = studies.BenchProtocol(
        dataset=table, methods=("none",), config=CONFIG, limits=limits
    )
    return studies.bench(run, protocol)


COMMANDS = {
    "auto": lambda t, r: workflows.auto(t, r, CONFIG),
    "auto, resumed": lambda t, r: workflows.auto(t, r, CONFIG, resume=True),
    "auto, anew": lambda t, r: workflows.auto(t, r, CONFIG, overwrite=True),
    "demo": lambda _, r: workflows.demo(r, overwrite=True),
    "plan": lambda t, r: workflows.plan(t, r, overwrite=True),
    "search": lambda t, r: workflows.search_run(t, r, CONFIG, resume=True),
    "search, anew": lambda t, r: workflows.search_run(t, r, CONFIG, overwrite=True),
    "train": lambda _, r: workflows.train_run(r),
    "train, resumed": lambda _, r: workflows.train_run(r, resume=True),
    "train from": lambda t, r: workflows.train_run(r, dataset=t, initial="brain"),
    "evaluate": lambda _, r: workflows.evaluate_run(r),
    "evaluate a cohort": lambda _, r: workflows.evaluate(None, None, CONFIG, run=r),
    "evaluate on other data": lambda t, r: workflows.evaluate_dataset("brain", t, r),
    "smoothnesses": lambda _, r: workflows.smoothness_run(r, [1.0]),
    "smoothnesses on other data": lambda t, r: workflows.smoothness_dataset(
        "brain", [1.0], t, r
    ),
    "doctor": lambda _, r: workflows.check_run(r),
    "series": lambda t, r: workflows.register_series(t, r),
    "template": lambda t, r: workflows.build_template(t, r),
    "report": lambda _, r: write_report(r),
    "bench": _bench,
    "compare": lambda _, r: studies.compare("quadratic", r),
    "reproduce": lambda _, r: studies.reproduce(
        "table1", r, studies.Protocol(config=CONFIG)
    ),
    "library smoothnesses": lambda _, r: workflows.smoothness_front(
        None, None, CONFIG, [1.0], run=r
    ),
    "library refinement": lambda _, r: search_refinement(None, None, CONFIG, run=r),
    "library search": lambda _, r: workflows.search(None, None, CONFIG, run=r),
    "library training": lambda _, r: workflows.train(
        None, CONFIG, "voxelmorph", {}, journal=workflows.Journal(r)
    ),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_in_use_is_refused_and_stays_as_it_is(taken, table, name):
    with pytest.raises(ArtifactError, match=r"process 7 on elsewhere.*delete .*owner"):
        COMMANDS[name](table, taken)
    assert [path.name for path in taken.iterdir()] == ["owner.json"]


class InsideError(Exception):
    """A command has its folder, and has not begun."""


@pytest.fixture
def when_owned(monkeypatch):
    """Do something as soon as a command owns its folder, instead of the command."""

    def install(act):
        @contextlib.contextmanager
        def first(folder):
            with owned(folder):
                if threading.current_thread() is threading.main_thread():
                    act(Path(folder))
                    raise InsideError
                yield

        monkeypatch.setattr(_owner, "owned", first)

    return install


def _refusals(table, folder):
    """What each command says in another thread, which is another owner."""
    said = {}

    def call(name):
        try:
            COMMANDS[name](table, folder)
        except ArtifactError as error:
            said[name] = str(error)

    for name in COMMANDS:
        thread = threading.Thread(target=call, args=(name,))
        thread.start()
        thread.join()
    return said


@pytest.mark.parametrize("first", COMMANDS)
def test_each_command_is_refused_beside_each_other(tmp_path, table, when_owned, first):
    folder, said = tmp_path / "run", {}
    folder.mkdir()

    def beside(own):
        assert own == folder
        said.update(_refusals(table, folder))
        assert [path.name for path in folder.iterdir()] == ["owner.json"]

    when_owned(beside)
    with pytest.raises(InsideError):
        COMMANDS[first](table, folder)
    assert said.keys() == COMMANDS.keys()
    assert all("in use by process" in text for text in said.values())
    assert list(folder.iterdir()) == []


def test_each_owner_is_in_the_table(tmp_path, table, when_owned, monkeypatch):
    """COMMANDS calls every function that takes ownership of a folder."""
    own = re.compile(r"@owns\([^)]*\)\n(?:@.*\n)*def (\w+)\(")
    sources = Path(autoreg_jax.__file__).parent.rglob("*.py")
    wanted = {n for p in sources for n in own.findall(p.read_text(encoding="utf-8"))}
    found = set()
    decorated = _owner._owned_by_all

    def by_all(folder):
        frame = sys._getframe(1)
        found.add(frame.f_locals["function"].__name__)
        return decorated(folder)

    monkeypatch.setattr(_owner, "_owned_by_all", by_all)
    when_owned(lambda folder: None)
    (tmp_path / "run").mkdir()
    for call in COMMANDS.values():
        with pytest.raises(InsideError):
            call(table, tmp_path / "run")
    assert found == wanted


def test_inside_of_an_owner_no_other_process_is_asked(tmp_path, monkeypatch):
    """One process alone may get there, and the others would never answer."""
    asked = []

    def broadcast(value):
        asked.append(bool(value[0]))
        return value

    monkeypatch.setattr(_owner.jax.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(_owner.multihost_utils, "broadcast_one_to_all", broadcast)

    @_owner.owns()
    def inner(run):
        return run

    @_owner.owns()
    def outer(run, other):
        return inner(run), inner(Path(f"{run}/../run")), inner(other)

    for _ in range(2):
        outer(tmp_path / "run", tmp_path / "other")
    assert asked == [True] * 4  # the run and the other folder, each time
