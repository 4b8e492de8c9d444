"""From a quality result to the panels of the screen and the curve over Q."""

import plotly.graph_objects as go

from engine import method
from engine.errors import ExplorerError
from engine.images import Photo
from engine.maps import Extent
from engine.models.quality_networks import PATCH
from engine.quality import FOILS, QualityResult
from engine.quality_screen import curve, extent, screened
from pages.widgets import session
from pages.widgets.map_panel import Map, Panel

ANY_Q = "any-q"
FIRST_Q = 0.75
_SALIENCY = "contrastive-saliency"
_ABOVE, _BELOW, _FOR = "rgb(200, 80, 20)", "rgb(40, 100, 200)", "rgba(130, 140, 150, 0.35)"


def panels(result: QualityResult, photo: Photo, coarse: bool) -> list[Panel]:
    """Patch scores, why s, why s rather than any Q, the recogniser's saliency, and the four marked Q on one scale."""
    s, full, scale = f"{result.score:.2f}", result, result.scale
    result = screened(result)
    size = f"{_cells(result)} map" + (", enlarged" if result is full else f", the mean of {_cells(full)} cells")
    size += ", coarse as yet" if coarse else ""
    covered = extent(result)
    scores = Panel(
        "scores", "Patch scores", "How good is each place?",
        f"Every patch of {PATCH} × {PATCH} pixels has a score of its own; the photo’s is their weighted mean.",
        result.patch_scores, value_range=(0.0, 1.0), meaning=("better", ""), notes=(size,), scale_group="scores",
        extent=covered,
    )  # fmt: skip
    why = Panel(
        "why", "Grad-CAM of the score", f"Why {s}?",
        f"What makes a place better, or worse, than {s}; from the last convolution of the quality network.",
        result.map(), end=full.reach, signed=True, meaning=(f"better than {s}", f"worse than {s}"), notes=(size,),
        scale_group="evidence", extent=covered,
    )  # fmt: skip
    any_q = Panel(
        ANY_Q, "Contrast with any Q", f"Why {s}, rather than {{Q}}?",
        "Where the photo keeps its score from being {Q}: the slider acts at once.",
        result.intercept, slope=result.slope, level=result.patch_scores, end=scale, q=FIRST_Q,
        score=result.score, signed=True, meaning=("keeps it above {Q}", "holds it below {Q}"), notes=(size,),
        scale_group="quality", extent=covered,
    )  # fmt: skip
    return [scores, why, any_q, _saliency(photo), *(_marked(full, result.sides(foil), foil, covered) for foil in FOILS)]


def _cells(result: QualityResult) -> str:
    rows, columns = result.evidence.shape
    return f"{columns} × {rows}"


def _marked(result: QualityResult, values: Map, foil: float, covered: Extent) -> Panel:
    share = result.balance(foil)[0]
    note = f"{share:.0%} of the evidence speaks against {foil:g}" if values.any() else f"no evidence against {foil:g}"
    return Panel(
        f"q{foil:g}", f"Q = {foil:g}", f"Why {result.score:.2f}, rather than {foil:g}?",
        f"What keeps the score from being {foil:g}, on the scale of all four.", values,
        end=result.scale, signed=True, meaning=(f"keeps it above {foil:g}", f"holds it below {foil:g}"),
        notes=(note,), scale_group="quality", extent=covered,
    )  # fmt: skip


def _saliency(photo: Photo) -> Panel:
    """The recogniser's contrastive saliency of the same photo, or the sentence that says why there is none."""
    asked = method(_SALIENCY)
    try:
        engine = session.engine()
        trace = engine.trace(engine.load(), photo)
        found = engine.explain(trace, _SALIENCY)
    except ExplorerError as error:
        return Panel("saliency", asked.title, asked.asks, str(error), None)
    rows, columns = found.values.shape
    words = {"P": trace.answer.names[found.fact], "Q": trace.answer.names[found.foil]}
    return Panel(
        "saliency", asked.title, asked.asks.format(**words), asked.sentence.format(**words), found.values,
        notes=(*found.notes, f"from the recogniser, at {found.layer}", f"{columns} × {rows} map, enlarged"),
        meaning=(asked.for_.format(**words), asked.against.format(**words)), scale_group="saliency",
    )  # fmt: skip


def figure(result: QualityResult) -> go.Figure:
    """How much of the evidence keeps the score above Q, holds it below, or speaks for Q, over all Q."""
    found = curve(screened(result))
    shown = go.Figure()
    bands = (
        ("keeps it above Q", found.above, _ABOVE, _ABOVE),
        ("holds it below Q", found.below, _BELOW, _BELOW),
        ("speaks for Q", found.for_foil, _FOR, "rgb(120, 130, 140)"),
    )
    for name, share, fill, line in bands:
        shown.add_scatter(
            x=found.foils, y=share, name=name, stackgroup="evidence", fillcolor=fill, mode="lines",
            line={"width": 0.5, "color": line}, hovertemplate="%{y:.0%} " + name + "<extra></extra>",
        )  # fmt: skip
    shown.add_vline(result.score, line={"color": "rgb(255, 255, 255)", "width": 4})
    shown.add_vline(result.score, line={"color": "rgb(20, 20, 20)", "width": 2, "dash": "dash"})
    shown.add_annotation(
        x=result.score, y=1, yref="paper", yanchor="bottom", showarrow=False, text=f"s = {result.score:.2f}"
    )
    shown.update_xaxes(title="Q", range=[0, 1], fixedrange=True, tickvals=[0, 0.25, 0.5, 0.75, 1], hoverformat=".2f",
                       tickformat=".2~f", tickangle=0)  # fmt: skip
    shown.update_yaxes(range=[0, 1], tickformat=".0%", fixedrange=True, title="share of the evidence")
    shown.update_layout(
        height=300, margin={"l": 8, "r": 16, "t": 28, "b": 8}, hovermode="x unified",
        legend={"orientation": "h", "y": -0.25, "x": 0, "traceorder": "normal", "itemwidth": 30},
    )  # fmt: skip
    return shown
