"""Checkpoints round-trip and refuse what does not fit."""

import errno
import os
import signal
import threading
from typing import Any

import chex
import jax
import jax.numpy as jnp
import optax
import pytest
from flax import struct
from jax.sharding import AxisType, SingleDeviceSharding

from autoreg_jax.errors import ArtifactError
from autoreg_jax.runtime import Checkpointer, default_device


@struct.dataclass
class State:
    step: Any
    omega: Any
    optimizer: Any
    key: Any
    nothing: Any = ()


def _state(seed=0, width=3):
    key = jax.random.key(seed)
    omega = {"cell": {"kernel": jax.random.normal(key, (2, width))}}
    optimizer = optax.chain(optax.clip(1.0), optax.adam(1e-3)).init(omega)
    return State(jnp.asarray(seed), omega, optimizer, key)


def test_state_with_optimizer_and_key_is_read_back(tmp_path):
    state = _state(seed=5)
    with Checkpointer(tmp_path / "checkpoints") as checkpointer:
        checkpointer.save(5, state, {"stage": "lam", "best": 0.5})
    with Checkpointer(tmp_path / "checkpoints") as checkpointer:
        assert checkpointer.latest_step() == 5
        assert checkpointer.metadata() == {"stage": "lam", "best": 0.5}
        # Neither the values nor the placement of the template may matter.
        for template in (_state(), jax.eval_shape(_state)):
            restored, metadata = checkpointer.restore(template)
            assert metadata == {"stage": "lam", "best": 0.5}
            chex.assert_trees_all_equal_structs(restored, state)
            same = jax.random.key_data(restored.key) == jax.random.key_data(state.key)
            assert same.all()
            chex.assert_trees_all_equal(
                restored.replace(key=None), state.replace(key=None)
            )


def test_shapes_under_a_mesh_of_the_user_are_a_template(tmp_path):
    """With explicit axes they have a sharding without devices."""
    mesh = jax.make_mesh((1,), ("rows",), axis_types=(AxisType.Explicit,))
    with Checkpointer(tmp_path) as checkpointer, jax.set_mesh(mesh):
        checkpointer.save(1, {"w": jnp.arange(3.0)}, {})
        template = jax.eval_shape(lambda: {"w": jnp.zeros(3)})
        restored = checkpointer.restore(template)[0]["w"]
    assert restored.tolist() == [0, 1, 2]
    assert restored.devices() == {default_device()}


def test_a_state_is_written_while_the_next_steps_are_computed(tmp_path):
    state = _state(seed=5)
    with Checkpointer(tmp_path, is_async=True) as checkpointer:
        checkpointer.save(1, state, {})
        checkpointer.save(2, _state(seed=6), {})
    place = SingleDeviceSharding(jax.devices()[0])
    with Checkpointer(tmp_path) as checkpointer:
        restored, _ = checkpointer.restore(jax.eval_shape(_state), sharding=place)
    assert restored.omega["cell"]["kernel"].sharding == place
    chex.assert_trees_all_equal(restored.omega, _state(seed=6).omega)


def test_old_checkpoints_are_dropped(tmp_path):
    with Checkpointer(tmp_path, keep=2) as checkpointer:
        for step in (1, 2, 3):
            checkpointer.save(step, _state(step), {"step": step})
        assert checkpointer.restore(_state(), 2)[1] == {"step": 2}
        assert checkpointer.latest_step() == 3
        with pytest.raises(ArtifactError, match=r"no checkpoint 1 \(found 2, 3\)"):
            checkpointer.restore(_state(), 1)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [
        "2",
        "3",
    ]


def test_steps_only_grow(tmp_path):
    with Checkpointer(tmp_path) as checkpointer:
        checkpointer.save(4, _state(), {})
        with pytest.raises(ValueError, match="greater than the latest, 4, got 4"):
            checkpointer.save(4, _state(), {})


def test_other_settings_are_refused_with_the_array_named(tmp_path):
    with Checkpointer(tmp_path) as checkpointer:
        checkpointer.save(1, _state(), {})
        message = r"\.omega\['cell'\]\['kernel'\] is float32\(2, 3\) there and "
        with pytest.raises(ArtifactError, match=message + r"float32\(2, 4\) here"):
            checkpointer.restore(_state(width=4))
        with pytest.raises(ArtifactError, match=message + "absent here"):
            checkpointer.restore(_state().replace(omega={}))


def test_no_checkpoint_is_said_plainly(tmp_path):
    with Checkpointer(tmp_path) as checkpointer:
        assert checkpointer.latest_step() is None
        with pytest.raises(ArtifactError, match=r"no checkpoint \(it is empty\)"):
            checkpointer.restore(_state())


def test_damaged_checkpoint_is_said_plainly(tmp_path):
    with Checkpointer(tmp_path) as checkpointer:
        checkpointer.save(1, _state(), {})
    for path in (tmp_path / "1" / "metadata").iterdir():
        path.write_text("{cut")
    with (
        Checkpointer(tmp_path) as checkpointer,
        pytest.raises(ArtifactError, match="checkpoint 1 is damaged"),
    ):
        checkpointer.restore(_state())


@pytest.mark.parametrize("content", ["[]", "[" * 100_000])
def test_a_checkpoint_that_says_nonsense_of_itself_is_damaged(tmp_path, content):
    with Checkpointer(tmp_path) as checkpointer:
        checkpointer.save(1, _state(), {})
    (tmp_path / "1" / "_CHECKPOINT_METADATA").write_text(content)
    with pytest.raises(ArtifactError, match=r"damaged \(.*\); start without resuming"):
        read(tmp_path)


def read(folder):
    with Checkpointer(folder) as checkpointer:
        return checkpointer.restore(_state())


def test_no_thread_is_left_behind(tmp_path, capfd):
    before = set(threading.enumerate())
    with Checkpointer(tmp_path) as checkpointer:
        checkpointer.save(1, _state(), {})
        checkpointer.restore(_state())
    left = [t for t in set(threading.enumerate()) - before if not t.daemon]
    for thread in left:
        thread.join(timeout=10)  # those of asyncio end a little later
    assert not [thread for thread in left if thread.is_alive()]
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(os.name != "posix", reason="needs a limit of the size of files")
@pytest.mark.parametrize("size", [20, 2000])
@pytest.mark.slow
@pytest.mark.parametrize("is_async", [False, True])
def test_a_disk_that_takes_no_more_is_an_error_of_the_system(
    tmp_path, capfd, size, is_async
):
    import resource  # Windows lacks it

    folder, state = tmp_path / "checkpoints", _state(width=20_000)
    with Checkpointer(folder) as checkpointer:
        checkpointer.save(1, state, {"seconds": 1.0})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    def save():
        with Checkpointer(folder, is_async=is_async) as checkpointer:
            checkpointer.save(2, _state(seed=2, width=20_000), {"seconds": 2.0})

    try:
        with pytest.raises(OSError, match="File too large") as caught:
            save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(folder))
    assert "Traceback" not in capfd.readouterr().err
    with Checkpointer(folder) as checkpointer:
        restored, facts = checkpointer.restore(state)
        checkpointer.verify()
    assert facts == {"seconds": 1.0}
    chex.assert_trees_all_equal(restored.omega, state.omega)


# Orbax leaves threads that may fail a later test.
@pytest.mark.slow
def test_a_damaged_checkpoint_does_not_pass_the_check(tmp_path):
    with Checkpointer(tmp_path / "checkpoints") as checkpointer:
        checkpointer.save(1, _state(), {"seconds": 1.0})
        checkpointer.verify()
    for file in (tmp_path / "checkpoints").rglob("d/*"):
        content = file.read_bytes()
        middle = len(content) // 2
        file.write_bytes(content[:middle] + b"\xff\xfe\xfd" + content[middle + 3 :])
    with (
        Checkpointer(tmp_path / "checkpoints") as checkpointer,
        pytest.raises(ArtifactError, match="checkpoint 1 is damaged"),
    ):
        checkpointer.verify()
