import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from engine.errors import QuestionError
from engine.questions import (
    ANSWER,
    CLASS_SCORE,
    CONFIDENCE,
    CONTRAST,
    MEAN_CONTRAST,
    MOST_EXACT,
    NEGATED_SCORE,
    UNIFORM,
    Question,
    conflict_vectors,
    cotangent,
    one_hot,
)

LOGITS = st.lists(st.floats(-20, 20, width=32), min_size=2, max_size=12).map(torch.tensor)


def losses(z: Tensor, p: int, q: int) -> list[tuple[Question, Tensor]]:
    """J of every question, written with torch's own losses."""
    each = torch.arange(len(z))
    return [
        (CLASS_SCORE, z[p]),
        (NEGATED_SCORE, -z[p]),
        (CONTRAST, F.cross_entropy(z[None], each[q][None])),
        (CONFIDENCE, F.cross_entropy(z[None], each[p][None])),
        (MEAN_CONTRAST, F.cross_entropy(z.expand(len(z), -1), each)),
    ]


@given(LOGITS, st.integers(0, 99), st.integers(0, 99))
def test_every_cotangent_is_the_gradient_of_its_loss(logits: Tensor, fact: int, foil: int) -> None:
    fact, foil = fact % len(logits), foil % len(logits)
    z = logits.clone().requires_grad_()
    for question, loss in losses(z, fact, foil):
        (expected,) = torch.autograd.grad(loss, z, retain_graph=True)
        terms = question.terms(fact, foil)
        found = sum(weight * cotangent(basis, logits.softmax(0)) for weight, basis in terms)
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("index", [-1, 3, 10**6])
def test_a_class_that_is_not_there_is_refused(index: int) -> None:
    with pytest.raises(QuestionError, match="0 to 2"):
        cotangent(one_hot(index), torch.ones(3) / 3)


def test_the_basis_is_what_it_is_called() -> None:
    p = torch.tensor([0.5, 0.25, 0.25])
    assert cotangent(ANSWER, p).tolist() == p.tolist()
    assert cotangent(UNIFORM, p).tolist() == pytest.approx([1 / 3] * 3)
    assert cotangent(one_hot(1), p).tolist() == [0, 1, 0]


def covariance(foils: Tensor, classes: int) -> Tensor:
    """Cov_Q of dCE(z, Q)/dz over the foils, each as likely as the others."""
    gradients = -torch.eye(classes)[foils]
    return torch.cov(gradients.T, correction=0)


@pytest.mark.parametrize("classes", [2, 3, 10, 50])
def test_exact_vectors_have_the_covariance_of_all_contrasts(classes: int) -> None:
    vectors = conflict_vectors(torch.randn(classes), "exact", 1)
    torch.testing.assert_close(vectors.T @ vectors, covariance(torch.arange(classes), classes))


@pytest.mark.parametrize("classes", [2, 10])
def test_random_vectors_have_that_covariance_in_expectation(classes: int) -> None:
    count = 200_000
    vectors = conflict_vectors(torch.randn(classes), "all", count)
    # the standard error of a mean of so many products of signs is 1 / (N sqrt(M))
    torch.testing.assert_close(
        vectors.T @ vectors, covariance(torch.arange(classes), classes), rtol=0, atol=6 / (classes * count**0.5)
    )
    assert float(vectors.sum(1).abs().max()) < 1e-5


def test_random_vectors_are_the_same_every_time_and_leave_torchs_generator() -> None:
    before = torch.random.get_rng_state()
    first, second = (conflict_vectors(torch.randn(9, generator=torch.Generator()), "all", 8) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.random.get_rng_state(), before)


@given(LOGITS, st.integers(2, 32), st.sampled_from(["least", "likely"]))
def test_chosen_foils_have_the_covariance_of_their_contrasts(logits: Tensor, count: int, conflict: str) -> None:
    vectors = conflict_vectors(logits, conflict, count)
    others = sorted(range(len(logits)), key=lambda c: -float(logits[c]))[1:]
    chosen = torch.tensor(others[-count:] if conflict == "least" else others[:count])
    if len(chosen) > 1:
        expected = covariance(chosen, len(logits))
        torch.testing.assert_close(vectors.T @ vectors, expected, atol=1e-6, rtol=1e-5)


def test_a_single_foil_is_its_contrast() -> None:
    logits = torch.tensor([3.0, 1.0, 2.0, -1.0])
    for conflict, foil in (("likely", 2), ("least", 3)):
        expected = logits.softmax(0) - torch.eye(4)[foil]
        torch.testing.assert_close(conflict_vectors(logits, conflict, 1), -expected[None])


@given(LOGITS)
def test_everything_and_mean_are_gradients_of_torchs_losses(logits: Tensor) -> None:
    z = logits.clone().requires_grad_()
    everything = F.binary_cross_entropy_with_logits(z, torch.ones_like(z))
    mean = F.cross_entropy(z.expand(len(z), -1), torch.arange(len(z)))
    for conflict, loss in (("everything", everything), ("mean", mean)):
        (expected,) = torch.autograd.grad(loss, z)
        torch.testing.assert_close(conflict_vectors(logits, conflict, 8), expected[None], atol=1e-6, rtol=1e-5)


def test_what_cannot_be_asked_is_told() -> None:
    with pytest.raises(QuestionError, match="no conflict set"):
        conflict_vectors(torch.ones(3), "other", 8)
    with pytest.raises(QuestionError, match="20,000"):
        conflict_vectors(torch.ones(20_000), "exact", 8)
    assert MOST_EXACT >= 1000
    for conflict in ("least", "likely"):
        with pytest.raises(QuestionError, match="one class only"):
            conflict_vectors(torch.ones(1), conflict, 8)


def test_one_class_has_no_variance() -> None:
    for conflict in ("all", "exact", "mean"):
        assert conflict_vectors(torch.tensor([2.0]), conflict, 8).count_nonzero() == 0
