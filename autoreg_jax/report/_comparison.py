"""Figures of a comparison of hypergradient estimators."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from autoreg_jax.report._style import INK, MUTED, NETWORK, REFINED, new_figure, tidy

_MARKERS = "osD^v"
_COLOURS = (NETWORK, REFINED, INK, "#009e73", MUTED)
_SMALLEST = 1e-12  # exact estimates must have a place on a logarithmic axis


def error_against_cost(
    points: Mapping[str, tuple[float, float]], *, cost: str = "seconds a call"
) -> Figure:
    """Relative error of each estimator against what a call costs; low and left is best.

    Args:
        points: Cost and relative error by name, both not negative.
        cost: What the cost is, with its unit.

    Returns:
        The figure.
    """
    figure = new_figure(7.2, 0.19 * max(len(points), 18) + 0.4, layout="constrained")
    axes = figure.add_subplot()
    # Names in a list: many estimators have nearly the same place.
    for number, (name, (price, error)) in enumerate(points.items()):
        place = max(price, _SMALLEST), max(error, _SMALLEST)
        axes.plot(
            *place,
            linestyle="",
            marker=_MARKERS[number % 5],
            color=_COLOURS[number // 5 % 5],
            alpha=0.85,
            label=name,
        )
    axes.set(xscale="log", yscale="log", xlabel=cost, ylabel="relative error")
    tidy(axes)
    if points:
        figure.legend(fontsize=8, frameon=False, loc="outside right upper")
    return figure


def error_curves(
    x: Sequence[float], curves: Mapping[str, Sequence[float]], label: str
) -> Figure:
    """Relative errors against a setting: the probe ε, or the number K of terms.

    Args:
        x: Values of the setting, positive.
        curves: Errors at these values, by name.
        label: Name of the setting.

    Returns:
        The figure.
    """
    figure = new_figure(6.0, 3.2, layout="constrained")
    axes = figure.add_subplot()
    for number, (name, errors) in enumerate(curves.items()):
        shown = [max(error, _SMALLEST) for error in errors]
        style = ("o-", "s--", "^:")[number % 3]
        axes.plot(x, shown, style, color=(NETWORK, MUTED)[number % 2], label=name)
    axes.set(xscale="log", yscale="log", xlabel=label, ylabel="relative error")
    axes.legend(fontsize=8, frameon=False)
    tidy(axes)
    return figure
