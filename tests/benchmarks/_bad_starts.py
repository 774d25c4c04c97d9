"""Ten bad starts, each for one thing that is set wrong."""

from autoreg_jax.config import RunConfig

USUAL = RunConfig()
SMOOTH, RATE = USUAL.objective.smooth, USUAL.train.learning_rate
BAD_STARTS = {
    "smoothness x 30": {"objective": {"smooth": 30 * SMOOTH}},
    "smoothness x 10": {"objective": {"smooth": 10 * SMOOTH}},
    "smoothness / 10": {"objective": {"smooth": SMOOTH / 10}},
    "smoothness / 30": {"objective": {"smooth": SMOOTH / 30}},
    "half resolution x 10": {"objective": {"half": 10 * USUAL.objective.half}},
    "mind": {"objective": {"similarity": "mind"}},
    "rate x 4": {"train": {"learning_rate": 4 * RATE}},
    "rate / 4": {"train": {"learning_rate": RATE / 4}},
    "matching of radius 3": {"network": {"matching": [3]}},
    "half of the width": {"network": {"width": 0.5}},
}
"""Settings by name; the width is that of 2-D networks, which are not narrowed."""
