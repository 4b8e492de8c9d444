"""The named methods: each is a question and a reading, with a sentence that says what it answers.

A new method is one entry of METHODS and, if need be, one function in questions.py or readings.py.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from engine import readings
from engine.errors import QuestionError
from engine.questions import CLASS_SCORE, CONFIDENCE, CONTRAST, MEAN_CONTRAST, NEGATED_SCORE, Question
from engine.readings import Ask


@dataclass(frozen=True)
class Option:
    """A choice within a method; `choices` maps each allowed value to the words for it."""

    name: str
    title: str
    default: Any
    choices: dict[Any, str]
    help: str


@dataclass(frozen=True)
class Method:
    """A question x a reading.

    `asks` is the question as a sentence with {P} and {Q}; `sentence` says how to read the map. `signed` tells whether
    the map has two signs, called `for_` and `against`. `depth` is the kind of layer that suits it. `grid` is "input"
    where the map lies on the input's own pixels instead of a layer's cells.
    """

    id: str
    title: str
    asks: str
    sentence: str
    reading: Callable[[Ask], Tensor]
    question: Question | None = None
    signed: bool = False
    for_: str = "more"
    against: str = ""
    depth: Literal["deep", "semantic", "fine"] = "deep"
    grid: Literal["layer", "input"] = "layer"
    options: tuple[Option, ...] = ()
    source: str = ""

    @property
    def needs_foil(self) -> bool:
        """Whether the map changes with Q."""
        return self.question is not None and self.question.needs_foil

    def complete(self, given: dict[str, Any]) -> dict[str, Any]:
        """Every option with its value; raises QuestionError for an unknown option or value."""
        known = {option.name: option for option in self.options}
        for name, value in given.items():
            if name not in known:
                allowed = f"its options are {', '.join(known)}" if known else "it has none"
                raise QuestionError(f"{self.title} has no option “{name}”; {allowed}.")
            if not isinstance(value, Hashable) or value not in known[name].choices:
                choices = ", ".join(str(choice) for choice in known[name].choices)
                raise QuestionError(
                    f"The option “{name}” of {self.title} cannot be “{value}”; choose one of {choices}."
                )
        # The choice itself, not what equals it: 8.0 == 8 and True == 1, but they are other cache keys and arguments.
        chosen = {name: next(c for c in known[name].choices if c == value) for name, value in given.items()}
        return {name: chosen.get(name, option.default) for name, option in known.items()}


SALIENCY_OPTIONS = (
    Option("conflict", "Conflict set", "all", {
        "all": "all answers (random estimate)", "exact": "all answers (exact)", "least": "least likely answers",
        "likely": "likeliest other answers", "everything": "everything at once", "mean": "mean of all answers",
    }, "Which expectations are violated: the answers that the network is told it should have given."),
    Option("vectors", "Conflict vectors", 8, {1: "1", 2: "2", 4: "4", 8: "8", 16: "16", 32: "32"},
           "How many gradients the estimate takes; 8 agree with the exact map to r = 0.97."),
    Option("foils", "Statistic over foils", "variance", {"variance": "variance", "deviation": "standard deviation"},
           "How the gradients for different answers become one number a channel."),
    Option("channels", "Statistic over channels", "peaked",
           {"peaked": "peaked channels first", "sum": "sum", "maximum": "maximum", "deviation": "standard deviation"},
           "How the channels become one map; a peaked one is strong in few places."),
    Option("activation", "Weigh by the activation", True, {True: "yes", False: "no"},
           "With it the map follows what was seen; without it, it is most robust to blur."),
    Option("even", "Even out strides", True, {True: "yes", False: "no"},
           "Takes out the checkerboard that strided layers leave in every gradient."),
    Option("later", "With later stages", True, {False: "this layer alone", True: "mean with the later stages"},
           "Joins the fine grid of an early layer with what later ones find, each map over its own mean."),
)  # fmt: skip

ALONE = {"later": False}
"""Options of contrastive saliency under which each layer shows its own map, for where layers are compared."""

_FOR, _AGAINST = "speaks for {P}", "speaks against {P}"

METHODS: tuple[Method, ...] = (
    Method(
        "gradcam", "Grad-CAM", "Why {P}?",
        "Bright where what the layer saw raises the score of {P}.",
        readings.cam, CLASS_SCORE, True, _FOR, _AGAINST, source="Selvaraju 2017",
    ),
    Method(
        "contrastive-saliency", "Contrastive saliency", "What did it not expect?",
        "Bright where the layer would have to change most, had the answer been another one: what stands out.",
        readings.mismatch, for_="mismatch", depth="fine", options=SALIENCY_OPTIONS,
        source="Sun 2020, Prabhushankar 2023",
    ),
    Method(
        "contrast", "Contrast", "Why {P}, rather than {Q}?",
        "Bright where the photo separates {P} from {Q}; what both share stays dark.",
        readings.cam, CONTRAST, True, "for {P}, rather than {Q}", "for {Q}, rather than {P}",
        source="Prabhushankar 2020",
    ),
    Method(
        "counterfactual", "Counterfactual CAM", "What if it were not {P}?",
        "Bright where what the layer saw lowers the score of {P}: without it, {P} would be surer.",
        readings.cam, NEGATED_SCORE, True, "speaks against {P}", "speaks for {P}", source="Selvaraju 2017",
    ),
    Method(
        "confidence", "Full confidence", "Why not {P} with full confidence?",
        "Bright where the photo keeps the network from being sure of {P}.",
        readings.cam, CONFIDENCE, True, "keeps it from {P}", "makes it surer of {P}", source="Prabhushankar 2020",
    ),
    Method(
        "contrast-mean", "Mean of all contrasts", "Why {P}, rather than anything else?",
        "Bright where the photo separates the answer from the average of all answers.",
        readings.cam, MEAN_CONTRAST, True, "for the answer", "for the others", source="AlRegib 2022",
    ),
    Method(
        "contrast-variance", "Variance of all contrasts", "Where do the contrasts differ?",
        "Bright where the contrast map depends most on which foil is asked about.",
        readings.cam_variance, for_="variance", source="AlRegib 2022",
    ),
    Method(
        "guided-backprop", "Guided backprop", "Which pixels feed {P}?",
        "Bright at pixels whose change raises the score of {P} along paths that only excite.",
        readings.guided_input, CLASS_SCORE, for_="influence", grid="input", source="Springenberg 2015",
    ),
    Method(
        "features", "Feed-forward features", "What does the layer see at all?",
        "Bright where the layer is active, whatever the answer: the baseline without a question.",
        readings.features, for_="activation", depth="semantic", source="baseline",
    ),
)  # fmt: skip


def method(name: str) -> Method:
    """The method with the id `name`; raises QuestionError with the known ids where there is none."""
    for candidate in METHODS:
        if candidate.id == name:
            return candidate
    raise QuestionError(f"There is no method “{name}”; choose one of {', '.join(m.id for m in METHODS)}.")
