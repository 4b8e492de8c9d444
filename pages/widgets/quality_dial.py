"""The score as a dial, with the opinion scale in words."""

from engine.quality import WORDS, QualityResult, words
from pages.widgets.frontend import Widget, pack

_widget = Widget(
    "quality_dial", scripts=("map_colours.js", "map_view.js", "quality_dial.js"), styles=("quality_dial.css",)
)


def quality_dial(result: QualityResult, *, key: str, panel: str, q: float) -> None:
    """Draw the score; Q beside it follows the slider of the map panel with the id `panel`, which begins at `q`."""
    header = {
        "score": round(result.score, 4),
        "word": words(result.score),
        "words": WORDS,
        "panel": panel,
        "q": q,
    }
    _widget.mount(pack(header), key=key, parcels=[])
