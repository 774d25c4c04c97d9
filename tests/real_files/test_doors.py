"""Odd doors: environments, terminals and paths end in results or in one sentence."""

import io
import os
import subprocess
import sys
from pathlib import Path

import jax
import nibabel
import numpy as np
import pytest
from scipy import ndimage

from autoreg_jax import alignment, inference
from autoreg_jax.cli import main
from autoreg_jax.cli._os_errors import explain_os_error
from autoreg_jax.files import write_text
from autoreg_jax.geometry import Volume
from autoreg_jax.runtime import missing_platform

AFFINE = np.diag([4.0, 4, 4, 1])
POINTS = "x,y,z\n1,2,3\n"
IDENTITY = (
    "#Insight Transform File V1.0\n#Transform 0\n"
    "Transform: AffineTransform_double_3_3\n"
    "Parameters: 1 0 0 0 1 0 0 0 1 0 0 0\nFixedParameters: 0 0 0\n"
)


def smooth(seed, shift=0.0):
    noise = np.random.default_rng(seed).random((16, 16, 16))
    return ndimage.shift(ndimage.gaussian_filter(noise, 2), shift).astype(np.float32)


@pytest.fixture
def points(tmp_path):
    """A table of points and a transform: the fastest input of `autoreg apply`."""
    (tmp_path / "p.csv").write_text(POINTS)
    (tmp_path / "t.tfm").write_text(IDENTITY)
    return tmp_path


def autoreg(*words, env=None, output=subprocess.PIPE):
    """The command as a person runs it."""
    given = os.environ | {"JAX_PLATFORMS": "cpu", "AUTOREG_NO_CACHE": "1"} | (env or {})
    program = [sys.executable, "-m", "autoreg_jax.cli"]
    return subprocess.run(
        [*program, *map(str, words)],
        stdout=output,
        stderr=subprocess.PIPE,
        env=given,
        check=False,
    )


def without_rights(path):
    """Whether this process may not read a file: the superuser may read any."""
    path.chmod(0)
    return not os.access(path, os.R_OK)


# JAX_ENABLE_X64


def test_alignment_in_a_program_that_uses_double_precision():
    fixed, moving = Volume(smooth(0), AFFINE), Volume(smooth(0, (1, 0.5, 0)), AFFINE)
    expected = alignment.align(fixed, moving, kind="rigid").matrix
    with jax.enable_x64(True):
        found = alignment.align(fixed, moving, kind="rigid").matrix
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.slow
def test_registration_in_a_program_that_uses_double_precision():
    fixed, moving = Volume(smooth(0), AFFINE), Volume(smooth(0, (0.7, 0, 0)), AFFINE)
    options = {"affine": "none", "refine": 3}
    expected = inference.register(fixed, moving, **options)
    with jax.enable_x64(True):
        found = inference.register(fixed, moving, **options)
    assert found.displacement_mm.dtype == np.float32
    np.testing.assert_allclose(
        found.displacement_mm, expected.displacement_mm, atol=1e-4
    )


# Platforms


def test_a_platform_that_is_not_there(points):
    if jax.default_backend() != "cpu":
        pytest.skip("this machine has an accelerator")
    image = points / "i.nii.gz"
    nibabel.save(nibabel.Nifti1Image(smooth(0), AFFINE), image)
    words = ["register", "-f", image, "-m", image, "-o", points / "o_"]
    done = autoreg(*words, "--affine-only", env={"JAX_PLATFORMS": "cuda"})
    assert done.returncode == 2
    error = done.stderr.decode()
    assert "Traceback" not in error
    assert "no device of the platform 'cuda'" in error
    assert "Use JAX_PLATFORMS=cpu" in error


@pytest.mark.parametrize("error", [AssertionError(), RuntimeError("Unknown backend")])
def test_the_sentence_about_a_platform(monkeypatch, error):
    def none():
        raise error

    assert missing_platform() is None
    monkeypatch.setattr(jax, "devices", none)
    monkeypatch.setenv("JAX_PLATFORMS", "tpu")
    assert "platform 'tpu' that JAX_PLATFORMS asks for" in missing_platform()
    assert str(error) in missing_platform()
    monkeypatch.delenv("JAX_PLATFORMS")
    monkeypatch.setenv("JAX_PLATFORM_NAME", "gpu")
    assert "platform 'gpu' that JAX_PLATFORM_NAME asks for" in missing_platform()


# Terminals


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_that_cannot_show_a_name(points, encoding, monkeypatch):
    for name in ("stdout", "stderr"):
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, name, stream)
    target, missing = points / "\u8111 M\u00fcller.csv", points / "\u8111.csv"
    words = ["apply", "-t", str(points / "t.tfm"), "-o", str(target), "-i"]
    assert main([*words, str(points / "p.csv")]) == 0
    assert rb"\u8111 M" in sys.stdout.buffer.getvalue()
    assert target.is_file()
    assert main([*words, str(missing)]) == 2
    sys.stderr.flush()
    assert rb"\u8111.csv" in sys.stderr.buffer.getvalue()


def test_a_name_that_is_no_text_at_all(tmp_path):
    name = os.fsdecode(b"M\xfcller")  # ISO 8859-1 on a disk of UTF-8
    path = write_text(tmp_path / "names.txt", f"{name}\n")
    assert path.read_bytes() == b"M\xfcller\n"


def test_a_table_of_names_that_the_locale_cannot_write(tmp_path):
    rows = ["subject,image"]
    for k in range(6):
        name = f"M\u00fcller {k}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(smooth(k), AFFINE), tmp_path / name)
        rows.append(f"s{k},{name}")
    (tmp_path / "d.csv").write_text("\n".join(rows), encoding="utf-8")
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = autoreg("plan", tmp_path / "d.csv", "--json", env=ascii_only)
    assert done.returncode == 0, done.stderr
    assert b'"images": 6' in done.stdout


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_stops_reading(unbuffered):
    reader, writer = os.pipe()
    os.close(reader)
    environment = {"PYTHONUNBUFFERED": unbuffered}
    done = autoreg("register", "--help", output=writer, env=environment)
    os.close(writer)
    assert done.stderr == b""
    assert done.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has this device")
def test_an_output_that_is_full():
    with Path("/dev/full").open("wb") as full:
        done = autoreg("--help", output=full)
    assert done.returncode == 1
    assert b"cannot be written (No space left on device)" in done.stderr
    assert b"Traceback" not in done.stderr


# Paths


@pytest.mark.parametrize(
    "form",
    [
        ["-o", "~/new/o.csv"],
        ["--output=~/new/o.csv"],
        ["-o~/new/o.csv"],
        ["--output", "~/new/../new/o.csv"],
    ],
)
def test_the_home_folder(points, form, monkeypatch):
    home = points / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(points)
    assert main(["apply", "-i", "p.csv", "-t", "t.tfm", *form]) == 0
    assert (home / "new" / "o.csv").is_file()
    assert not (points / "~").exists()


def test_the_home_folder_in_front_of_inputs(points, monkeypatch):
    monkeypatch.setenv("HOME", str(points))
    (points / "x").mkdir()
    monkeypatch.chdir(points / "x")
    words = ["--input=~/p.csv", "-t", "~/t.tfm", "[~/t.tfm,1]", "-o", "o.csv"]
    assert main(["apply", *words]) == 0
    assert (points / "x" / "o.csv").is_file()


def test_a_name_that_has_a_tilde_inside(points, monkeypatch):
    monkeypatch.chdir(points)
    assert main(["apply", "-i", "p.csv", "-t", "t.tfm", "-o", "o~1.csv"]) == 0
    assert (points / "o~1.csv").is_file()


# Permissions, folders and files in the place of each other


@pytest.mark.parametrize("name", ["p.csv", "t.tfm"])
def test_a_file_that_may_not_be_read(points, name, capsys):
    if not without_rights(points / name):
        pytest.skip("the superuser may read any file")
    words = ["-i", points / "p.csv", "-t", points / "t.tfm", "-o", points / "o.csv"]
    assert main(["apply", *map(str, words)]) == 2
    error = capsys.readouterr().err
    assert name in error
    assert "read" in error
    assert "written" not in error


@pytest.mark.parametrize(
    ("denied", "mode", "words"),
    [
        ("d/a.csv", os.R_OK, "cannot be read (Permission denied); change"),
        ("d", os.X_OK, "cannot be reached, the folder {d} may not be entered"),
        (None, None, "cannot be written (Permission denied); change"),
    ],
)
def test_what_is_not_allowed(tmp_path, monkeypatch, denied, mode, words):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.csv").touch()
    refused = denied and tmp_path / denied
    # Not by permissions: they do not bind the superuser, who may run the tests.
    monkeypatch.setattr(os, "access", lambda p, m: (Path(p), m) != (refused, mode))
    error = PermissionError(13, "Permission denied", str(tmp_path / "d" / "a.csv"))
    text, code = explain_os_error(error)
    assert code == 2
    assert text.startswith(str(tmp_path / "d" / "a.csv"))
    assert words.format(d=tmp_path / "d") in text


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("folder.csv", "folder.csv: is a folder, a file is needed"),
        ("p.csv/o.csv", "p.csv: is a file, a folder is needed"),
        ("x" * 300 + ".csv", "name is too long; choose a shorter one"),
    ],
)
def test_an_output_that_cannot_be(points, output, message, capsys):
    (points / "folder.csv").mkdir()
    words = ["-i", points / "p.csv", "-t", points / "t.tfm", "-o", points / output]
    assert main(["apply", *map(str, words)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert ".partial" not in error
    assert "Errno" not in error
