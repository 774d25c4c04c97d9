"""What a run does with its data: the plan, and the data prepared by it."""

from autoreg_jax.workflows.planning._for_model import plan_for_model
from autoreg_jax.workflows.planning._listed import read_listed, without_list
from autoreg_jax.workflows.planning._memory import estimate_memory
from autoreg_jax.workflows.planning._plan import Plan, plan, summary
from autoreg_jax.workflows.planning._prepare import (
    Prepared,
    load_planned,
    prepare,
    prepare_again,
)

__all__ = [
    "Plan",
    "Prepared",
    "estimate_memory",
    "load_planned",
    "plan",
    "plan_for_model",
    "prepare",
    "prepare_again",
    "read_listed",
    "summary",
    "without_list",
]
