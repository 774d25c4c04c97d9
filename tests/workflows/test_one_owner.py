"""Everything that writes a run owns it: a second process is refused, each way."""

import json

import pytest
from stand_in import write_dataset

from autoreg_jax import studies, workflows
from autoreg_jax.config import RunConfig
from autoreg_jax.errors import ArtifactError
from autoreg_jax.inference import load_model
from autoreg_jax.report import write_report
from autoreg_jax.studies.bench._process import Limits


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


def _bench(table, run):
    limits = Limits(1.0, None, 1)
    protocol = studies.BenchProtocol(
        dataset=table, methods=("none",), config=RunConfig(), limits=limits
    )
    return studies.bench(run, protocol)


def _evaluate(table, run):
    return workflows.evaluate(None, load_model("brain"), RunConfig(), run=run)


COMMANDS = {
    "auto": lambda t, r: workflows.auto(t, r, RunConfig()),
    "auto, resumed": lambda t, r: workflows.auto(t, r, RunConfig(), resume=True),
    "auto, anew": lambda t, r: workflows.auto(t, r, RunConfig(), overwrite=True),
    "demo": lambda _, r: workflows.demo(r, overwrite=True),
    "plan": lambda t, r: workflows.plan(t, r, overwrite=True),
    "search": lambda t, r: workflows.search_run(t, r, RunConfig(), resume=True),
    "search, anew": lambda t, r: workflows.search_run(
        t, r, RunConfig(), overwrite=True
    ),
    "train": lambda _, r: workflows.train_run(r),
    "train, resumed": lambda _, r: workflows.train_run(r, resume=True),
    "train from": lambda t, r: workflows.train_run(r, dataset=t, initial="brain"),
    "evaluate": lambda _, r: workflows.evaluate_run(r),
    "evaluate a cohort": _evaluate,
    "evaluate on other data": lambda t, r: workflows.evaluate_dataset("brain", t, r),
    "report": lambda _, r: write_report(r),
    "bench": _bench,
    "compare": lambda _, r: studies.compare("quadratic", r),
    "reproduce": lambda _, r: studies.reproduce(
        "table1", r, studies.Protocol(config=RunConfig())
    ),
    "library search": lambda _, r: workflows.search(None, None, RunConfig(), run=r),
    "library training": lambda _, r: workflows.train(
        None, RunConfig(), "voxelmorph", {}, journal=workflows.Journal(r)
    ),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_in_use_is_refused_and_stays_as_it_is(taken, table, name):
    with pytest.raises(ArtifactError, match=r"process 7 on elsewhere.*delete .*owner"):
        COMMANDS[name](table, taken)
    assert [path.name for path in taken.iterdir()] == ["owner.json"]
