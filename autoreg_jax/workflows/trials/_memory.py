"""Whether there is memory enough for a trial, before and after it was tried."""

from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort
from autoreg_jax.runtime import device_memory, memory_for_images
from autoreg_jax.workflows.planning import estimate_memory

LACKING = "its training does not fit into the memory of the device"


def fits_memory(config: RunConfig, start: RunConfig, cohort: Cohort) -> bool:
    """Whether a training takes no more memory than there is, or than the start takes.

    Args:
        config: Settings of the training.
        start: Those of the run.
        cohort: Training subjects.
    """
    device = device_memory()
    if device[1] is None:
        return True
    shape = cohort.images.shape[1:-1]
    for_images = memory_for_images(config.data.device_memory, device)
    needs = [
        estimate_memory(shape, len(cohort.names), one, for_images)
        for one in (config, start)
    ]
    need, least = (one.train + one.images for one in needs)
    return need <= max(device[1], least)


def is_out_of_memory(error: Exception) -> bool:
    """Whether the device had no memory left."""
    return "RESOURCE_EXHAUSTED" in str(error)
