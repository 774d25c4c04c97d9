"""Images for the steps of a stage: a whole split on the device, or pairs read ahead."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort, PairSampler
from autoreg_jax.programs import DeviceCohort, on_device, shrunk
from autoreg_jax.runtime import ONE_DEVICE, Placement, memory_for_images

# Reading is copying, which a few threads do as fast as many.
_MOST_THREADS = 8
# On the device: the chunk in use, the steps that it was put together from, the next.
_CHUNKS = 3
# Subjects that are made smaller at once.
_BLOCK = 8


@dataclass(frozen=True, eq=False)
class SplitImages:
    """The images of a split, all of them on the device if they fit.

    Attributes:
        cohort: The split, in memory or on disk.
        memory: Bytes that its images may take on a device.
        devices: All of them have the same images.
        with_labels: Label maps come with the images.
        with_landmarks: Landmarks do.
        shrink: Factor by which the images, which then come alone, are smaller.
        kept: The split on the device; None if it is too large.
    """

    cohort: Cohort
    memory: int
    devices: Placement = ONE_DEVICE
    with_labels: bool = False
    with_landmarks: bool = False
    shrink: int = 0
    kept: DeviceCohort | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all images on the device, `(n, *space, c)`."""
        count, *space, channels = self.cohort.images.shape
        factor = self.shrink or 1
        return count, *(-(-size // factor) for size in space), channels

    @property
    def bytes_each(self) -> int:
        """Bytes of a subject on the device."""
        has_labels = self.with_labels and not self.shrink
        return 4 * int(np.prod(self.shape[1:])) * (2 if has_labels else 1)

    @property
    def fits(self) -> bool:
        """Whether the whole split may lie on the device."""
        return len(self.cohort.names) * self.bytes_each <= self.memory

    @property
    def outline(self) -> DeviceCohort:
        """The shapes of the images and what comes with them, without content."""
        images = jax.ShapeDtypeStruct(self.shape, np.float32)
        labels = landmarks = None
        if self.with_labels and not self.shrink:
            labels = jax.ShapeDtypeStruct(self.shape[:-1], np.int32)
        places = self.cohort.landmarks if self.with_landmarks else None
        if places is not None and not self.shrink:
            landmarks = jax.ShapeDtypeStruct(places.shape, np.float32)
        return DeviceCohort(images, labels, landmarks)

    def smaller(self, factor: int) -> "SplitImages":
        """The images alone, on a grid that is coarser by a factor."""
        small = replace(self, shrink=factor, kept=None)
        if self.kept is not None:
            return replace(small, kept=shrunk(self.kept, factor))
        if not small.fits:
            return small
        images = np.empty(small.shape, np.float32)
        for start in range(0, len(images), _BLOCK):
            places = np.arange(start, min(start + _BLOCK, len(images)))
            images[places] = small.subjects(places).images
        kept = self.devices.everywhere(DeviceCohort(jnp.asarray(images)))
        return replace(small, kept=kept)

    def subjects(self, places: Sequence[int] | np.ndarray) -> DeviceCohort:
        """These subjects in this order, on the device."""
        places = np.asarray(places)
        if self.kept is not None:
            return jax.tree.map(lambda array: array[places], self.kept)
        cohort, labels, landmarks = self.cohort, None, None
        if self.with_labels and cohort.labels is not None:
            labels = cohort.labels[places]
        if self.with_landmarks and cohort.landmarks is not None:
            landmarks = cohort.landmarks[places]
        part = replace(
            cohort, images=cohort.images[places], labels=labels, landmarks=landmarks
        )
        found = on_device(
            part, with_labels=self.with_labels, with_landmarks=self.with_landmarks
        )
        found = shrunk(found, self.shrink) if self.shrink else found
        return self.devices.everywhere(found)

    def of_pairs(self, pairs: Any) -> tuple[DeviceCohort, Any]:
        """Subjects on the device, and the moving and fixed one of each pair in them.

        Args:
            pairs: Indices of the moving and of the fixed subjects of the split.
        """
        if self.kept is not None:
            return self.kept, pairs
        places, found = np.unique(np.stack(pairs), return_inverse=True)
        moving, fixed = found.reshape(2, -1)
        return self.subjects(places), (moving, fixed)


def split_images(
    cohort: Cohort,
    config: RunConfig,
    devices: Placement = ONE_DEVICE,
    *,
    with_labels: bool = False,
    with_landmarks: bool = False,
) -> SplitImages:
    """The images of a split, and labels or landmarks where they may be used."""
    memory = memory_for_images(config.data.device_memory)
    images = SplitImages(cohort, memory, devices, with_labels, with_landmarks)
    if not images.fits:
        return images
    kept = on_device(cohort, with_labels=with_labels, with_landmarks=with_landmarks)
    return replace(images, kept=devices.everywhere(kept))


class PairImages:
    """The images of the pairs of the steps of a stage.

    Args:
        images: The split.
        sampler: The pairs of each step.
        stop: Number of steps of the stage.
        chunk: Most steps of a chunk.

    Attributes:
        ahead: What is read of a split that does not fit.
    """

    def __init__(
        self, images: SplitImages, sampler: PairSampler, stop: int, chunk: int
    ) -> None:
        self._images, self._sampler, self._chunk = images, sampler, chunk
        self.ahead = ReadAhead(self._read, stop, chunk)

    @property
    def is_streamed(self) -> bool:
        """Whether the images are read step by step."""
        return self._images.kept is None

    def chunk(
        self, steps: range
    ) -> tuple[DeviceCohort, list[tuple[np.ndarray, np.ndarray]]]:
        """Subjects on the device, and the moving and fixed ones of each step.

        A split that fits is given as a whole. Of a larger one it is the subjects of
        these steps, each as often as it occurs, and always as many as `chunk` steps
        need.
        """
        if self._images.kept is not None:
            return self._images.kept, [self._sampler[step] for step in steps]
        parts = self.ahead.take(steps)
        parts += parts[-1:] * (self._chunk - len(parts))
        joined = parts[0]
        if self._chunk > 1:
            joined = jax.tree.map(lambda *arrays: jnp.concatenate(arrays), *parts)
        sides = np.arange(2 * self._sampler.batch_size).reshape(2, -1)
        rows = [sides + place * sides.size for place in range(len(steps))]
        return joined, [(moving, fixed) for moving, fixed in rows]

    def _read(self, step: int) -> DeviceCohort:
        """The moving subjects of a step, then the fixed ones."""
        return self._images.subjects(np.concatenate(self._sampler[step]))


def chunk_sizes(
    asked: int | None, usual: int, *parts: tuple[SplitImages, PairSampler]
) -> tuple[int, int]:
    """Steps of a chunk, and the number of rows to which those of a chunk are filled up.

    Args:
        asked: Steps that a user wants, if any.
        usual: Steps of a chunk that is fast.
        *parts: Splits and the pairs that a step needs of them. Of those that are read
            ahead only as many steps are taken as fit on the device. The rows remain,
            so that the program is the same.
    """
    chunk = asked or usual
    size = max(chunk, usual)
    streamed = [part for part in parts if part[0].kept is None]
    if streamed:
        need = sum(2 * pairs.batch_size * one.bytes_each for one, pairs in streamed)
        memory = min(one.memory for one, _ in streamed)
        chunk = max(1, min(chunk, memory // (_CHUNKS * need)))
    return chunk, size


def waiting(*images: PairImages) -> dict[str, float]:
    """For a record: seconds for which the loop has waited for images since the last.

    Nothing if all images lie on the device.
    """
    read = [one.ahead for one in images if one.is_streamed]
    return {"waited": sum(one.told() for one in read)} if read else {}


class ReadAhead:
    """Calls a function of the step in the background, some steps ahead of the loop.

    A loader with a state of its own has nothing to add: order, share of a process and
    place after an interruption are functions of the step, by `PairSampler`.

    Args:
        read: What to do for a step; several threads call it.
        stop: Number of steps; nothing is read from there on.
        ahead: Steps that are read before they are asked for.
        clock: Seconds.

    """

    def __init__(
        self,
        read: Callable[[int], Any],
        stop: int,
        ahead: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._stop, self._ahead, self._clock = read, stop, ahead, clock
        # Its threads end when this object does.
        self._pool = ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1))
        self._begun: dict[int, Future[Any]] = {}
        self._waited = 0.0

    def told(self) -> float:
        """Seconds that callers of `take` have waited, since they were told last."""
        waited, self._waited = self._waited, 0.0
        return waited

    def take(self, steps: range) -> list[Any]:
        """What was read for these steps, which is not kept.

        Any steps may be asked for; of those that follow the last ones it is ready.
        """
        begin = self._clock()
        for step in [step for step in self._begun if step < steps.start]:
            self._begun.pop(step).cancel()
        for step in range(steps.start, min(steps.stop + self._ahead, self._stop)):
            if step not in self._begun:
                self._begun[step] = self._pool.submit(self._read, step)
        found = [self._begun.pop(step).result() for step in steps]
        self._waited += self._clock() - begin
        return found
