"""Several devices and processes find what one device finds; a killed run goes on.

Run as a program, this file is one of the processes: `FILE WHAT OUT [FOLDER]`.
"""

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import pytest
import stand_in
from searched import SEARCHED

from autoreg_jax import config, workflows
from autoreg_jax.programs import (
    Programs,
    StageData,
    StageRow,
    on_device,
    schedule,
    search_steps,
    stacked_rows,
)
from autoreg_jax.runtime import join_processes, local_placement, placement
from autoreg_jax.search_space import ArchitectureLogits, Genotype
from autoreg_jax.workflows.evaluation._registering import Registrar

DEVICES = 8
MESHES = {
    "one": {},
    "pairs": {"pairs": 8},
    "members": {"members": 8},
    "both": {"members": 2, "pairs": 4},
    "space": {"pairs": 2, "space": 4},
}
STEPS, KILLED = 6, 2


def settings(**mesh):
    """Eight pairs a step; particles that can be divided."""
    stage = {"steps": 4, "warm_up": 1, "train_pairs": 8, "valid_pairs": 8}
    # A step that depends on λ so much that the slopes are no noise of rounding.
    particles = {"name": "evolution_strategies", "pairs": 8, "steps": 1, "sigma": 2.0}
    weights = {"hypergradient": particles, "look_ahead_learning_rate": 0.1}
    return config.merge(
        config.RunConfig(),
        {
            "network": SEARCHED | {"num_steps": 1},
            "objective": {"windows": [3, 3, 3]},
            "search": {
                "joint": True,
                "feature": stage,
                "lam": stage | weights,
            },
            "train": {"steps": STEPS, "log_every": 1, "batch_size": 8},
            "evaluate": {"pairs": 5, "refine": {"steps": 1}},
            "mesh": mesh,
        },
    )


def cohorts():
    return [stand_in.make_cohort(n, seed) for seed, n in enumerate((4, 4, 3), 1)]


@dataclass(frozen=True)
class Model:
    """A model that registers without refinement."""

    network: object
    params: object

    def __call__(self, moving, fixed):
        return self.network.apply({"params": self.params}, moving, fixed)

    def start(self, found):
        return found.displacements.half


def found_by_search(run, genotype=None):
    """α, λ and ω of a search, and its result."""
    train, validation, _ = cohorts()
    found = {}

    def observe(stage, step, state):
        found[f"ω of {stage}"] = np.asarray(state.omega)

    journal = workflows.Journal(observe=observe)
    result = stand_in.search(train, validation, run, genotype=genotype, journal=journal)
    found["α"] = np.concatenate([np.ravel(part) for part in result.alpha])
    found["λ"] = np.asarray(list(result.lam.values()))
    return found, result


def of_weights(mesh):
    """λ and ω of a search of λ, and the fields of a network on five pairs."""
    run = config.merge(settings(**mesh), {"evaluate": {"refine": {"steps": 0}}})
    genotype = Genotype.uniform("conv_3")
    found, _ = found_by_search(run, genotype)
    network, (_, _, test) = stand_in.SmallNetwork(genotype), cohorts()
    params = network.init(None, test.images[:1], None)["params"]
    pairs = [(0, 1), (1, 2), (2, 0), (0, 2), (1, 0)]
    model = Model(network, jax.tree.map(lambda x: 0.3 * x, params))
    register = Registrar(
        model, run, local_placement(run.mesh.pairs, run.mesh.members, len(pairs))
    )
    fields = []
    while pairs:
        group, pairs = pairs[: register.count], pairs[register.count :]
        fields += [(*r.displacements, r.backward) for r in register(test, group)]
    return found | {"fields": np.asarray(fields)}


def everything(mesh):
    """α, λ and ω of a search, ω of a training, scores of an evaluation."""
    train, _, test = cohorts()
    run = settings(**mesh)
    found, result = found_by_search(run)
    model = stand_in.train(train, run, result.genotype, result.lam)
    leaves = jax.tree.leaves(model.params)
    found["ω"] = np.concatenate([np.ravel(leaf) for leaf in leaves])
    scores = workflows.evaluate(test, model, run).pairs
    found["scores"] = np.asarray(
        [
            [v for k, v in row.items() if k[:7] not in ("fixed", "moving", "seconds")]
            for row in scores
        ]
    )
    return found


def in_double(mesh):
    """α and ω after three iterations of the search of α in float64."""
    run = settings(**mesh)
    ((stage, _),) = schedule(run)
    devices = placement(
        run.mesh.pairs, run.mesh.members, [8], has_members=True, space=run.mesh.space
    )
    programs = Programs(run, 2, network=stand_in.SmallNetwork)
    images = [on_device(cohort) for cohort in cohorts()[:2]]
    images = jax.tree.map(lambda x: np.asarray(x, np.float64), images)
    alpha = jax.tree.map(lambda x: np.zeros(x.shape), ArchitectureLogits.zeros())
    lam = {
        name: np.float64(w)
        for name, w in vars(run.objective).items()
        if name in ("full", "smooth", "half", "quarter")
    }
    data = devices.everywhere(StageData(*images, stage.owned(alpha), lam))
    size = sum(
        leaf.size for leaf in jax.tree.leaves(programs.layout(programs.mixed).shapes)
    )
    omega = 0.1 * np.random.default_rng(0).normal(size=size)
    algorithm = programs.search(stage, is_plain=True)
    state = devices.everywhere(algorithm.init(omega, alpha))
    rng = np.random.default_rng(1)
    pairs = [tuple(rng.integers(0, 4, (2, 8))) for _ in range(6)]
    rows = [StageRow(*pairs[2 * n : 2 * n + 2], np.bool_(n > 0)) for n in range(3)]
    with devices.active():
        run_steps = search_steps(programs, stage, data).run
        state, _ = run_steps(state, stacked_rows(rows, 3), 3, data)
    found = {"α": np.asarray(state.outer.feature), "ω": np.asarray(state.omega)}
    assert all(value.dtype == np.float64 for value in found.values())
    assert np.all(found["α"])  # it has moved
    return found


def trained(folder, dies_after=None):
    """Train on all devices, resumed where possible; ω, and the step of the start.

    With `dies_after` the last process dies after that step, before its checkpoint.
    """
    begun = []

    def observe(stage, step, state):
        begun.append(step)
        if step == dies_after and jax.process_index() == jax.process_count() - 1:
            os._exit(KILLED)

    journal = workflows.Journal(folder, resume=True, observe=observe, save_every=0)
    run = settings(pairs=jax.device_count())
    genotype = Genotype.uniform("conv_3")
    lam = {"full": 10.0, "smooth": 15.0, "half": 3.2, "quarter": 0.8}
    model = stand_in.train(cohorts()[0], run, genotype, lam, journal=journal)
    leaves = jax.tree.leaves(model.params)
    return {"ω": np.concatenate([np.ravel(leaf) for leaf in leaves]), "from": begun[0]}


def whole(table, folder):
    """A whole run with its report; the Dice of each pair."""
    run = settings(pairs=jax.device_count())
    found = stand_in.auto(table, folder, run)
    return {"dice": np.array([pair["dice"] for pair in found.pairs])}


def start(out, what, *words, devices, number=0, count=1, port=None):
    """Start a process of this file."""
    flags = f"--xla_force_host_platform_device_count={devices}"
    environment = os.environ | {
        "XLA_FLAGS": f"{flags} --xla_backend_optimization_level=0",
        "JAX_PLATFORMS": "cpu",
        # Threads of XLA: with one a device, devices that exchange several arrays at
        # once wait for one another without end.
        "NPROC": str(4 * DEVICES),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    if port is not None:
        environment |= {
            "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}",
            "JAX_NUM_PROCESSES": str(count),
            "JAX_PROCESS_ID": str(number),
        }
    command = [sys.executable, __file__, what, str(out), *map(str, words)]
    return subprocess.Popen(
        command,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def result(process, out):
    """What a process has found, or its error."""
    _, said = process.communicate()
    assert process.returncode == 0, said
    with np.load(out) as found:
        return dict(found)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def compare(found, wanted, tolerance):
    assert found.keys() == wanted.keys()
    for name in wanted:
        scale = np.maximum(1, np.abs(wanted[name]))
        np.testing.assert_allclose(
            found[name] / scale, wanted[name] / scale, atol=tolerance, err_msg=name
        )


def on_meshes(tmp_path, what, meshes, tolerance):
    process = start(tmp_path / "found.npz", what, *meshes, devices=DEVICES)
    found = result(process, tmp_path / "found.npz")
    by_mesh = {
        mesh: {k.partition("/")[2]: v for k, v in found.items() if k.startswith(mesh)}
        for mesh in meshes
    }
    wanted = by_mesh.pop("one")
    assert by_mesh
    assert wanted
    for values in by_mesh.values():
        compare(values, wanted, tolerance)


@pytest.mark.slow
def test_two_groups_of_four_devices_find_what_one_device_finds(tmp_path):
    on_meshes(tmp_path, "of_weights", ("one", "both"), 1e-5)


@pytest.mark.slow
def test_eight_devices_find_what_one_device_finds(tmp_path):
    on_meshes(tmp_path, "everything", MESHES, 1e-5)


@pytest.mark.slow
def test_devices_agree_in_double_precision(tmp_path):
    on_meshes(tmp_path, "in_double", MESHES, 1e-10)


@pytest.mark.slow
def test_a_run_of_two_processes_goes_on_in_one_after_a_death(tmp_path):
    port, run = free_port(), tmp_path / "run"
    first, second = (
        start(
            tmp_path / f"{n}.npz",
            "trained",
            run,
            4,
            devices=2,
            number=n,
            count=2,
            port=port,
        )
        for n in range(2)
    )
    second.communicate()
    assert second.returncode == KILLED
    first.kill()  # it waits for the other one
    first.communicate()
    again = start(tmp_path / "again.npz", "trained", run, devices=4)
    wanted = trained(tmp_path / "whole")
    found = result(again, tmp_path / "again.npz")
    assert found.pop("from") == 3
    assert wanted.pop("from") == 0
    compare(found, wanted, 1e-5)


@pytest.mark.slow
def test_two_processes_do_a_whole_run_and_its_report(tmp_path):
    """One process writes the report, and the other one does not wait for ever."""
    port, table = free_port(), stand_in.write_dataset(tmp_path / "data", cohorts())
    both = [
        start(
            *(tmp_path / f"{n}.npz", "whole", table, tmp_path / "run"),
            devices=2,
            number=n,
            count=2,
            port=port,
        )
        for n in range(2)
    ]
    try:
        for process in both:
            _, said = process.communicate(timeout=400)
            assert process.returncode == 0, said
    finally:
        for process in both:
            process.kill()
    assert (tmp_path / "run" / "report.html").is_file()
    assert not (tmp_path / "run" / "owner.json").exists()
    with np.load(tmp_path / "0.npz") as found:
        assert np.all(found["dice"] > 0)


if __name__ == "__main__":
    what, out, *words = sys.argv[1:]
    if "JAX_PROCESS_ID" in os.environ:
        join_processes()
    if what == "trained":
        values = trained(words[0], *map(int, words[1:]))
    elif what == "whole":
        values = whole(*words)
    else:
        function = {f.__name__: f for f in (everything, of_weights, in_double)}[what]
        with jax.enable_x64(what == "in_double"):
            by_mesh = {mesh: function(MESHES[mesh]) for mesh in words}
        values = {
            f"{mesh}/{name}": value
            for mesh, found in by_mesh.items()
            for name, value in found.items()
        }
    if jax.process_index() == 0:
        np.savez(out, **values)
