"""A finished run is never lost."""

import pytest

from autoreg_jax.errors import ArtifactError, ConfigError
from autoreg_jax.runtime import claim_run_folder


@pytest.fixture
def finished(tmp_path):
    folder = tmp_path / "run"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "weights").write_text("precious")
    (folder / "report.html").write_text("first")
    (folder / "notes.txt").write_text("mine")
    return folder


def test_new_folder_is_made(tmp_path):
    folder = claim_run_folder(tmp_path / "a" / "b")
    assert folder.is_dir()
    assert claim_run_folder(folder, resume=True) == folder


def test_finished_run_is_refused(finished):
    with pytest.raises(ArtifactError, match=r"holds a run already.*--overwrite"):
        claim_run_folder(finished)
    assert claim_run_folder(finished, resume=True) == finished
    assert (finished / "report.html").read_text() == "first"


def test_overwrite_moves_the_run_aside(finished):
    claim_run_folder(finished, overwrite=True)
    assert {p.name for p in finished.iterdir()} == {"notes.txt", "previous-1"}
    assert (finished / "previous-1" / "model" / "weights").read_text() == "precious"
    (finished / "report.html").write_text("second")
    claim_run_folder(finished, overwrite=True)
    assert (finished / "previous-1" / "report.html").read_text() == "first"
    assert (finished / "previous-2" / "report.html").read_text() == "second"


def test_folder_with_other_files_is_free(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    assert claim_run_folder(tmp_path) == tmp_path


def test_contradiction_and_file_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="exclude each other"):
        claim_run_folder(tmp_path, resume=True, overwrite=True)
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match="cannot be the folder of a run"):
            claim_run_folder(folder)
