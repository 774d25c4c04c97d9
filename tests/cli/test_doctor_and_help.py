"""Help, versions and the check of the installation."""

import json
import os
import subprocess
import sys

import pytest

from autoreg_jax import __version__, workflows
from autoreg_jax.cli import _parser

VERBS = (
    "demo",
    "auto",
    "plan",
    "search",
    "train",
    "evaluate",
    "report",
    "register",
    "apply",
    "template",
    "register-series",
    "bench",
    "compare",
    "reproduce",
    "doctor",
)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_shows_an_example(command, verb):
    code, out, _ = command(verb, "--help")
    assert code == 0
    assert "Example" in out
    assert f"  autoreg {verb}" in out


@pytest.mark.parametrize("verb", VERBS)
def test_help_fits_one_screen(command, verb, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = command(verb, "--help")[1].splitlines()
    # The verb with the most options is allowed a few lines more.
    assert len(lines) <= (57 if verb == "register" else 50)
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if "None" in line]


def test_options_are_strict_but_forgive_underscores(command):
    code, out, err = command("register", "--fixd", "x")
    assert (code, out) == (2, "")
    assert "unknown argument --fixd; did you mean --fixed?" in err
    code, _, err = command("register", "--fixed", "a.nii", "--affine_onl")
    assert code == 2
    code, _, err = command("register", "--fixed_mask", "a.nii", "--affine_only")
    assert "give a fixed and a moving image" in err
    assert len(err.splitlines()) == 1


def test_old_names_of_options_are_understood(capsys):
    class Verb(_parser.Verb):
        """A verb."""

        renamed = {"--old": "--new"}  # noqa: RUF012

        @staticmethod
        def add_options(parser):
            parser.add_argument("--new", nargs="+")

    options = _parser.Parser("test", Verb).parse(["--old", "1", "--json", "--old=2"])
    assert options.new == ["2"]
    assert "autoreg test: --old is now --new." in capsys.readouterr().err


def test_help_lists_the_verbs(command):
    code, out, _ = command("--help")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert all(verb in out for verb in VERBS)


def test_version(command):
    assert command("--version") == (0, f"autoreg {__version__}\n", "")


def test_help_loads_nothing_heavy():
    program = (
        "import sys; from autoreg_jax.cli import main; main(['--help']); "
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert not loaded & {"jax", "flax", "numpy", "nibabel", "scipy", "matplotlib"}


def test_doctor(command):
    code, out, err = command("doctor")
    assert (code, err) == (0, "")
    assert "packages" in out
    assert "devices" in out


def test_doctor_fails_with_a_check(command, monkeypatch):
    bad = workflows.Check("arithmetic", False, "off by 3; install another version", 0.1)
    monkeypatch.setattr(workflows, "selfcheck", lambda: [bad])
    code, out, _ = command("doctor", "--json")
    assert code == 1
    assert json.loads(out)["checks"][0]["detail"] == bad.detail
    assert "FAILED" in command("doctor")[1]


def test_programs_from_the_cache_make_no_noise(tmp_path):
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    # As a command does: first `main`, then JAX.
    words = "from autoreg_jax.cli import main; assert main(['doctor', '-h']) == 0; "
    words += "import os; assert os.environ['TF_CPP_MIN_LOG_LEVEL'] == '3'; "
    words += "import jax; jax.jit(lambda x: x.sum())(jax.numpy.ones(9))"
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", words],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
    assert any(tmp_path.iterdir())
    assert "cpu_aot_loader" not in done.stderr


def test_the_doctor_looks_at_a_run(command, tmp_path):
    code, _, err = command("doctor", tmp_path)
    assert (code, err.count("\n")) == (2, 1)
    assert "contains no run" in err
    (tmp_path / "config.yaml").write_text("seed: 3\n")
    code, out, _ = command("doctor", tmp_path)
    assert code == 0
    assert "--resume" in out
    (tmp_path / "metrics.jsonl").write_text('{"stage": 1}\n')
    (tmp_path / "evaluation.json").write_text("")
    code, out, _ = command("doctor", tmp_path, "--json")
    assert code == 1
    checks = {check["name"]: check for check in json.loads(out)["checks"]}
    assert [name for name in checks if not checks[name]["ok"]] == [
        "records",
        "evaluation",
        "the run",
    ]
    assert "line 1 is no record" in checks["records"]["detail"]
    assert "evaluation.json: is empty" in checks["evaluation"]["detail"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "config.yaml",
        "evaluation.json",
        "metrics.jsonl",
    ]
