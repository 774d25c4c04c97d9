"""Search and training whose numbers become useless: notice it, go on or end."""

from autoreg_jax.workflows.divergence._rollback import (
    Anchors,
    Rollback,
    first_anchors,
    gone_back,
    next_anchors,
    rollback_of,
    told_rollbacks,
)
from autoreg_jax.workflows.divergence._skips import check_skips, checks_of, sifted
from autoreg_jax.workflows.divergence._tripwires import (
    check_finite,
    check_outer,
    check_progress,
    check_sane,
)

__all__ = [
    "Anchors",
    "Rollback",
    "check_finite",
    "check_outer",
    "check_progress",
    "check_sane",
    "check_skips",
    "checks_of",
    "first_anchors",
    "gone_back",
    "next_anchors",
    "rollback_of",
    "sifted",
    "told_rollbacks",
]
