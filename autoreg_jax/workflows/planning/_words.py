"""A plan in words."""

from autoreg_jax.data import Fingerprint
from autoreg_jax.workflows.planning._memory import MemoryEstimate

_GIB = 2**30
_MOST_LABELS = 8


def describe(found: Fingerprint) -> str:
    """The head of plan.yaml."""
    dataset = found.dataset
    splits = ", ".join(
        f"{sum(s.split == name for s in dataset.subjects)} {name}"
        for name in dict.fromkeys(s.split for s in dataset.subjects)
    )
    modalities = ", ".join(f"{n} {name}" for name, n in found.modalities.items())
    return (
        f"Plan of {dataset.path.name}: {len(dataset.subjects)} images in "
        f"{found.ndim}-D ({splits}), {_describe_labels(found)}; modalities of the "
        f"{len(found.scans)} sampled images: {modalities}. {' '.join(dataset.notes)}"
        "\n\nEdit what you know better; search, train and evaluate obey this file. It "
        "overrides config.yaml in metric, batch and precision."
    )


def _describe_labels(found: Fingerprint) -> str:
    """Label maps, their values and masks."""
    subjects, values = found.dataset.subjects, found.label_values
    count = sum(subject.labels is not None for subject in subjects)
    masks = sum(subject.mask is not None for subject in subjects)
    shown = ", ".join(map(str, values[:_MOST_LABELS]))
    more = ", …" if len(values) > _MOST_LABELS else ""
    words = f"{len(values)} values ({shown}{more})" if values else "no values"
    labels = f"{count} with a label map, {words}" if count else "none with a label map"
    return f"{labels}; {masks or 'none'} with a mask"


def explain_precision(device: str, need: MemoryEstimate, memory: int | None) -> str:
    """The memory that a run needs, and why float32 or bfloat16."""
    available = "" if memory is None else f" of {memory / _GIB:.1f} GiB"
    words = (
        f"About {need.peak / _GIB:.1f} GiB{available} of memory on this device "
        f"({device}): {need.search / _GIB:.2f} for the search of the architecture, "
        f"{need.train / _GIB:.2f} for the training, {need.images / _GIB:.2f} for the "
        "images. "
    )
    if device == "cpu":
        return words + "A CPU has no fast convolution of bfloat16."
    return words + (
        "bfloat16 halves the memory of the networks and is chosen if float32 does not "
        "fit."
    )
