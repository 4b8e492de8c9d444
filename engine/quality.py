"""Contrastive image quality: how good is this picture, and why this score rather than another one?

A patch network (:mod:`engine.models.quality_networks`) gives every patch p of 32 x 32 pixels a score s_p, 0 to 1,
and a weight; the picture's score s is the weighted mean. Two kinds of question are answered, both by Grad-CAM at
the network's last convolution:

- "Why s?": the map M_p of the patch's score.
- "Why s, rather than Q?": the map of the loss (s_p - Q)^2 **of each patch**, ReLU(2 (s_p - Q) M_p). With the
  picture's score in place of the patch's own, all Q on one side of s would give one and the same map.

The gradient of the loss is 2 (s_p - Q) times that of the score, so one pass over the patches answers every Q. The
score head is linear in the mean activation; M_p therefore adds up: with the centre c it holds that
``s_p = c + mean(M_p)``, and a cell's M is by how much that place is better or worse than c. The centre is the
picture's own score. (Uncentred maps depend on the head's bias and may be of one sign, which leaves questions empty.)

The network without a reference sees patches of the whole photo before it judges any: they set its linear heads, which
are then the same for all patches of that photo (:func:`for_photo`), so that all of this holds for it too.

Maps of overlapping patches are blended with a smooth (squared sine) window onto one grid. Blending is linear, so
the signed map of any Q is ``intercept - Q slope``, from two fields: a browser can do that. The ReLU is taken after
blending (:func:`patch_maps` gives the maps of single patches, where it comes first). Where the map of Q is
positive, the place is evidence for s rather than Q: it *holds the picture below Q* where the patch score is below
Q, and *keeps it above Q* where it is above.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.errors import ImageError, QuestionError, WeightsError
from engine.maps import frozen
from engine.models.quality_networks import CELLS, DISTORTIONS, KINDS, PATCH, Kind, PatchQualityNetwork, tone
from engine.models.weights import fit, read, sha256
from engine.patch_grid import CELL, Floats, Pixels, blend, blocks, cut, grid

ASSETS = Path(__file__).parents[1] / "assets"
STRIDES = (4, 8, 16, 32)
NAMES: dict[Kind, str] = {"no-reference": "quality-nr", "full-reference": "quality-fr"}
"""Names of the files in assets."""
FOILS = (1.0, 0.75, 0.5, 0.25)
"""The counterfactual scores of the tutorial's figure."""

WORDS = ("bad", "poor", "fair", "good", "excellent")
MOS_AT_ONE = 9.0
"""An opinion score of TID2013 is this many times the score here, 0 to 9."""

CONTEXT_PATCHES = 1024
"""How many patches a network with a context sees of a photo, at most, before it judges any."""


@dataclass(frozen=True, eq=False)
class QualityNetwork:
    """A loaded network with its card. `module` is frozen and in evaluation mode."""

    kind: Kind
    module: PatchQualityNetwork
    card: dict[str, Any]
    device: torch.device


@dataclass(frozen=True, eq=False)
class Patches:
    """Every patch that was judged, row by row: `rows` x `columns` of them.

    `centres` (n, 2) x and y in pixels; `scores` (n,) s_p; `weights` (n,) summing to 1; `maps` (n, 4, 4) the signed
    maps M_p, each cell standing for 8 x 8 pixels.
    """

    rows: int
    columns: int
    centres: Floats
    scores: Floats
    weights: Floats
    maps: Floats


@dataclass(frozen=True, eq=False)
class QualityResult:
    """What :func:`assess` found. All maps are float32 (gh, gw), read-only, a grid cell being `cell` pixels wide.

    `score` 0..1; `size` width and height in pixels at which the picture was judged; `stride` between patches;
    `patch_scores` the blended s_p; `evidence` the blended M_p, signed, in units of the score; `score_evidence` the
    blended s_p M_p; `distortions` (25,) how much the picture looks pristine, or like each of TID2013's 24 types,
    summing to 1.
    """

    kind: Kind
    score: float
    size: tuple[int, int]
    stride: int
    cell: int
    patches: Patches
    patch_scores: Floats
    evidence: Floats
    score_evidence: Floats
    distortions: Floats

    def map(self, foil: float | None = None, signed: bool = True) -> Floats:
        """ "Why s?" for no foil: the evidence; "why s, rather than `foil`?": 2 (score_evidence - Q evidence).

        Positive values are evidence for s. With ``signed=False`` only those are kept (ReLU, as Grad-CAM is shown).
        """
        values = self.evidence if foil is None else self.intercept - np.float32(foil) * self.slope
        return values if signed else np.maximum(values, 0)

    @property
    def intercept(self) -> Floats:
        """The signed map of Q is ``intercept - Q slope``, for every Q."""
        return 2 * self.score_evidence

    @property
    def slope(self) -> Floats:
        """See :attr:`intercept`."""
        return 2 * self.evidence

    def sides(self, foil: float) -> Floats:
        """The evidence for s rather than `foil` by side: above zero it keeps the picture above the foil, below
        zero it holds it below. Zero where a place speaks for the foil."""
        return self.map(foil, signed=False) * np.sign(self.patch_scores - np.float32(foil))

    def balance(self, foil: float) -> tuple[float, float]:
        """Shares of the absolute evidence, each 0 to 1, that speak for s and for the foil; both 0 for none."""
        values = self.map(foil)
        total = float(np.abs(values).sum())
        share = float(np.maximum(values, 0).sum()) / total if total else 0.0
        return (share, 1 - share) if total else (0.0, 0.0)

    @cached_property
    def scale(self) -> float:
        """One scale for several foils: the 99.5th percentile of the absolute maps over :data:`FOILS`."""
        return float(np.percentile(np.abs([self.map(foil) for foil in FOILS]), 99.5))

    @cached_property
    def reach(self) -> float:
        """The scale of "why s?": the 99.5th percentile of its absolute values, which a bright corner does not set."""
        return float(np.percentile(np.abs(self.evidence), 99.5))

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays: what keeping the result costs."""
        patches = self.patches
        kept = (patches.centres, patches.scores, patches.weights, patches.maps, self.patch_scores, self.evidence)
        return sum(values.nbytes for values in (*kept, self.score_evidence, self.distortions))

    @property
    def note(self) -> str:
        """The honest label: at what size, and how finely, the picture was judged."""
        width, height = self.size
        count = len(self.patches.scores)
        return f"judged at {width} × {height} pixels, {count:,} patches of {PATCH} × {PATCH}, one every {self.stride}"


def load(kind: Kind, device: torch.device | str | None = None, folder: Path = ASSETS) -> QualityNetwork:
    """The embedded network of a kind, "no-reference" or "full-reference"; one of your own training from its `folder`.

    Raises WeightsError where the file is missing, altered, or does not fit its card.
    """
    if kind not in KINDS:
        raise QuestionError(f"There is no quality network “{kind}”; choose “no-reference” or “full-reference”.")
    path = folder / f"{NAMES[kind]}.safetensors"
    try:
        card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"The card {path.stem}.json of the quality network is missing or damaged.") from error
    if not path.is_file() or sha256(path) != card.get("sha256"):
        raise WeightsError(f"The weights {path.name} are missing or not those of the card; install the app again.")
    module = PatchQualityNetwork(kind, tuple(card["widths"]), context=card.get("context", 0))
    fit(module, read(path), path.name)
    return wrap(module, card, device)


def wrap(
    module: PatchQualityNetwork, card: dict[str, Any] | None = None, device: torch.device | str | None = None
) -> QualityNetwork:
    """A network of one's own training, ready to be asked; the module is frozen and put in evaluation mode."""
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    module = module.eval().requires_grad_(False).to(place).to(memory_format=torch.channels_last)
    return QualityNetwork(module.kind, module, card or {}, place)


def assess(
    network: QualityNetwork,
    pixels: Pixels,
    reference: Pixels | None = None,
    stride: int = 8,
    progress: Callable[[float], None] | None = None,
) -> QualityResult:
    """Judge a picture, uint8 (H, W, 3), against its reference of the same shape where the network takes one.

    `stride` in pixels between patches, 4, 8, 16 or 32: finer maps cost the square. The last patches reach past
    the right and lower edge, where the picture is mirrored, so that pictures of any size are judged whole. Blocks of
    patches are taken one after the other: besides the answers, memory stays bounded up to the largest pictures.
    `progress` is told the share done, many times a second, and may raise to stop.

    Raises ImageError for a pair of different sizes or not the right number of pictures, QuestionError for a stride.
    """
    return Judgement(network, pixels, reference, stride).finish(progress)


class Judgement:
    """The same of a picture that is being judged. It may be left at any time, and then goes on where it was.

    Only one thread at a time may be in :meth:`finish`. Raises what :func:`assess` raises.
    """

    def __init__(self, network: QualityNetwork, pixels: Pixels, reference: Pixels | None = None, stride: int = 8):
        _check(network, pixels, reference, stride)
        self._network, self._stride = network, stride
        self._pictures = [picture for picture in (pixels, reference) if picture is not None]
        rows, columns = grid(pixels, stride)
        self._module: PatchQualityNetwork | None = None
        self._left = list(blocks(rows, columns))
        self._scores, self._weights = np.empty((2, rows, columns), np.float32)
        self._maps = np.empty((rows, columns, CELLS, CELLS), np.float32)
        self._names = np.zeros(DISTORTIONS, np.float32)

    @property
    def patches_left(self) -> int:
        """How many patches are still to be judged."""
        return sum((place[0].stop - place[0].start) * (place[1].stop - place[1].start) for place in self._left)

    @property
    def share(self) -> float:
        """How much of the picture is judged, 0 to 1."""
        return 1 - self.patches_left / self._scores.size

    @property
    def nbytes(self) -> int:
        """Bytes of the answers so far, of those to come, and of the pictures: their owner may have let go of them."""
        kept: list[NDArray[Any]] = [self._scores, self._weights, self._maps, *self._pictures]
        return sum(values.nbytes for values in kept)

    def finish(self, progress: Callable[[float], None] | None = None) -> QualityResult:
        """Judge what is left of the picture; `progress` as for :func:`assess`."""
        self._module = self._module or for_photo(self._network, self._pictures[0], progress)
        while self._left:
            place = self._left[0]
            pictures = [cut(picture, place, self._stride) for picture in self._pictures]
            found = _answer(self._module, pictures, self._stride)
            self._scores[place], self._weights[place], likely, self._maps[place] = found
            self._names += likely
            del self._left[0]
            if progress:
                progress(self.share)
        return self._result(self._module.bias)

    def _result(self, bias: float) -> QualityResult:
        rows, columns = self._scores.shape
        height, width = self._pictures[0].shape[:2]
        total = self._weights.sum()
        weights = self._weights / total
        score = float((self._scores * weights).sum())
        maps = self._maps + np.float32(bias - score)
        y, x = np.divmod(np.arange(rows * columns), columns)
        centres = np.stack([x, y], 1).astype(np.float32) * self._stride + PATCH / 2
        each = self._scores[..., None, None]

        def blended(values: Floats) -> Floats:
            return frozen(blend(values, self._stride, (height, width)))

        return QualityResult(
            self._network.kind,
            min(1.0, max(0.0, score)),
            (width, height),
            self._stride,
            min(self._stride, CELL),
            Patches(
                rows, columns, frozen(centres), frozen(self._scores.ravel()), frozen(weights.ravel()),
                frozen(maps.reshape(-1, CELLS, CELLS)),
            ),
            blended(np.broadcast_to(each, maps.shape)),
            blended(maps),
            blended(each * maps),
            frozen(self._names / total),
        )  # fmt: skip


def for_photo(
    network: QualityNetwork, pixels: Pixels, progress: Callable[[float], None] | None = None
) -> PatchQualityNetwork:
    """The network as it judges this photo, whatever the stride: where it has a context, patches spread evenly over the
    whole photo, :data:`CONTEXT_PATCHES` at most, set its heads. `progress` is told 0 after each row of them: nothing
    is judged yet, but it may raise to stop."""
    module = network.module
    if module.context is None:
        return module
    stride = PATCH
    while math.prod(grid(pixels, stride)) > CONTEXT_PATCHES:
        stride += PATCH
    rows, columns = grid(pixels, stride)
    seen, means = [], []
    with torch.no_grad():
        for row in range(rows):
            strip = _tensor(cut(pixels, (slice(row, row + 1), slice(0, columns)), stride), network.device)
            seen.append(strip[0].unfold(2, PATCH, stride).permute(2, 0, 1, 3))
            means.append(module(seen[-1]).activations.mean((2, 3)))
            if progress:
                progress(0.0)
        return module.for_photo(module.summary(torch.cat(means), tone(torch.cat(seen))))


def patch_maps(result: QualityResult, foil: float) -> Floats:
    """ReLU(2 (s_p - Q) M_p) of every patch, float32 (n, 4, 4), unblended."""
    patches = result.patches
    return np.maximum(2 * (patches.scores - np.float32(foil))[:, None, None] * patches.maps, 0)


def words(score: float) -> str:
    """A score in the five words of Recommendation ITU-R BT.500, on equal steps of 0..1."""
    return WORDS[min(len(WORDS) - 1, max(0, int(score * len(WORDS))))]


def _check(network: QualityNetwork, pixels: Pixels, reference: Pixels | None, stride: int) -> None:
    if stride not in STRIDES:
        raise QuestionError(f"A stride of {stride} pixels is not offered; choose 4, 8, 16 or 32.")
    for picture in (pixels, reference):
        if picture is not None and (picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3):
            raise ImageError("Only RGB pictures of 8 bits a channel can be judged.")
    if network.kind == "full-reference":
        if reference is None:
            raise ImageError("This network compares a picture with its reference; give both, or judge without one.")
        if reference.shape != pixels.shape:
            raise ImageError(
                f"The picture is {pixels.shape[1]} x {pixels.shape[0]} pixels and its reference "
                f"{reference.shape[1]} x {reference.shape[0]}; crop or align them to one size first."
            )
    elif reference is not None:
        raise ImageError(
            "This network judges without a reference; leave the reference out or choose the other network."
        )


def _tensor(picture: Pixels, device: torch.device) -> torch.Tensor:
    """(1, 3, H, W), 0 to 255."""
    return torch.from_numpy(picture).to(device).permute(2, 0, 1)[None].to(torch.float32)


def _answer(
    module: PatchQualityNetwork, pictures: Sequence[Pixels], stride: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """Of a block of patches: scores and weights (rows, columns), the weighted sum (25,) of the probabilities of
    distortions, and score maps (rows, columns, 4, 4)."""
    rows, columns = ((side - PATCH) // stride + 1 for side in pictures[0].shape[:2])
    with torch.inference_mode():
        batch = [_tensor(picture, module.score.weight.device) for picture in pictures]
        answer = module.overlapping(batch[0], batch[1] if len(batch) > 1 else None, stride)
        likely = (answer.distortions.softmax(1) * answer.weights[:, None]).sum(0)
        maps = module.score_map(answer.activations)
        parts = [part.float().cpu().numpy() for part in (answer.scores, answer.weights, likely, maps)]
    scores, weights = (part.reshape(rows, columns) for part in parts[:2])
    return scores, weights, parts[2], parts[3].reshape(rows, columns, CELLS, CELLS)
