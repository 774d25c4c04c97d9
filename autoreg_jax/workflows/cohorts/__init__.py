"""Many images together: the average of a cohort, a time series without motion."""

from autoreg_jax.workflows.cohorts._series import register_series
from autoreg_jax.workflows.cohorts._series_outputs import CorrectedSeries
from autoreg_jax.workflows.cohorts._template import Template, build_template

__all__ = ["CorrectedSeries", "Template", "build_template", "register_series"]
