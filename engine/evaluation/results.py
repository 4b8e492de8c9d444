"""The files that `expectancy evaluate saliency --json` writes, read back and checked."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import DataError
from engine.evaluation.saliency import SCHEMA
from engine.evaluation.saliency_work import Case
from engine.evaluation.summary import Mean, Row
from engine.scores import SCORES

LARGEST = 20 * 2**20


@dataclass(frozen=True)
class Results:
    """A finished run: the data set's title, how many photos were scored, and a row for each case."""

    data: str
    photos: int
    rows: tuple[Row, ...]
    errors: int


def read(content: bytes, name: str) -> Results:
    """The results in a file's content. Raises DataError with a sentence where it is not such a file."""
    if len(content) > LARGEST:
        raise DataError(f"{name} is larger than 20 MB; the results of a run are far smaller.")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is not JSON; choose a file written with --json.") from error
    if not isinstance(found, dict) or "rows" not in found:
        raise DataError(f"{name} holds no results; choose a file written by `expectancy evaluate saliency --json`.")
    if found.get("schema") != SCHEMA:
        raise DataError(f"{name} was written by another version (schema {found.get('schema')!s:.20}); run it again.")
    try:
        rows = tuple(_row(entry) for entry in found["rows"])
        return Results(str(found["data"]["title"])[:80], int(found["data"]["photos"]), rows, len(found["errors"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{name} is damaged: its rows are not as they are written.") from error


def order(rows: Sequence[Row], score: str) -> list[Row]:
    """Rows from the best to the worst by one score's mean; those without it last."""
    better = next(known for known in SCORES if known.id == score).higher_is_better

    def key(row: Row) -> float:
        mean = row.scores[score].mean if score in row.scores else math.nan
        return math.inf if math.isnan(mean) else (-mean if better else mean)

    return sorted(rows, key=key)


def at_best_layers(rows: Sequence[Row], score: str) -> list[Row]:
    """Only those rows of each map that belong to the one layer where it scores best on photos that are not blurred."""
    best: dict[tuple[str, str, float], str] = {}
    for row in order([row for row in rows if not row.case.blur], score):
        best.setdefault((row.case.model, row.case.method, row.case.smooth), row.case.layer)
    return [
        row
        for row in rows
        if row.case.layer == best.get((row.case.model, row.case.method, row.case.smooth), row.case.layer)
    ]


def _row(entry: dict[str, Any]) -> Row:
    case = Case(
        str(entry["model"]), str(entry["method"]), str(entry["layer"]), float(entry["smooth"]), float(entry["blur"])
    )
    return Row(case, _means(entry["scores"]), _means(entry["drop"]), _means(entry.get("drop_percent", {})))


def _means(entry: dict[str, Any]) -> dict[str, Mean]:
    """Known scores only; a missing number is NaN."""

    def number(value: object) -> float:
        return math.nan if value is None else float(str(value))

    known = {score.id for score in SCORES}
    return {
        name: Mean(number(value["mean"]), number(value["low"]), number(value["high"]), int(value["n"]))
        for name, value in entry.items()
        if name in known
    }
