"""Figures that the tutorial and the papers behind it published, to stand beside one's own.

They were measured with other networks and other data than the embedded network on OSIE: an anchor, not a target.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

TUTORIAL = (
    "AlRegib and Prabhushankar, ICIP 2023 tutorial, Part 4; Sun, Prabhushankar and AlRegib 2020, "
    "Implicit saliency in deep neural networks (arXiv 2008.01874)"
)


@dataclass(frozen=True)
class Published:
    """A table as it was published.

    Attributes:
        score: the id of the score in :data:`engine.scores.SCORES`.
        differs: in plain words, what is not as in one's own measurement.
        columns: the titles of the columns.
        radius: of the blur whose drop the last column has; 0 where there is none.
        rows: method id (or the name of a learned model) -> one number for each column.
    """

    id: str
    title: str
    score: str
    source: str
    differs: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[float, ...]]
    radius: float = 0.0


_NETWORKS = ("resnet18", "resnet34", "resnet50", "resnet101")
_MIT1003 = (
    "the photos are those of MIT1003 (1,003, each seen by 15 people), the networks torchvision's, trained on ImageNet, "
    "and by which statistic contrastive saliency was made is not published."
)
_LEARNED = _MIT1003 + " The learned models were trained on human fixations; contrastive saliency (ResNet-101) was not."

PUBLISHED: tuple[Published, ...] = (
    Published(
        "nss",
        "NSS on MIT1003 by network",
        "nss",
        TUTORIAL,
        _MIT1003,
        _NETWORKS,
        MappingProxyType(
            {
                "gradcam": (0.7657, 0.7545, 0.7203, 0.7335),
                "guided-backprop": (0.3862, 0.4191, 0.3898, 0.3415),
                "contrastive-saliency": (0.8274, 0.8018, 0.7659, 0.7981),
            }
        ),
    ),
    Published(
        "cc",
        "CC on MIT1003 by network",
        "cc",
        TUTORIAL,
        _MIT1003,
        _NETWORKS,
        MappingProxyType(
            {
                "gradcam": (0.3496, 0.3396, 0.3190, 0.3210),
                "guided-backprop": (0.2474, 0.2453, 0.2443, 0.2233),
                "contrastive-saliency": (0.4132, 0.4112, 0.3868, 0.4051),
            }
        ),
    ),
    Published(
        "nss-robustness",
        "NSS on MIT1003 and its drop under Gaussian blur of radius 50, beside learned models",
        "nss",
        TUTORIAL,
        _LEARNED,
        ("value at r = 0", "drop at r = 50"),
        MappingProxyType(
            {
                "SalGAN": (0.8977, 0.2239),
                "DeepGaze II": (0.6214, 0.3436),
                "ML-Net": (0.5431, 0.2484),
                "Shallow/Deep": (0.9306, 0.2025),
                "contrastive-saliency": (0.7981, 0.1793),
            }
        ),
        50.0,
    ),
    Published(
        "cc-robustness",
        "CC on MIT1003 and its drop under Gaussian blur of radius 50, beside learned models",
        "cc",
        TUTORIAL,
        _LEARNED,
        ("value at r = 0", "drop at r = 50"),
        MappingProxyType(
            {
                "SalGAN": (0.6280, 0.2731),
                "DeepGaze II": (0.5927, 0.3954),
                "ML-Net": (0.4481, 0.2940),
                "Shallow/Deep": (0.5120, 0.1840),
                "contrastive-saliency": (0.4051, 0.1432),
            }
        ),
        50.0,
    ),
)
