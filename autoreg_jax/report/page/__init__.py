"""The page that describes a run: its sections and their HTML."""

from autoreg_jax.report._run import Run
from autoreg_jax.report._summary import is_simulated, summary_paragraph, summary_table
from autoreg_jax.report._templates import page_templates
from autoreg_jax.report._words import MISSING
from autoreg_jax.report.page._made import made
from autoreg_jax.report.page._provenance import command_line, provenance_rows
from autoreg_jax.report.page._results import front, pairs, structures, trust
from autoreg_jax.report.page._sections import number

__all__ = ["render_page"]


def render_page(run: Run) -> str:
    """Make the HTML of the report, a self-contained page."""
    environment = page_templates()
    environment.filters["number"] = number
    sections = (
        pairs(run),
        *trust(run),
        structures(run),
        *front(run),
        *made(run),
    )
    return environment.get_template("page/report.html.jinja").render(
        name=run.name,
        command=command_line((run.provenance or {}).get("command")),
        simulated=is_simulated(run),
        paragraph=summary_paragraph(run),
        measures=summary_table(run.evaluation or {}),
        sections=sections,
        has_players=any(section.players for section in sections),
        provenance=provenance_rows(run.provenance or {}),
        missing=MISSING,
        config=run.config,
    )
