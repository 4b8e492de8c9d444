"""Questions: a scalar J of the network's output, known by its gradient at the logits, the cotangent g = dJ/dz.

z are the logits, p = softmax(z), e_c the one-hot vector of class c, N the number of classes. Every question
whose map is linear in g is written as a sum over a small basis (e_c, p, and 1/N), because a map of each basis
vector is then taken once and shared: Grad-CAM of Q is half of every contrast with Q.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from engine.errors import QuestionError

MOST_EXACT = 4096
"""Up to so many classes a question may take one gradient for each."""


@dataclass(frozen=True)
class Basis:
    """A vector of the basis: e_`index` ("class"), p ("answer"), or the constant 1/N ("uniform")."""

    kind: Literal["class", "answer", "uniform"]
    index: int = -1


Terms = tuple[tuple[float, Basis], ...]
"""A cotangent as a weighted sum of basis vectors."""

ANSWER = Basis("answer")
UNIFORM = Basis("uniform")


def one_hot(index: int) -> Basis:
    """e_`index`."""
    return Basis("class", index)


@dataclass(frozen=True)
class Question:
    """A question about fact P and foil Q.

    `formula` and `gradient` are J and dJ/dz as a person reads them; `terms(fact, foil)` is dJ/dz in the basis.
    """

    formula: str
    gradient: str
    terms: Callable[[int, int], Terms]
    needs_foil: bool = False


CLASS_SCORE = Question("z_P", "e_P", lambda fact, foil: ((1.0, one_hot(fact)),))
"""Selvaraju 2017, Grad-CAM."""

NEGATED_SCORE = Question("−z_P", "−e_P", lambda fact, foil: ((-1.0, one_hot(fact)),))
"""Selvaraju 2017, section "counterfactual explanations"."""

CONTRAST = Question("CE(z, Q)", "p − e_Q", lambda fact, foil: ((1.0, ANSWER), (-1.0, one_hot(foil))), True)
"""Prabhushankar 2020 (arXiv 2008.00178), equation 3: the loss between the answer and the foil."""

CONFIDENCE = Question("CE(z, P)", "p − e_P", lambda fact, foil: ((1.0, ANSWER), (-1.0, one_hot(fact))))
"""The same with Q = P: what is missing to full confidence."""

MEAN_CONTRAST = Question("mean over Q of CE(z, Q)", "p − 1/N", lambda fact, foil: ((1.0, ANSWER), (-1.0, UNIFORM)))
"""AlRegib 2022, all contrasts at once; linear, so one VJP."""


def cotangent(basis: Basis, probabilities: Tensor) -> Tensor:
    """The basis vector itself, (N,), for an answer `probabilities` (N,)."""
    if basis.kind == "answer":
        return probabilities
    if basis.kind == "uniform":
        return torch.full_like(probabilities, 1 / len(probabilities))
    if not 0 <= basis.index < len(probabilities):
        raise QuestionError(
            f"There is no class {basis.index}: this network knows the classes 0 to {len(probabilities) - 1}."
        )
    vector = torch.zeros_like(probabilities)
    vector[basis.index] = 1
    return vector


def conflict_vectors(logits: Tensor, conflict: str, count: int) -> Tensor:
    """Cotangents (M, N) whose squared VJPs sum to the (co)variance that contrastive saliency reads.

    "all": `count` random sign vectors r from a fixed generator, v = (r − mean r) / sqrt(N M). The expected sum of
    (J^T v)^2 is the variance of the contrastive gradient over all N foils, since the softmax term cancels.
    "exact": the same without chance, one vector e_Q − 1/N a foil, N of them (N up to MOST_EXACT).
    "least", "likely": the exact variance over the `count` least likely foils, or the likeliest after the answer;
    of a single foil, which has no variance, the contrast p − e_Q itself.
    "everything": one vector, the gradient of the binary cross-entropy with the conflict "all classes at once"
    (Sun 2020, arXiv 2008.01874). "mean": one vector, p − 1/N, the mean cross-entropy over all foils.
    """
    n = len(logits)
    if conflict == "all":
        generator = torch.Generator().manual_seed(0)
        signs = torch.randint(0, 2, (count, n), generator=generator).to(logits) * 2 - 1
        return (signs - signs.mean(1, keepdim=True)) / (n * count) ** 0.5
    if conflict == "exact":
        if n > MOST_EXACT:
            raise QuestionError(
                f"The exact conflict set takes a gradient for each class, and {n:,} are too many; choose “all” instead."
            )
        return (torch.eye(n).to(logits) - 1 / n) / n**0.5
    if conflict in ("least", "likely"):
        if n == 1:
            raise QuestionError("This network has one class only, so there is no foil to be in conflict with.")
        order = logits.argsort(descending=True, stable=True)[1:]
        foils = order[-count:] if conflict == "least" else order[:count]
        chosen = torch.zeros(len(foils), n).to(logits)
        chosen[torch.arange(len(foils)), foils] = 1
        centre = chosen.mean(0) if len(foils) > 1 else logits.softmax(0)
        return (chosen - centre) / len(foils) ** 0.5
    if conflict == "everything":
        return ((logits.sigmoid() - 1) / n)[None]
    if conflict == "mean":
        return (logits.softmax(0) - 1 / n)[None]
    raise QuestionError(f"There is no conflict set “{conflict}”.")
