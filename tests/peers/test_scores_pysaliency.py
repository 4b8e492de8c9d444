"""The scores equal pysaliency's, on maps with and without ties, of one size and of several."""

import warnings

import numpy as np
import pytest

if not hasattr(np, "trapz"):  # pysaliency still calls numpy's old name
    np.trapz = np.trapezoid  # type: ignore[attr-defined]
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pysaliency = pytest.importorskip("pysaliency", exc_type=ImportError)
    from pysaliency import metrics
    from pysaliency.models import SaliencyMapNormalizingModel

from engine import scores

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # pysaliency takes logarithms of zero

SIZES = [(60, 80), (48, 64), (72, 50)]
KINDS = ("smooth", "relu", "signed", "coarse", "constant")


def a_map(kind: str, size: tuple[int, int], seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    noise = rng.normal(size=size)
    if kind == "relu":
        return np.maximum(noise - 1, 0)
    if kind == "coarse":
        return np.kron(rng.normal(size=(7, 7)), np.ones((12, 12)))[: size[0], : size[1]]
    return {"smooth": np.abs(noise), "signed": noise, "constant": np.full(size, 0.3)}[kind]


class Maps(pysaliency.SaliencyMapModel):  # type: ignore[name-defined]
    """A model that finds its map by the stimulus's size."""

    def __init__(self, kind: str):
        super().__init__(caching=False)
        self.kind = kind

    def _saliency_map(self, stimulus: np.ndarray) -> np.ndarray:
        size = stimulus.shape[:2]
        return a_map(self.kind, size, SIZES.index(size))


@pytest.fixture(scope="module")
def data() -> tuple:
    rng = np.random.default_rng(5)
    x, y, n = [], [], []
    for i, (height, width) in enumerate(SIZES):
        count = 40 + 10 * i
        x.append(np.concatenate([rng.uniform(0, width, count), np.full(5, 7.2)]))  # some pixels fixated twice
        y.append(np.concatenate([rng.uniform(0, height, count), np.full(5, 9.9)]))
        n.append(np.full(count + 5, i))
    stimuli = pysaliency.Stimuli([np.zeros((*size, 3), np.uint8) for size in SIZES])
    columns = np.concatenate(x), np.concatenate(y), np.concatenate(n)
    fixations = pysaliency.Fixations.create_without_history(*columns)
    return stimuli, fixations, x, y


@pytest.mark.parametrize("kind", KINDS[:-1])  # of a constant map pysaliency's deviation is a rounding error
def test_nss(data: tuple, kind: str) -> None:
    stimuli, fixations, x, y = data
    peer = Maps(kind).NSSs(stimuli, fixations)
    for i, size in enumerate(SIZES):
        assert scores.nss(a_map(kind, size, i), x[i], y[i]) == pytest.approx(peer[fixations.n == i].mean(), abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_auc_judd(data: tuple, kind: str) -> None:
    stimuli, fixations, x, y = data
    peer = Maps(kind).AUC_per_image(stimuli, fixations, nonfixations="unfixated", thresholds="fixations")
    own = [scores.auc_judd(a_map(kind, size, i), x[i], y[i]) for i, size in enumerate(SIZES)]
    assert own == pytest.approx(peer, abs=1e-6)
    assert np.mean(own) == pytest.approx(Maps(kind).AUC_Judd(stimuli, fixations, jitter=False), abs=1e-6)


@pytest.mark.parametrize("kind", ["smooth", "signed"])
def test_auc_judd_without_ties_equals_the_jittered_one(data: tuple, kind: str) -> None:
    stimuli, fixations, x, y = data
    own = [scores.auc_judd(a_map(kind, size, i), x[i], y[i]) for i, size in enumerate(SIZES)]
    assert np.mean(own) == pytest.approx(Maps(kind).AUC_Judd(stimuli, fixations, jitter=True), abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_auc_shuffled(data: tuple, kind: str) -> None:
    stimuli, fixations, x, y = data
    peer = Maps(kind).AUC_per_image(stimuli, fixations, nonfixations="shuffled")
    for i, (height, width) in enumerate(SIZES):
        others = [j for j in range(len(SIZES)) if j != i]
        other_x = np.concatenate([x[j] * (width / SIZES[j][1]) for j in others])
        other_y = np.concatenate([y[j] * (height / SIZES[j][0]) for j in others])
        own = scores.auc_shuffled(a_map(kind, (height, width), i), x[i], y[i], other_x, other_y)
        assert own == pytest.approx(peer[i], abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", ["smooth", "relu", "coarse"])
def test_scores_against_a_density(kind: str, other: str) -> None:
    m, q = a_map(kind, SIZES[0], 1), np.abs(a_map(other, SIZES[0], 2))
    assert scores.cc(m, q) == pytest.approx(metrics.CC(m, q), abs=1e-6)
    assert scores.sim(m, q) == pytest.approx(metrics.SIM(m, q), abs=1e-6)
    assert scores.kl(m, q) == pytest.approx(metrics.MIT_KLDiv(m, q), abs=1e-6)


def test_information_gain(data: tuple) -> None:
    stimuli, fixations, x, y = data
    own_model = SaliencyMapNormalizingModel(Maps("smooth"))
    baseline = SaliencyMapNormalizingModel(Maps("signed"), minimum_value=1e-3)
    peer = own_model.information_gains(stimuli, fixations, baseline)
    for i, size in enumerate(SIZES):
        base = a_map("signed", size, i)
        own = scores.information_gain(a_map("smooth", size, i), base - base.min() + 1e-3, x[i], y[i])
        assert own == pytest.approx(peer[fixations.n == i].mean(), abs=1e-6)
