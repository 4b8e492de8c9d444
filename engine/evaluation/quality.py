"""`expectancy evaluate quality`: scores of the networks against those of people.

By default on TID2013's pictures made again from the Kodak photos of the five test references, never seen in
training; or on a data set of one's own in its folder. Metrics without weights (piq's) are measured on the same
pictures, and the published figures are printed beside.
"""

import argparse
import csv
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from engine import quality
from engine.distortions import psnr
from engine.errors import DataError, QuestionError
from engine.evaluation.quality_localisation import localisation
from engine.evaluation.quality_sets import Judged, kodak, read_set
from engine.models.weights import write_atomically
from engine.training.quality_data import TEST_REFERENCES

PUBLISHED = {"DIQaM-NR": 0.835, "WaDIQaM-NR": 0.761, "DIQaM-FR": 0.859, "WaDIQaM-FR": 0.940}
"""SRCC on the real TID2013, random splits by reference (Bosse 2018, tables II and III)."""

METRICS = ("psnr", "ssim", "ms-ssim", "gmsd", "haarpsi", "mdsi", "vsi")
_LOWER_IS_BETTER = ("gmsd", "mdsi")

Score = Callable[[NDArray[np.uint8], NDArray[np.uint8]], float]


@dataclass(frozen=True)
class Agreement:
    """How scores agree with opinions: rank, linear and pairwise rank correlation, and root mean square error."""

    srcc: float
    plcc: float
    krcc: float
    rmse: float
    count: int

    @classmethod
    def of(cls, predicted: Sequence[float], opinions: Sequence[float]) -> "Agreement":
        """Both of one length, at least 3; RMSE is that of a straight line through them, on the scale 0..1."""
        if len(predicted) < 3 or np.ptp(predicted) == 0 or np.ptp(opinions) == 0:
            return cls(float("nan"), float("nan"), float("nan"), float("nan"), len(predicted))
        line = stats.linregress(predicted, opinions)
        error = np.asarray(opinions) - (line.intercept + line.slope * np.asarray(predicted))
        return cls(
            float(stats.spearmanr(predicted, opinions).statistic),
            float(line.rvalue),
            float(stats.kendalltau(predicted, opinions).statistic),
            float(np.sqrt(np.mean(error**2))),
            len(predicted),
        )


def network_score(network: quality.QualityNetwork, stride: int) -> Score:
    """A network as a function of (picture, reference)."""
    full = network.kind == "full-reference"
    return lambda picture, reference: quality.assess(network, picture, reference if full else None, stride).score


def metric_score(name: str) -> Score:
    """A weight-free metric by name, turned so that higher is better; raises QuestionError where piq is missing."""
    if name == "psnr":
        return lambda picture, reference: psnr(reference, picture)
    try:
        import piq
    except ImportError as error:
        raise QuestionError(
            "The metrics beside come from piq: install the extra “test”, or give --metrics none."
        ) from error
    function = {
        "ssim": piq.ssim, "ms-ssim": piq.multi_scale_ssim, "gmsd": piq.gmsd, "haarpsi": piq.haarpsi,
        "mdsi": piq.mdsi, "vsi": piq.vsi,
    }.get(name)  # fmt: skip
    if function is None:
        raise QuestionError(f"There is no metric “{name}”; choose from {', '.join(METRICS)}.")
    sign = -1 if name in _LOWER_IS_BETTER else 1

    def score(picture: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
        batch = [torch.from_numpy(p.copy()).permute(2, 0, 1)[None].float() / 255 for p in (picture, reference)]
        with torch.inference_mode():
            return sign * float(function(*batch, data_range=1.0))

    return score


def measure(
    pictures: Iterable[Judged], scores: Mapping[str, Score], progress: Callable[[int], None] | None = None
) -> list[dict[str, Any]]:
    """One row a picture: reference, distortion, level, opinion, and every score by name."""
    rows = []
    for judged in pictures:
        picture, reference = judged.load()
        row: dict[str, Any] = {
            "reference": judged.reference, "distortion": judged.distortion, "level": judged.level,
            "opinion": judged.opinion,
        }  # fmt: skip
        rows.append(row | {name: score(picture, reference) for name, score in scores.items()})
        if progress:
            progress(len(rows))
    return rows


def summary(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Agreement of the score `name` over all distorted pictures, by distortion and by reference; pristine scores;
    and which distortions' mean score falls strictly from level to level."""
    distorted = [row for row in rows if row["distortion"] != "pristine"]

    def agreement(chosen: Iterable[Mapping[str, Any]]) -> dict[str, float]:
        chosen = list(chosen)
        return Agreement.of([r[name] for r in chosen], [r["opinion"] for r in chosen]).__dict__

    kinds = list(dict.fromkeys(row["distortion"] for row in distorted))
    by_level = {kind: _means([row for row in distorted if row["distortion"] == kind], name) for kind in kinds}
    return {
        "overall": agreement(distorted),
        "by distortion": {k: agreement(r for r in distorted if r["distortion"] == k) for k in kinds},
        "by reference": {
            name_: agreement(r for r in distorted if r["reference"] == name_)
            for name_ in dict.fromkeys(row["reference"] for row in distorted)
        },
        "pristine": {row["reference"]: round(row[name], 4) for row in rows if row["distortion"] == "pristine"},
        "levels": by_level,
        "falling": [kind for kind, means in by_level.items() if len(means) > 1 and bool((np.diff(means) < 0).all())],
    }


def _means(rows: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    """Mean score of each level, slight to severe."""
    levels = sorted({row["level"] for row in rows})
    return [round(float(np.mean([row[name] for row in rows if row["level"] == level])), 4) for level in levels]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = __doc__
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EXPECTANCY_DATA", "../shared/data")),
                        help="folder with kodak/ and tid2013/mos.csv")  # fmt: skip
    parser.add_argument("--set", type=Path, help="instead, a folder as distributed: TID2008, TID2013, KADID-10k, LIVE, "
                        "or CSIQ with the sheet “all_by_image” saved as csiq.csv")  # fmt: skip
    parser.add_argument("--work", type=Path, default=Path("build/quality"), help="where pictures made are kept")
    parser.add_argument("--weights", type=Path, default=quality.ASSETS, help="folder of the networks to measure")
    parser.add_argument("--metrics", default=",".join(METRICS), help="weight-free metrics with commas, or none")
    parser.add_argument("--stride", type=int, default=32, choices=quality.STRIDES, help="pixels between patches")
    parser.add_argument("--out", type=Path, help="folder for scores.csv and summary.json")
    parser.add_argument("--record", action="store_true", help="write the figures into the networks' cards")
    parser.add_argument("--device", help="cuda or cpu; the better one by default")


def run(args: argparse.Namespace) -> None:
    """Measure and print the tables. Raises DataError, WeightsError or QuestionError."""
    pictures = read_set(args.set) if args.set else kodak(args.data, args.work)
    networks = [quality.load(kind, args.device, args.weights) for kind in ("full-reference", "no-reference")]
    scores: dict[str, Score] = {network.kind: network_score(network, args.stride) for network in networks}
    if args.metrics != "none":
        scores |= {name: metric_score(name) for name in args.metrics.split(",")}
    rows = measure(pictures, scores, lambda done: _progress(done, len(pictures)))
    found = {name: summary(rows, name) for name in scores}
    where: dict[str, Any] = {}
    if not args.set:
        photos = {row.reference: row.load()[1] for row in pictures if row.distortion == "pristine"}
        where |= {network.kind: localisation(network, list(photos.values())) for network in networks}
    print(report(found, where, published=not args.set))
    if args.record:
        for network in networks:
            record(args.weights, network.kind, found[network.kind], where.get(network.kind))
    if args.out:
        _write(args.out, rows, found | {"localisation": where})


def report(found: Mapping[str, Any], where: Mapping[str, Any], published: bool) -> str:
    """The tables as text."""
    lines = [f"{'':16}   SRCC   PLCC   KRCC   RMSE  pictures"]
    for name, summed in found.items():
        a = summed["overall"]
        lines.append(f"{name:16} {a['srcc']:6.3f} {a['plcc']:6.3f} {a['krcc']:6.3f} {a['rmse']:6.3f} {a['count']:6d}")
    if published:
        lines += ["", "published, on the real pictures: " + ", ".join(f"{k} {v:.3f}" for k, v in PUBLISHED.items())]
        lines.append(
            f"here: references {', '.join(map(str, TEST_REFERENCES))}, pictures made again from Kodak's photos"
        )
    networks = [name for name in found if name in ("full-reference", "no-reference")]
    for part in ("by distortion", "by reference"):
        lines += ["", f"SRCC {part:18}" + "".join(f"{name:>16}" for name in found)]
        for key in found[networks[0]][part]:
            lines.append(f"{key:23}" + "".join(f"{found[name][part][key]['srcc']:16.3f}" for name in found))
    for name in networks:
        summed = found[name]
        lines += ["", f"{name}: mean score falls strictly over the levels for {len(summed['falling'])} distortions"]
        rest = [kind for kind in summed["levels"] if kind not in summed["falling"]]
        lines += [f"  not for {kind}: {', '.join(map(str, summed['levels'][kind]))}" for kind in rest]
        if summed["pristine"]:
            lines.append("  pristine: " + ", ".join(f"{k} {v:.3f}" for k, v in summed["pristine"].items()))
        if name in where:
            lines.append(f"  local damage: evidence “holds it below 1” {where[name]['gain']:.1f} times its area")
    return "\n".join(lines)


def record(folder: Path, kind: quality.Kind, summed: Mapping[str, Any], where: Mapping[str, Any] | None) -> None:
    """Put what was measured into a network's card."""
    path = folder / f"{quality.NAMES[kind]}.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    card["measured"] = {
        **{name: round(value, 4) for name, value in summed["overall"].items()},
        "on": "the references of TID2013 kept for testing, pictures made again from the Kodak photos",
        "pristine": summed["pristine"],
        "falling over five levels": len(summed["falling"]),
        "localisation": dict(where or {}),
    }
    write_atomically(path, (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode())


def _write(folder: Path, rows: Sequence[Mapping[str, Any]], found: Mapping[str, Any]) -> None:
    if not rows:
        raise DataError("There are no pictures to measure.")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "scores.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (folder / "summary.json").write_text(json.dumps(found, indent=2) + "\n")


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty() or done == total:
        print(f"\r{done}/{total}", end="\n" if done == total else "", file=sys.stderr, flush=True)
