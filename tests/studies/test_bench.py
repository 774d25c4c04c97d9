"""The bench: one table of methods, of which some work and some do not."""

import csv
import dataclasses
import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from autoreg_jax import config, data, geometry, transforms
from autoreg_jax.baselines.adapters import ADAPTERS, Adapter
from autoreg_jax.errors import ArtifactError, ConfigError, DataError, GeometryError
from autoreg_jax.files import read_records
from autoreg_jax.programs import weights_of
from autoreg_jax.studies import BenchProtocol, Method, RivalNetwork, bench
from autoreg_jax.studies.bench import (
    Limits,
    MethodProcess,
    _session,
    method_names,
    paired_difference,
)
from autoreg_jax.studies.bench._process import MethodFailedError
from autoreg_jax.workflows.evaluation import pair_of, score


def fake(name, **settings):
    """A method of the module `fake_methods`."""
    return Method(name=name, module="fake_methods", settings=settings, source="pip it")


OURS = dataclasses.replace(fake("autoreg", kind="shift", by=[0.5, 0.0]), parameters=123)
SHIFT = fake("shift", kind="shift", by=[1.0, 0.5])


@pytest.fixture(autouse=True)
def _find_fakes(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)


@pytest.fixture
def protocol(dataset, settings):
    few = config.merge(settings, {"evaluate": {"pairs": 5}})
    return BenchProtocol(
        dataset=dataset,
        methods=("none", OURS, SHIFT),
        config=few,
        limits=Limits(seconds=20.0, megabytes=8000, threads=1),
    )


def _rows(folder):
    with (folder / "bench.csv").open() as file:
        return {row["method"]: row for row in csv.DictReader(file)}


def test_every_method_has_the_scores_of_its_displacement(
    protocol, dataset, settings, tmp_path
):
    found = bench(tmp_path, protocol)
    rows = _rows(tmp_path)
    assert list(rows) == ["none", "autoreg", "shift"]
    test = data.load_cohort(data.read_dataset(dataset), "test")
    pairs = data.evaluation_pairs(3, 5, settings.seed)
    wanted = {"none": [0.0, 0.0], "autoreg": [0.5, 0.0], "shift": [1.0, 0.5]}
    dice = {}
    for name, by in wanted.items():
        field = np.broadcast_to(np.float32(by), (1, 16, 16, 2))
        scores = [
            score(
                pair_of(test, *pair),
                field,
                num_structures=2,
                spacing=(2.0, 2.0),
                window=5,
            )
            for pair in pairs
        ]
        dice[name] = [float(np.mean(one["dice"])) for one in scores]
        assert float(rows[name]["dice"]) == pytest.approx(np.mean(dice[name]))
        assert float(rows[name]["dice_sd"]) == pytest.approx(np.std(dice[name], ddof=1))
        ncc = np.mean([float(one["ncc"]) for one in scores])
        assert float(rows[name]["ncc"]) == pytest.approx(ncc)
        assert int(rows[name]["pairs"]) == 5
    expected = paired_difference(dice["shift"], dice["autoreg"], seed=settings.seed)
    names = ("difference", "difference_low", "difference_high", "wilcoxon_p")
    row = rows["shift"]
    assert [float(row[name]) for name in names] == pytest.approx(list(expected))
    assert rows["autoreg"]["difference"] == "nan"
    assert float(row["seconds_first"]) > float(row["seconds"]) >= 0
    assert float(row["peak_memory_bytes"]) > 10e6
    assert rows["none"]["peak_memory_bytes"] == "nan"
    assert float(rows["autoreg"]["parameters"]) == 123
    assert row["threads"] == "1.0"
    text = (tmp_path / "bench.md").read_text()
    assert "| shift | 5 |" in text
    assert "5 pairs of 3 subjects, 16 × 16 voxels" in text
    assert [path.name for path in found.figures] == ["figure4.png", "figure5.png"]
    assert all(path.stat().st_size > 5000 for path in found.figures)


@pytest.fixture
def listed(dataset):
    """Two pairs; the true displacement of the first is known, in a part of it."""
    folder = dataset.parent
    cohort = data.load_cohort(data.read_dataset(dataset), "test")
    grid = transforms.Grid((16, 16), cohort.affine)
    vectors = np.broadcast_to(np.float32([1.5, -0.5]), (16, 16, 2))
    truth = transforms.Transform.displacement(vectors, grid, voxels=True)
    truth.write(folder / "truth.nii.gz")
    mask = np.zeros((16, 16), np.int32)
    mask[4:9, 3:12] = 1
    data.write_volume(folder / "mask.nii.gz", geometry.Volume(mask, cohort.affine))
    first, second, third = cohort.names
    (folder / "listed.csv").write_text(
        "moving,fixed,displacement,fixed_mask\n"
        f"{first}.nii.gz,{third}.nii.gz,truth.nii.gz,mask.nii.gz\n"
        f"{third}.nii.gz,{second}.nii.gz,,\n"
    )
    return folder / "listed.csv"


def test_listed_pairs_are_judged_by_their_truth(protocol, listed, tmp_path):
    of_table = dataclasses.replace(protocol, pairs=listed)
    bench(tmp_path, of_table)
    rows = _rows(tmp_path)
    assert {row["pairs"] for row in rows.values()} == {"2"}
    # Voxels are of 2 mm; the truth is (1.5, -0.5) voxels.
    for name, by in {"none": [0, 0], "autoreg": [0.5, 0], "shift": [1, 0.5]}.items():
        error = 2 * np.hypot(by[0] - 1.5, by[1] + 0.5)
        assert float(rows[name]["displacement_error"]) == pytest.approx(error, rel=1e-5)
    first, _ = (
        json.loads(line)
        for line in (tmp_path / "methods" / "none.jsonl").read_text().splitlines()[1:]
    )
    assert first["judged_by"] == ["truth.nii.gz", "mask.nii.gz"]
    assert [first["moving"], first["fixed"]] == ["s3-0", "s3-2"]


def test_pairs_of_another_truth_are_registered_again(protocol, listed, tmp_path):
    one = dataclasses.replace(protocol, pairs=listed, methods=("none",))
    bench(tmp_path, one)
    listed.write_text(listed.read_text().replace(",truth.nii.gz,mask.nii.gz", ",,"))
    bench(tmp_path, one)
    assert _rows(tmp_path)["none"]["displacement_error"] == "nan"
    lines = (tmp_path / "methods" / "none.jsonl").read_text().splitlines()
    assert len(lines) == 1 + 2 + 1


def test_listed_images_must_be_of_the_split(protocol, listed, dataset, tmp_path):
    train = next(iter(data.read_dataset(dataset).split("train")))
    text = listed.read_text()
    wrong = dataclasses.replace(protocol, pairs=listed)
    listed.write_text(text.replace("s3-0.nii.gz", train.image.name))
    with pytest.raises(DataError, match=r"no image of the split 'test'.*is of 'train'"):
        bench(tmp_path, wrong)
    listed.write_text(text.replace("s3-0.nii.gz", "mask.nii.gz"))
    with pytest.raises(DataError, match="add it to the dataset, or leave the pair"):
        bench(tmp_path, wrong)
    listed.write_text(text)
    small = geometry.Volume(np.ones((8, 8), np.int32), np.eye(4))
    data.write_volume(listed.parent / "mask.nii.gz", small)
    with pytest.raises(GeometryError, match=r"mask\.nii\.gz: has the shape \(8, 8\)"):
        bench(tmp_path, wrong)


def test_methods_by_tasks(protocol, listed, dataset, tmp_path):
    warps = dataclasses.replace(
        protocol, dataset=_unlabelled(dataset), pairs=listed, methods=("none", SHIFT)
    )
    bench(tmp_path / "warps", warps)
    known = _rows(tmp_path / "warps")
    of_both = dataclasses.replace(
        protocol, dataset=dataset.parent, other_tasks={"warps": tmp_path / "warps"}
    )
    found = bench(tmp_path / "mine", of_both)
    assert found.tasks is not None
    rows = _rows(tmp_path / "mine")
    task = dataset.parent.name
    assert found.tasks.header == ("", f"{task}, Dice", "warps, mm")
    cells = {cell[0]: cell[1:] for cell in found.tasks.cells}
    assert list(cells) == ["none", "autoreg", "shift"]
    assert cells["autoreg"][1] == ""
    dice, error = (float(cell.split(" ± ")[0]) for cell in cells["shift"])
    assert dice == pytest.approx(float(rows["shift"]["dice"]), abs=6e-4)
    wanted = float(known["shift"]["displacement_error"])
    assert error == pytest.approx(wanted, abs=6e-3)
    with (tmp_path / "mine" / "tasks.csv").open() as file:
        table = [(row["task"], row["method"]) for row in csv.DictReader(file)]
    assert table[:3] == [(task, "none"), (task, "autoreg"), (task, "shift")]
    assert table[3:] == [("warps", "none"), ("warps", "shift")]
    assert f"| {task}, Dice |" in (tmp_path / "mine" / "tasks.md").read_text()
    same = dataclasses.replace(of_both, other_tasks={task: tmp_path / "warps"})
    with pytest.raises(ConfigError, match="name of this dataset's own task"):
        bench(tmp_path / "mine", same)
    lost = dataclasses.replace(of_both, other_tasks={"lost": tmp_path / "lost"})
    with pytest.raises(ArtifactError, match=r"lost/bench\.csv: no result of"):
        bench(tmp_path / "mine", lost)


def _unlabelled(dataset):
    """The same subjects without their labels, another file."""
    lines = [line.split(",")[:3] for line in dataset.read_text().splitlines()]
    path = dataset.parent / "unlabelled.csv"
    path.write_text("\n".join(map(",".join, lines)) + "\n")
    return path


@pytest.mark.slow
def test_registration_without_a_model_is_a_method(protocol, tmp_path):
    changes = {"evaluate": {"pairs": 2, "refine": {"steps": 20, "learning_rate": 0.2}}}
    changed = dataclasses.replace(
        protocol,
        config=config.merge(protocol.config, changes),
        methods=("none", "autoreg_classical"),
        limits=Limits(seconds=120.0, megabytes=None, threads=1),
    )
    bench(tmp_path, changed)
    before, after = _rows(tmp_path).values()
    assert after["method"] == "autoreg_classical"
    assert not after["failure"]
    assert float(after["ncc"]) > float(before["ncc"]) + 0.05
    off = config.merge(changed.config, {"evaluate": {"refine": {"steps": 0}}})
    with pytest.raises(ConfigError, match="autoreg_classical needs steps"):
        bench(tmp_path, dataclasses.replace(changed, config=off))


def test_what_fails_has_a_row_and_the_others_too(protocol, tmp_path):
    limits = protocol.limits._replace(seconds=9.0)
    methods = (
        fake("missing", kind="missing"),
        fake("sleep", kind="sleep", from_pair=2),
        fake("eat", kind="eat"),
        fake("crash", kind="crash", from_pair=3),
        SHIFT,
        OURS,
    )
    bench(tmp_path, dataclasses.replace(protocol, methods=methods, limits=limits))
    rows = _rows(tmp_path)
    assert (
        rows["missing"]["failure"] == "No module named 'a_package'; to get it: pip it"
    )
    assert rows["sleep"]["failure"] == "not finished within its limit of 9 s"
    assert rows["eat"]["failure"] == "out of memory (its limit of memory is 8000 MB)"
    assert rows["crash"]["failure"].startswith("ended by SIGSEGV")
    pairs = {name: int(row["pairs"]) for name, row in rows.items()}
    assert pairs == {
        "autoreg": 5, "crash": 2, "eat": 0, "missing": 0, "shift": 5, "sleep": 1
    }  # fmt: skip
    assert not rows["shift"]["failure"]
    # The next call tries again, with what has been installed or given since.
    found = (fake("missing", kind="shift"),)
    bench(tmp_path, dataclasses.replace(protocol, methods=found, limits=limits))
    rows = _rows(tmp_path)
    assert not rows["missing"]["failure"]
    assert rows["missing"]["pairs"] == "5"
    assert rows["sleep"]["pairs"] == "1"


def test_an_interrupted_bench_resumes(protocol, tmp_path, monkeypatch):
    register, calls = MethodProcess.register, []

    def counted(process, *arguments):
        calls.append(process)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return register(process, *arguments)

    monkeypatch.setattr(MethodProcess, "register", counted)
    with pytest.raises(KeyboardInterrupt):
        bench(tmp_path, protocol)
    assert list(_rows(tmp_path)) == ["none", "autoreg"]  # the finished ones
    path = tmp_path / "methods" / "shift.jsonl"
    assert len(path.read_text().splitlines()) == 1 + 2
    with path.open("a") as file:
        file.write('{"moving": "s3-0", "fi')  # cut by the interruption
    bench(tmp_path, protocol)
    assert len(calls) == 8 + 3  # only the pairs that were left
    resumed = _rows(tmp_path)
    bench(tmp_path / "straight", protocol)
    straight = _rows(tmp_path / "straight")
    for name, row in straight.items():
        for key, value in row.items():
            if "seconds" not in key and "memory" not in key:
                assert resumed[name][key] == value
    bench(tmp_path, protocol)
    assert len(calls) == 8 + 3 + 2 * 5  # nothing was left to do


def test_more_pairs_keep_the_first_ones(protocol, tmp_path, settings):
    fewer = config.merge(settings, {"evaluate": {"pairs": 2}})
    bench(tmp_path, dataclasses.replace(protocol, config=fewer))
    before = (tmp_path / "methods" / "shift.jsonl").read_text()
    bench(tmp_path, protocol)
    assert (tmp_path / "methods" / "shift.jsonl").read_text().startswith(before)
    assert _rows(tmp_path)["shift"]["pairs"] == "5"


def test_results_of_other_settings_are_not_mixed(protocol, tmp_path):
    bench(tmp_path, protocol)
    more = protocol.limits._replace(threads=2)
    with pytest.raises(ConfigError, match="threads: 1 there, 2 now"):
        bench(tmp_path, dataclasses.replace(protocol, limits=more))
    seed = dataclasses.replace(protocol.config, seed=7)
    with pytest.raises(ConfigError, match=r"bench\.json: belongs to other subjects"):
        bench(tmp_path, dataclasses.replace(protocol, config=seed))
    other = (fake("shift", kind="shift", by=[2.0, 0.0]),)
    with pytest.raises(ConfigError, match=r"shift\.jsonl: contains results of other"):
        bench(tmp_path, dataclasses.replace(protocol, methods=other))


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        (("nothing",), "'nothing' is unknown; known are"),
        ((), "name at least one, each once"),
        (("none", "none"), "name at least one, each once"),
        (("shift", SHIFT), "'shift' is unknown"),
        ((SHIFT, SHIFT), "name at least one, each once"),
        ((fake("../shift"),), "'../shift' is no file name"),
        (("autoreg",), "need a trained network"),
    ],
)
def test_wrong_methods_are_refused_at_once(protocol, tmp_path, methods, words):
    wrong = dataclasses.replace(protocol, methods=methods)
    with pytest.raises(ConfigError, match=words):
        bench(tmp_path / "new", wrong)
    assert not (tmp_path / "new").exists()


def test_a_program_is_one_row_of_a_table(protocol, tmp_path, monkeypatch):
    """A file with `open_method`, a row in `ADAPTERS`: nothing else knows the name."""
    paper = {"kind": "shift", "by": [1.0, 0.5]}
    sets = {"default": {"kind": "missing"}, "paper": paper}
    row = Adapter("fake_methods", sets, {"numpy": "numpy"}, "pip it")
    monkeypatch.setitem(ADAPTERS, "mine", row)
    assert {"mine", "mine.paper"} < set(method_names())
    methods = ("mine", "mine.paper")
    bench(tmp_path, dataclasses.replace(protocol, methods=methods))
    rows = _rows(tmp_path)
    assert rows["mine"]["failure"].endswith("to get it: pip it")
    assert rows["mine.paper"]["pairs"] == "5"
    lines = (tmp_path / "methods" / "mine.paper.jsonl").read_text().splitlines()
    header, *records = map(json.loads, lines)
    assert header["identity"]["settings"] == paper
    assert header["identity"]["versions"] == {"numpy": np.__version__}
    assert [record["is_first"] for record in records] == [True] + 4 * [False]
    assert set(records[0]["scores"]) >= {"dice", "ncc", "folding_fraction"}


def test_rows_of_methods_of_an_earlier_call_stay(protocol, tmp_path):
    bench(tmp_path, dataclasses.replace(protocol, methods=(SHIFT,)))
    bench(tmp_path, dataclasses.replace(protocol, methods=("none",)))
    assert list(_rows(tmp_path)) == ["none", "shift"]


@pytest.mark.slow
def test_a_network_of_ones_own_is_trained_like_a_rival(protocol, tmp_path):
    tiny = import_module("rival_network").Tiny
    few = config.merge(protocol.config, {"train": {"steps": 3}})
    rival = RivalNetwork(name="tiny", network=tiny, config=few)
    limits = Limits(seconds=120.0, megabytes=None, threads=1)
    own = dataclasses.replace(protocol, methods=("none", rival), limits=limits)
    bench(tmp_path, own)
    rows = _rows(tmp_path)
    assert (rows["tiny"]["failure"], rows["tiny"]["pairs"]) == ("", "5")
    assert float(rows["tiny"]["parameters"]) == 3 * 3 * 2 + 2
    assert rows["tiny"]["ncc"] != rows["none"]["ncc"]
    records = read_records(tmp_path / "runs" / "tiny" / "metrics.jsonl")
    assert records[-1]["step"] == 3

    class Local(tiny):
        pass

    with pytest.raises(ConfigError, match="another process cannot import"):
        dataclasses.replace(rival, network=Local)


def test_a_rival_that_cannot_be_trained_fails_alone(protocol, tmp_path):
    frozen = config.merge(protocol.config, {"train": {"freeze": "features"}})
    session = _session.Session(tmp_path, dataclasses.replace(protocol, config=frozen))
    with pytest.raises(MethodFailedError, match="would stay at random weights"):
        session.method("voxelmorph")
    assert not (tmp_path / "runs" / "voxelmorph" / "config.yaml").exists()


def test_a_rival_is_reused_with_the_settings_of_its_training(
    protocol, tmp_path, monkeypatch
):
    made = []
    monkeypatch.setattr(_session, "train", lambda *given, **_: made.append(given))

    def trained(**changes):
        merged = config.merge(protocol.config, changes)
        own = dataclasses.replace(protocol, config=merged)
        _session.Session(tmp_path, own)._trained("voxelmorph", "voxelmorph")
        return made[-1]

    *_, settings, network, lam = trained(train={"directions": "inverse"})
    assert (settings.train.directions, network) == ("both", "voxelmorph")
    assert lam == weights_of(protocol.config.objective)
    trained(train={"directions": "inverse"}, evaluate={"pairs": 2})
    with pytest.raises(ConfigError, match="trained with other settings"):
        trained(train={"directions": "one"})
    run = tmp_path / "runs" / "voxelmorph" / "config.yaml"
    run.write_text(run.read_text() + "# eighth: 2.0\n")
    with pytest.raises(ConfigError, match="trained with other loss weights"):
        trained(train={"directions": "inverse"})
