"""A whole run of the stand-in, and copies of it to be damaged."""

import shutil

import pytest
from outcome import numbers
from stand_in import auto, write_dataset
from stand_in import cohorts as cohorts
from stand_in import settings as settings


@pytest.fixture(scope="package")
def dataset(tmp_path_factory, cohorts):
    """Images and table, in a folder beside which the runs are."""
    return write_dataset(tmp_path_factory.mktemp("data"), cohorts)


@pytest.fixture(scope="package")
def whole(tmp_path_factory, dataset, settings):
    """Folder of a finished run, and what it found."""
    folder = tmp_path_factory.mktemp("whole")
    run = folder / "run"
    return run, numbers(auto(dataset, run, settings, with_report=False))


@pytest.fixture
def copy(whole, tmp_path):
    """A copy of the finished run, which knows the place of its data."""
    run = shutil.copytree(whole[0], tmp_path / "run")
    (run / "plan.yaml").unlink()
    shutil.copy(whole[0] / "plan.yaml", run)
    return run


@pytest.fixture
def resume(dataset, settings):
    """Resume a run, or begin it."""

    def call(run):
        return numbers(auto(dataset, run, settings, resume=True, with_report=False))

    return call
