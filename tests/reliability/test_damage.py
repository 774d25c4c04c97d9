"""Whatever happens to a file of a run: a sentence, or the same result."""

import json
import random
import shutil

import pytest
from damage import cut, damage, emptied, flipped, foreign
from outcome import check_sentence, outcome

from autoreg_jax.report import write_report
from autoreg_jax.workflows import check_run


def check(run, resume, expected, what, *, with_report):
    """Look at the run, describe it and resume it."""
    calls = {
        "doctor": lambda: check_run(run),
        "report": lambda: write_report(run),
        "resume": lambda: resume(run),
    }
    if not with_report:
        del calls["report"]
    for name, call in calls.items():
        try:
            code, found = outcome(call)
        except Exception as error:
            raise AssertionError(f"{what}: {name} ends in {error!r}") from error
        if code:
            check_sentence(code, found)
        elif name == "resume":
            assert found == expected, what


CHOSEN = [
    ("provenance.json", emptied),
    ("metrics.jsonl", emptied),
    ("genotype.json", foreign),
    ("model/weights.npz", emptied),
    pytest.param("objective.json", flipped, marks=pytest.mark.slow),
    pytest.param("evaluation.csv", foreign, marks=pytest.mark.slow),
    pytest.param("panels.npz", cut, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "how"), CHOSEN)
def test_a_damaged_file_is_a_sentence_or_the_same_result(
    copy, whole, resume, name, how
):
    path = copy / name
    path.write_bytes(how(path.read_bytes(), random.Random(0)))
    check(
        copy,
        resume,
        whole[1],
        f"{name} {how.__name__}",
        with_report=name == "panels.npz",
    )


def test_an_empty_configuration_does_not_become_the_default_run(copy, resume):
    before = (copy / "genotype.json").read_bytes()
    (copy / "config.yaml").write_text("")
    code, text = outcome(lambda: resume(copy))
    assert (code, "config.yaml: is empty" in text) == (2, True)
    (copy / "config.yaml").unlink()
    code, text = outcome(lambda: resume(copy))
    assert (code, "config.yaml: is missing" in text) == (2, True)
    assert (copy / "genotype.json").read_bytes() == before
    assert not (copy / "config.yaml").exists()


def test_an_edited_setting_is_noticed_unless_it_is_meant(copy, resume, settings):
    path = copy / "config.yaml"
    text = path.read_text()
    path.write_text(text.replace("num_steps: 2", "num_steps: 3"))
    code, found = outcome(lambda: resume(copy))
    assert (code, "was changed since the run wrote it" in found) == (2, True)
    path.write_text("\n".join(text.splitlines()[:-1]) + "\n")  # without its digest
    assert outcome(lambda: resume(copy))[0] == 0


def test_results_of_another_run_are_noticed(copy, resume, whole):
    objective = json.loads((copy / "objective.json").read_text())
    objective["lam"]["full"] = 99.0
    (copy / "objective.json").write_text(json.dumps(objective))
    checks = {check.name: check for check in check_run(copy)}
    assert not checks["search"].ok
    assert "objective.json: was changed" in checks["search"].detail
    assert "search" in checks["the run"].detail


def test_the_doctor_says_how_a_run_goes_on(copy, whole):
    checks = {check.name: check for check in check_run(whole[0])}
    assert all(check.ok for check in checks.values())
    assert checks["the run"].detail.startswith("complete")
    assert "lam after step 3" in checks["checkpoints"].detail
    (copy / "evaluation.json").unlink()
    assert f"autoreg evaluate {copy}" in check_run(copy)[-1].detail
    shutil.rmtree(copy / "model")
    assert f"autoreg train {copy} --resume" in check_run(copy)[-1].detail
    (copy / "objective.json").unlink()
    assert "--resume" in check_run(copy)[-1].detail
    (copy / "checkpoints" / "lam").rename(copy / "checkpoints" / "other")
    found = {check.name: check for check in check_run(copy)}["checkpoints"]
    assert not found.ok
    assert "stage 'other'" in found.detail


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(400))
def test_any_damage(copy, whole, resume, seed):
    rng = random.Random(seed)
    what = [damage(copy, rng) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    check(copy, resume, whole[1], "; ".join(what), with_report=True)
