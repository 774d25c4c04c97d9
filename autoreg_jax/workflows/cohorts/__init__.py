"""Many images together: the average of a cohort."""

from autoreg_jax.workflows.cohorts._template import Template, build_template

__all__ = ["Template", "build_template"]
