"""Settings of the test session and the fixtures that several packages use."""

import functools
import gc
import os

os.environ.setdefault("MPLBACKEND", "Agg")

from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any

import chex
import jax
import numpy as np
import pytest
from jax._src import pjit

from autoreg_jax.alignment import _align, _search
from autoreg_jax.cli import main
from autoreg_jax.geometry import Volume
from autoreg_jax.programs import Programs, programs_part
from autoreg_jax.programs._network import _registration_network

# Compiling is most of what the tests cost. XLA's older emitters of CPU kernels, which
# the search and training of the package use as well, take two thirds of the time. XLA
# does not start with a flag that it does not know.
if jax.__version_info__ < (0, 12):
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")

# Where programs are large and run for a moment, they are compiled without optimisation.
_UNOPTIMISED = {
    "augmentation",
    "baselines",
    "bilevel",
    "cli",
    "compat",
    "hypergrad",
    "inference",
    "losses",
    "metrics",
    "networks",
    "ops",
    "real_files",
    "reliability",
    "search_space",
    "spatial",
    "stories",
    "studies",
    "training",
    "workflows",
}

_OF_ALIGNMENT = (
    (_align, "quality"),
    (_search, "initial_losses"),
    (_search, "optimise"),
)

# Programs of their own, which need the extra `peers`.
collect_ignore_glob = ["benchmarks/*"]

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"

# A silent broadcast between ranks has hidden many a wrong loss.
jax.config.update("jax_numpy_rank_promotion", "raise")
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    jax.config.update("jax_compilation_cache_dir", str(ROOT / ".cache" / "jax"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


# Tracing makes many small objects that stay; looking for cycles among them again and
# again takes a fifth of its time.
gc.set_threshold(200_000, 20, 100)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest, so that no worker waits for one at the end."""
    longest = *(names for folders in _ALIKE for names in folders), "tests/hypergrad"

    def place(item: pytest.Item) -> int:
        found = (n for n, name in enumerate(longest) if item.nodeid.startswith(name))
        return -1 if "test_notebooks" in item.nodeid else next(found, len(longest))

    items.sort(key=place)


# Folders whose tests run the same programs: searches of the stand-in, registrations.
_ALIKE = (
    ("tests/workflows", "tests/reliability", "tests/studies"),
    (
        "tests/inference",
        "tests/real_files",
        "tests/alignment",
        "tests/cli",
        "tests/stories",
    ),
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give tests that run the same programs to one of two workers: it compiles them.

    More workers than two end sooner if each file is for any of them.
    """
    if config.getoption("numprocesses") != 2 or config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByPrograms(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            for folders in _ALIKE:
                if nodeid.startswith(folders):
                    return folders[0]
            return super()._split_scope(nodeid)

    return ByPrograms(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Choose how the programs of a test are compiled."""
    is_quick = item.path.parent.name in _UNOPTIMISED
    is_quick = is_quick and not item.get_closest_marker("optimised")
    jax.config.update("jax_disable_most_optimizations", is_quick)


@pytest.fixture(scope="session", autouse=True)
def _align_optimised() -> Iterator[None]:
    """Compile alignments as users do: they run for longer than they compile.

    A program is kept as it was compiled first, whatever a later test asks for.
    """
    with pytest.MonkeyPatch.context() as patch:
        for module, name in _OF_ALIGNMENT:
            patch.setattr(module, name, _optimised(getattr(module, name)))
        yield


def _optimised(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **options: Any) -> Any:
        is_quick = jax.config.read("jax_disable_most_optimizations")
        jax.config.update("jax_disable_most_optimizations", False)
        try:
            return function(*args, **options)
        finally:
            jax.config.update("jax_disable_most_optimizations", is_quick)

    return run


@pytest.fixture(scope="session", autouse=True)
def _programs_of_equal_runs() -> Iterator[None]:
    """Compile what equal runs need once: each job would do so for itself."""
    kept: dict[Hashable, dict[Hashable, Any]] = {}
    alone = Programs.once

    def once(programs: Programs, key: Hashable, make: Callable[[], Any]) -> Any:
        if isinstance(key, tuple) and key[0] == "said":  # a line in the log of each
            return alone(programs, key, make)
        if not hasattr(programs, "kind"):
            programs.kind = _kind(programs)
        pieces = kept.setdefault(programs.kind, {})
        if key not in pieces:
            pieces[key] = make()
        return pieces[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Programs, "once", once)
        yield


def _kind(programs: Programs) -> Hashable:
    """What the pieces of programs depend on, see `Programs.fits`."""
    family = programs.make_network
    if getattr(family, "func", None) is _registration_network:
        family = None  # that of the configuration
    given = family, programs.objective, programs.estimator, programs.in_one_program
    return programs_part(programs.config), programs.ndim, *given


@pytest.fixture(scope="module", autouse=True)
def _forget_lowered_programs() -> Iterator[None]:
    """Drop what compiled programs were lowered from, behind each file.

    JAX keeps the MLIR context of every program, and MLIR looks through all of them for
    each new one: behind two thousand programs the next is lowered four times as slowly.
    The compiled programs stay. The name is private to JAX; without it nothing is lost.
    """
    yield
    if lowered := getattr(pjit, "_pjit_lower", None):
        lowered.cache_clear()


@pytest.fixture(autouse=True)
def _fresh_trace_counter() -> None:
    # chex counts traces by the name of the function, across tests.
    chex.clear_trace_counter()


@pytest.fixture
def x64() -> Iterator[None]:
    """Compute in double precision inside the test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real data beside the checkout, which is not part of the project."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"real data are needed: there is no {SHARED.name}/data here")
    return SHARED


@pytest.fixture(scope="session")
def reference() -> dict[str, np.ndarray]:
    """Values of the published PyTorch code, see tests/reference/README.md."""
    with np.load(ROOT / "tests" / "reference" / "published_code.npz") as arrays:
        return dict(arrays)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a command; the test session has a cache of its own."""
    monkeypatch.setenv("AUTOREG_NO_CACHE", "1")
    monkeypatch.delenv("AUTOREG_DEBUG", raising=False)
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def command(
    terminal: None, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run `autoreg` in this process: exit code, standard output, standard error."""

    def run(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def root() -> Path:
    """Top folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def turned() -> Callable[[Volume], Volume]:
    """Permute and flip the axes of a volume without moving it in the world."""

    def turn(volume: Volume) -> Volume:
        array = np.transpose(volume.array, (2, 0, 1))[:, ::-1]
        step = np.zeros((4, 4))
        step[2, 0] = step[1, 2] = step[3, 3] = 1
        step[0, 1], step[0, 3] = -1, volume.shape[0] - 1
        return Volume(array, volume.affine @ step)

    return turn
