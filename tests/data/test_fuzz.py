"""A few of the damaged files of `tests/benchmarks/fuzz_nifti.py`."""

import importlib.util
import logging
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "benchmarks" / "fuzz_nifti.py"


@pytest.fixture(scope="module")
def program():
    """The program, which is no part of the tests' packages."""
    spec = importlib.util.spec_from_file_location("fuzz_nifti", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def _quiet():
    logger = logging.getLogger("nibabel.global")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    yield
    logger.setLevel(level)


@pytest.mark.usefixtures("_quiet")
def test_damaged_files_give_clean_errors_or_valid_volumes(program, tmp_path):
    found, failures = program.fuzz(150, tmp_path)
    assert not failures
    assert set(found) == {"read", "DataError", "GeometryError"}
    assert sum(found.values()) == 450
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize("number", [1386, 7141])  # signalling NaN in the sform, qform
def test_cases_that_once_failed(program, tmp_path, number):
    assert program.fuzz(1, tmp_path, number)[1] == []


def test_a_case_is_decided_by_its_number(program):
    sources = program.originals()
    assert program.case(7, sources) == program.case(7, program.originals())
    contents = {program.case(number, sources)[1] for number in range(50)}
    assert len(contents) == 50


def test_the_search_sees_what_is_not_clean(program, tmp_path, monkeypatch):
    def careless(path):
        raise RuntimeError("oh")

    monkeypatch.setattr(program, "read_image", careless)
    _, failures = program.fuzz(3, tmp_path)
    assert failures == [f"case {n}: RuntimeError: oh" for n in range(3)]
