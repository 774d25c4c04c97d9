"""Tiny subjects, also as files, and one configuration; see `stand_in`."""

import pytest
from stand_in import cohorts as cohorts
from stand_in import settings as settings
from stand_in import write_dataset


@pytest.fixture(scope="session")
def dataset(cohorts, tmp_path_factory):
    """File dataset.csv of the cohorts."""
    return write_dataset(tmp_path_factory.mktemp("subjects"), cohorts)
