"""Results by photo brought together: means over photos with confidence intervals, and drops under blur."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from engine.evaluation.saliency_work import Case
from engine.scores import SCORES, Score

RESAMPLES = 2000
SHARE = 0.95

DROPS = ("nss", "cc", "auc_shuffled")
"""The scores of which a terminal is told what blur takes."""

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
    """A case's scores by id.

    Attributes:
        drop: by how much each mean is worse than on the photos without blur.
        drop_percent: the same in percent of what the mean was above chance then; only where it was so surely, its
            interval lying above chance.
    """

    case: Case
    scores: Mapping[str, Mean]
    drop: Mapping[str, Mean]
    drop_percent: Mapping[str, Mean] = field(default_factory=dict)


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
        drop, percent = {}, {}
        if clean is not None:
            signs = {score.id: 1 if score.higher_is_better else -1 for score in SCORES}
            drop = {name: _mean(signs[name] * (clean[name] - values), draws) for name, values in table[key].items()}
            above = {s.id: s.chance for s in SCORES if s.higher_is_better}
            ratios = {name: _lost(clean[name] - above[name], table[key][name] - above[name], draws) for name in above}
            percent = {name: mean for name, mean in ratios.items() if mean is not None}
        rows.append(Row(case, {name: _mean(values, draws) for name, values in table[key].items()}, drop, percent))
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


def _lost(clean: np.ndarray, values: np.ndarray, draws: np.ndarray) -> Mean | None:
    """How many percent of the mean of `clean` are gone in that of `values`; None where there is surely nothing to lose.

    The ratio of two means is drawn as a whole, both over the same photos.
    """
    both = ~np.isnan(clean) & ~np.isnan(values)
    before, after = np.where(both, clean, np.nan), np.where(both, values, 0.0)
    if not _mean(before, draws).low > 0:
        return None
    had = np.nan_to_num(before)[draws].sum(axis=1)
    shares = 100 * (1 - after[draws].sum(axis=1)[had > 0] / had[had > 0])
    low, high = np.quantile(shares, [(1 - SHARE) / 2, (1 + SHARE) / 2])
    return Mean(float(100 * (1 - after.sum() / np.nansum(before))), float(low), float(high), int(both.sum()))


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
            "drop_percent": numbers(row.drop_percent),
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
    """The rows as a table for a terminal: means, with half the interval's width; below it the drops under blur."""
    lines = [["network", "method", "layer", "smooth", "blur", *(s.title for s in SCORES)]]
    for row in rows:
        lines.append([*_named(row.case), f"{row.case.blur:g}", *(_cell(row.scores[score.id]) for score in SCORES)])
    text, maps = _aligned(lines), by_blur(rows)
    if not maps:
        return text
    radii = sorted({radius for _, blurred in maps for radius in blurred})
    drops = [["network", "method", "layer", "smooth", "score", "r = 0", *(f"r = {radius:g}" for radius in radii)]]
    for clean, blurred in maps:
        for score in (score for score in SCORES if score.id in DROPS):
            told = [lost(blurred[radius], score) if radius in blurred else "" for radius in radii]
            drops.append([*_named(clean.case), score.title, _cell(clean.scores[score.id]), *told])
    return f"{text}\n\nLost to blur, in percent of what is above chance (interval of 95 %):\n{_aligned(drops)}"


def by_blur(rows: Sequence[Row]) -> list[tuple[Row, dict[float, Row]]]:
    """The tutorial's form: each map on the photos as they are, and on the blurred ones by radius; [] without blur."""
    found: dict[Case, dict[float, Row]] = {}
    for row in rows:
        found.setdefault(replace(row.case, blur=0.0), {})[row.case.blur] = row
    clean = {case: levels.pop(0.0) for case, levels in found.items() if 0.0 in levels}
    return [(clean[case], levels) for case, levels in found.items() if levels and case in clean]


def lost(row: Row, score: Score) -> str:
    """What blur took: "−36 % (−42 to −30)" of what was above chance, a rise in itself for scores that lower is better.

    "–" where there was surely nothing to lose.
    """
    percent = score.higher_is_better
    found = (row.drop_percent if percent else row.drop).get(score.id)
    if found is None or not found.n:
        return "–"
    sign = -1 if percent else 1
    mean, *ends = (sign * value for value in (found.mean, found.low, found.high))
    shown = [_signed(value, 0 if percent else 2) for value in (mean, *sorted(ends))]
    return f"{shown[0]}{' %' if percent else ''} ({shown[1]} to {shown[2]})"


def _signed(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", "−")  # "+ 0.0": no zero below zero


def _named(case: Case) -> list[str]:
    return [case.model or "-", case.method, case.layer or "-", f"{case.smooth:g}"]


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cell(mean: Mean) -> str:
    return f"{mean.mean:.3f} ±{(mean.high - mean.low) / 2:.3f}" if mean.n else "-"
