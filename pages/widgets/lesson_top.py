"""Takes the reader to the top of the page when another step is shown; draws nothing."""

from pages.widgets.frontend import Widget, pack

_widget = Widget("lesson_top", scripts=("lesson_top.js",), styles=())


def to_top(step: str) -> None:
    """Scroll to the top where `step` is another one than in the run before."""
    _widget.mount(pack({"step": step}), key="lesson-top", parcels=[])
