"""Results by photo brought together: means over photos with confidence intervals, and drops under blur."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.evaluation.saliency_work import Case
from engine.scores import SCORES

RESAMPLES = 2000
SHARE = 0.95

PhotoScores = Mapping[str, Mapping[str, float | None]]
"""The scores of one photo by case key and score id."""


@dataclass(frozen=True)
class Mean:
    """A mean over ``n`` photos with its percentile-bootstrap interval of 95 %."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Row:
    """A case's scores by id. ``drop`` is by how much each mean is worse than on the photos without blur."""

    case: Case
    scores: Mapping[str, Mean]
    drop: Mapping[str, Mean]


def summarise(results: Mapping[str, PhotoScores]) -> list[Row]:
    """One row a case, in the order of the first photo's results.

    Photos are drawn with replacement from a fixed generator, the same draws for every case, so that intervals
    do not depend on the order of work. A photo counts for a score only where that score is defined.
    """
    photos = list(results)
    keys = list(dict.fromkeys(key for photo in photos for key in results[photo]))
    draws = np.random.default_rng(0).integers(0, max(1, len(photos)), (RESAMPLES, len(photos)))
    table = {
        key: {score.id: _column([results[photo].get(key, {}).get(score.id) for photo in photos]) for score in SCORES}
        for key in keys
    }
    rows = []
    for key in keys:
        case = Case.of(key)
        clean = table.get(Case(case.model, case.method, case.layer, case.smooth).key) if case.blur else None
        drop = {}
        if clean is not None:
            signs = {score.id: 1 if score.higher_is_better else -1 for score in SCORES}
            drop = {name: _mean(signs[name] * (clean[name] - values), draws) for name, values in table[key].items()}
        rows.append(Row(case, {name: _mean(values, draws) for name, values in table[key].items()}, drop))
    return rows


def _column(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], float)


def _mean(values: np.ndarray, draws: np.ndarray) -> Mean:
    there = ~np.isnan(values)
    n = int(there.sum())
    if n == 0:
        return Mean(float("nan"), float("nan"), float("nan"), 0)
    drawn, known = values[draws], there[draws]
    counts = known.sum(axis=1)
    means = np.where(known, drawn, 0).sum(axis=1)[counts > 0] / counts[counts > 0]
    low, high = np.quantile(means, [(1 - SHARE) / 2, (1 + SHARE) / 2])
    return Mean(float(values[there].mean()), float(low), float(high), n)


def as_json(rows: Sequence[Row]) -> list[dict[str, object]]:
    """The rows as plain JSON: case, means with intervals to six digits, drops; null where not defined."""

    def numbers(means: Mapping[str, Mean]) -> dict[str, object]:
        return {name: {"mean": _digits(m.mean), "low": _digits(m.low), "high": _digits(m.high), "n": m.n}
                for name, m in means.items()}  # fmt: skip

    return [
        {
            "model": row.case.model,
            "method": row.case.method,
            "layer": row.case.layer,
            "smooth": row.case.smooth,
            "blur": row.case.blur,
            "scores": numbers(row.scores),
            "drop": numbers(row.drop),
        }
        for row in rows
    ]


def _digits(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None


def as_csv(results: Mapping[str, PhotoScores]) -> str:
    """Every photo's scores, one line a photo and case."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["photo", "model", "method", "layer", "smooth", "blur", *(score.id for score in SCORES)])
    for photo, cases in results.items():
        for key, scores in cases.items():
            case = Case.of(key)
            head = [photo, case.model, case.method, case.layer, f"{case.smooth:g}", f"{case.blur:g}"]
            writer.writerow(head + ["" if scores[s.id] is None else scores[s.id] for s in SCORES])
    return buffer.getvalue()


def as_text(rows: Sequence[Row]) -> str:
    """The rows as a table for a terminal: means, with half the interval's width, and the drops of NSS and CC."""
    titles = ["network", "method", "layer", "smooth", "blur", *(s.title for s in SCORES), "NSS drop", "CC drop"]
    lines = [titles]
    for row in rows:
        case = row.case
        cells = [case.model or "-", case.method, case.layer or "-", f"{case.smooth:g}", f"{case.blur:g}"]
        cells += [_cell(row.scores[score.id]) for score in SCORES]
        cells += [f"{row.drop[name].mean:.3f}" if name in row.drop else "" for name in ("nss", "cc")]
        lines.append(cells)
    widths = [max(len(line[i]) for line in lines) for i in range(len(titles))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cell(mean: Mean) -> str:
    return f"{mean.mean:.3f} ±{(mean.high - mean.low) / 2:.3f}" if mean.n else "-"
