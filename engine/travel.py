"""Travelling along a contrastive manifold: a photo changed step by step until the network answers Q rather than P.

The gradient of CE(z, Q) at the input says in which direction a picture must change for Q to be less of a surprise.
Following it a little, asking again, and so on, leads from pictures for which P is expected to those for which Q is
(AlRegib and Prabhushankar, ICIP 2023 tutorial, Part 4). What changes on the way is what keeps the network from Q; it is
no picture of what a Q looks like.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from engine.capture import capture
from engine.errors import ModelError, QuestionError
from engine.trace import Trace

MOST_STEPS = 60
"""Pictures that are tried on the way, those that turned out to be no improvement included."""
USUAL_SMOOTHING = 2.0
FRAMES = 6
_STEPS = 12
"""About how many steps the way takes where the network is nearly linear: few enough to wait for, enough for a film."""
_LEAST_FALL = 0.02  # of CE(z, Q) in one step, by first order
_LONGEST = 8 / 255  # RMS of one step: where the gradient nearly vanishes, its direction holds for no longer way
_HALVINGS = 5

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Travel:
    """A way from P to Q, or as far as it led.

    `probabilities` float32 (n + 1, 2): p(P) and p(Q) at the start and after each of n steps; `changes` float32
    (n + 1,): the RMS difference from the start in grey levels of 255. `frames` uint8 (k, H, W, 3) are up to six
    pictures on the network's own input grid, rounded to whole grey levels, after the steps `frame_steps`, the first and
    the last among them. Where Q was `reached` the last numbers are those of the last picture as it is shown.
    `sentence` says how the travel ended.
    """

    fact: int
    foil: int
    probabilities: NDArray[np.float32]
    changes: NDArray[np.float32]
    frames: Pixels = field(repr=False)
    frame_steps: tuple[int, ...]
    reached: bool
    sentence: str

    @property
    def steps(self) -> int:
        """How many steps were taken."""
        return len(self.changes) - 1

    @property
    def nbytes(self) -> int:
        """The bytes it holds."""
        return self.frames.nbytes + self.probabilities.nbytes + self.changes.nbytes


def travel(
    trace: Trace,
    foil: int | None = None,
    smoothing: float = USUAL_SMOOTHING,
    most: int = MOST_STEPS,
    progress: Callable[[int, float, float], None] | None = None,
) -> Travel:
    """Travel from the network's answer to `foil` (None: the runner-up), starting at the photo of `trace`.

    Every step follows −dCE(z, Q)/dx, smoothed by a Gaussian of `smoothing` input pixels (0: not at all), within the
    range of valid pictures. Its length is set so that the cross-entropy falls by a twelfth of the way; where it does
    not fall, the step is halved, at last with less smoothing. The travel ends when the network answers Q, also for the
    picture rounded to whole grey levels, or after `most` pictures. Deterministic, and kept with the trace.

    `progress(step, p(P), p(Q))` is told every step, and may raise to stop; nothing is kept then. Raises QuestionError
    where Q is the answer already or no class, ModelError where the network's input is no normalised picture.
    """
    foil = trace.answer.runner_up if foil is None else foil
    if not 0 <= foil < len(trace.answer.names):
        raise QuestionError(
            f"There is no class {foil}: this network knows the classes 0 to {len(trace.answer.names) - 1}."
        )
    if foil == trace.answer.fact:
        raise QuestionError(f"The answer is “{trace.answer.names[foil]}” already; choose another class to travel to.")
    key = ("travel", foil, float(smoothing), most)
    return trace.remember(key, lambda: _travel(trace, foil, smoothing, most, progress), lambda found: found.nbytes)


def difference(found: Travel) -> tuple[Pixels, float]:
    """The last frame minus the first, around middle grey, and by what it is multiplied so that it can be seen.

    uint8 (H, W, 3); the 99.5th percentile of the absolute difference is made half the range, where it is less.
    """
    change = found.frames[-1].astype(np.float32) - found.frames[0]
    factor = max(1.0, 127.5 / max(float(np.percentile(np.abs(change), 99.5)), 1.0))
    return np.rint(np.clip(127.5 + factor * change, 0, 255)).astype(np.uint8), factor


@dataclass(frozen=True, eq=False)
class _Place:
    """A picture, 0 to 1 (1, 3, H, W), what the network says of it, and the gradient of CE(z, Q) there."""

    pixels: Tensor
    logs: Tensor
    gradient: Tensor


def _travel(
    trace: Trace, foil: int, smoothing: float, most: int, progress: Callable[[int, float, float], None] | None
) -> Travel:
    # What is computed here must be usable in any thread, whatever mode the caller is in.
    with torch.inference_mode(False), torch.no_grad():
        low, span = _range(trace)
        start = torch.where(span == 0, 0, (trace.inputs - low) / torch.where(span == 0, 1, span))

        def look(pixels: Tensor) -> _Place:
            return _look(trace, low, span, pixels, foil)

        way, stuck = [look(start)], False
        fall = first = max(_LEAST_FALL, float(way[0].logs.max() - way[0].logs[foil]) / _STEPS)
        for _ in range(most):
            here = way[-1]
            direction = _smoothed(here.gradient, smoothing)
            step = _step(here.gradient, direction, fall)
            if step is None:
                stuck = True
                break
            there = look((here.pixels - step * direction).clamp(0, 1))
            if there.logs[foil] > here.logs[foil]:
                way.append(there)
                if progress:
                    progress(len(way) - 1, *_pair(there, trace.answer.fact, foil))
                if _answers(there, foil) and _answers(shown := look(_rounded(there.pixels)), foil):
                    way[-1] = shown
                    return _result(trace, foil, way, start, True, stuck)
                fall = min(1.3 * fall, first)
            elif fall > first / 2**_HALVINGS:
                fall /= 2
            elif smoothing:
                smoothing, fall = (smoothing / 2 if smoothing > 1 else 0.0), first
            else:
                stuck = True
                break
        return _result(trace, foil, way, start, False, stuck)


def _range(trace: Trace) -> tuple[Tensor, Tensor]:
    """What the preprocessing makes of black, and the way from there to white: the box of valid inputs.

    Asked of the preprocessing itself, so that it holds for any network's normalisation.
    """
    square = (trace.size, trace.size)
    black, white = (trace.model.prepare(Image.new("RGB", square, colour), trace.size) for colour in ("black", "white"))
    span = white - black
    if black.shape == trace.inputs.shape and bool(torch.isfinite(span).all()):
        low, high = torch.minimum(black, white), torch.maximum(black, white)
        slack = 0.01 * float(span.abs().max())
        if slack > 0 and bool(((trace.inputs >= low - slack) & (trace.inputs <= high + slack)).all()):
            return black, span
    raise ModelError("This network’s preprocessing is no fixed normalisation, so no picture can be travelled from.")


def _look(trace: Trace, low: Tensor, span: Tensor, pixels: Tensor, foil: int) -> _Place:
    kept = capture(trace.model.module, low + span * pixels, ())
    logs = kept.logits.detach()[0].float().log_softmax(0)
    cotangent = logs.exp()
    cotangent[foil] -= 1
    try:
        (gradient,) = torch.autograd.grad(kept.logits, kept.activations[""], cotangent[None].to(kept.logits))
    except RuntimeError as error:
        raise ModelError(f"The gradient of this network cannot be taken: {str(error).splitlines()[0]}") from error
    return _Place(pixels, logs, torch.nan_to_num(gradient * span))


def _smoothed(gradient: Tensor, sigma: float) -> Tensor:
    """Low-passed by a Gaussian, with zeros beyond the edge: symmetric, so the result still leads downhill."""
    if sigma <= 0:
        return gradient
    reach = min(round(3 * sigma), min(gradient.shape[-2:]) - 1)
    places = torch.arange(-reach, reach + 1).to(gradient)
    window = (-(places**2) / (2 * sigma**2)).exp()
    window = (window / window.sum()).expand(gradient.shape[1], 1, 1, -1)
    across = F.conv2d(gradient, window, padding=(0, reach), groups=gradient.shape[1])
    return F.conv2d(across, window.transpose(2, 3), padding=(reach, 0), groups=gradient.shape[1])


def _step(gradient: Tensor, direction: Tensor, fall: float) -> float | None:
    """By how much to go along −direction for the cross-entropy to fall by `fall`; None where no way leads down."""
    slope = float((gradient * direction).sum())
    length = float(direction.square().mean().sqrt())
    if not slope > 0 or not length > 0:
        return None
    return min(fall / slope, _LONGEST / length)


def _rounded(pixels: Tensor) -> Tensor:
    """To whole grey levels, as a file of the picture holds them."""
    return (pixels * 255).round() / 255


def _answers(place: _Place, foil: int) -> bool:
    return int(place.logs.argmax()) == foil


def _pair(place: _Place, fact: int, foil: int) -> tuple[float, float]:
    return float(place.logs[fact].exp()), float(place.logs[foil].exp())


def _result(trace: Trace, foil: int, way: list[_Place], start: Tensor, reached: bool, stuck: bool) -> Travel:
    fact = trace.answer.fact
    kept = tuple(int(at) for at in np.unique(np.linspace(0, len(way) - 1, FRAMES).round()))
    frames = np.stack([_bytes(way[at].pixels) for at in kept])
    probabilities = np.array([_pair(place, fact, foil) for place in way], np.float32)
    changes = np.array([float((place.pixels - start).square().mean().sqrt()) * 255 for place in way], np.float32)
    for values in (frames, probabilities, changes):
        values.flags.writeable = False
    sentence = _sentence(trace, foil, way, float(changes[-1]), reached, stuck)
    return Travel(fact, foil, probabilities, changes, frames, kept, reached, sentence)


def _bytes(pixels: Tensor) -> Pixels:
    values: Pixels = (pixels[0] * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return values


def _sentence(trace: Trace, foil: int, way: list[_Place], change: float, reached: bool, stuck: bool) -> str:
    names, last, count = trace.answer.names, way[-1], len(way) - 1
    steps = f"{count} {'step' if count == 1 else 'steps'}"
    now = f"p({names[foil]}) is {float(last.logs[foil].exp()):.2f}"
    if reached:
        moved = f"the picture has changed by {change:.1f} grey levels of 255"
        return f"After {steps} the answer is {names[foil]}: {now}, and {moved}."
    top = int(last.logs.argmax())
    lead = f"and the answer is {names[top]} with {float(last.logs[top].exp()):.2f}"
    if top == foil:
        lead = "but rounded to whole grey levels the picture is answered otherwise"
    why = "no small change makes it likelier" if stuck else "the travel ends here"
    return f"After {steps} {now}, {lead}: {why}."
