"""Figures, and the self-contained HTML page that describes a run.

`write_report` reads only the files of the run folder. The figure functions take arrays
and records; each returns a matplotlib `Figure` that belongs to no window and no global
state. Matplotlib and jinja2 are loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from autoreg_jax.report._run import check_extra, write_report

if TYPE_CHECKING:
    from autoreg_jax.report._architecture import alpha_heatmap as alpha_heatmap
    from autoreg_jax.report._comparison import ablation_means as ablation_means
    from autoreg_jax.report._comparison import error_against_cost as error_against_cost
    from autoreg_jax.report._comparison import error_curves as error_curves
    from autoreg_jax.report._comparison import method_panels as method_panels
    from autoreg_jax.report._curves import hypergradient_curves as hypergradient_curves
    from autoreg_jax.report._curves import lambda_history as lambda_history
    from autoreg_jax.report._curves import loss_curves as loss_curves
    from autoreg_jax.report._dice import dice_by_structure as dice_by_structure
    from autoreg_jax.report._dice import method_boxes as method_boxes
    from autoreg_jax.report._notebook import evaluation_html as evaluation_html
    from autoreg_jax.report._notebook import search_html as search_html
    from autoreg_jax.report._pair_page import pair_page as pair_page
    from autoreg_jax.report._slider import slice_slider as slice_slider
    from autoreg_jax.report._smoothness import front_figure as front_figure
    from autoreg_jax.report.slices import registration_panel as registration_panel

__all__ = [
    "ablation_means",
    "alpha_heatmap",
    "dice_by_structure",
    "error_against_cost",
    "error_curves",
    "evaluation_html",
    "front_figure",
    "hypergradient_curves",
    "lambda_history",
    "loss_curves",
    "method_boxes",
    "method_panels",
    "pair_page",
    "registration_panel",
    "search_html",
    "slice_slider",
    "write_report",
]

_DRAWING = {
    "ablation_means": "_comparison",
    "alpha_heatmap": "_architecture",
    "dice_by_structure": "_dice",
    "error_against_cost": "_comparison",
    "error_curves": "_comparison",
    "front_figure": "_smoothness",
    "hypergradient_curves": "_curves",
    "lambda_history": "_curves",
    "loss_curves": "_curves",
    "method_boxes": "_dice",
    "method_panels": "_comparison",
    "pair_page": "_pair_page",
    "registration_panel": "slices",
}


# What draws nothing needs neither matplotlib nor jinja2.
_SHOWING = {
    "evaluation_html": "_notebook",
    "search_html": "_notebook",
    "slice_slider": "_slider",
}


def __getattr__(name: str) -> Any:
    """Load a function on first use.

    Raises:
        AttributeError: If `name` is not public.
        AutoRegError: If it draws, and matplotlib or jinja2 is not installed.
    """
    if name in _SHOWING:
        return getattr(import_module(f"{__name__}.{_SHOWING[name]}"), name)
    if name not in _DRAWING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    check_extra()
    return getattr(import_module(f"{__name__}.{_DRAWING[name]}"), name)
