"""Results of a run, read back: the same numbers, or one sentence."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import DataError
from engine.evaluation.results import at_best_layers, order, read
from engine.evaluation.saliency import SCHEMA
from engine.evaluation.saliency_work import Case
from engine.evaluation.summary import as_json, summarise
from engine.scores import SCORES


def photo(nss: float, cc: float | None = 0.5) -> dict[str, dict[str, float | None]]:
    known = {score.id: 0.1 for score in SCORES} | {"nss": nss, "cc": cc}
    return {
        Case("embedded", "gradcam", "layer4").key: known,
        Case("embedded", "features", "layer3").key: known | {"nss": 1},
    }


def content(**changes: object) -> bytes:
    rows = summarise({"a.png": photo(2.0), "b.png": photo(3.0, None)})
    whole = {"schema": SCHEMA, "data": {"title": "Two", "photos": 2, "notes": []}, "errors": {}, "rows": as_json(rows)}
    return json.dumps(whole | changes).encode()


def test_what_was_written_is_read() -> None:
    found = read(content(), "r.json")
    assert (found.data, found.photos, found.errors) == ("Two", 2, 0)
    assert [row.case.method for row in found.rows] == ["gradcam", "features"]
    assert found.rows[0].scores["nss"].mean == 2.5 and found.rows[0].scores["cc"].n == 1


def test_results_without_the_drop_in_percent_are_read_too() -> None:
    """Files of before there was one."""
    rows = as_json(summarise({"a.png": photo(2.0)}))
    for row in rows:
        del row["drop_percent"]
    assert read(content(rows=rows), "r.json").rows[0].drop_percent == {}


def test_order_knows_which_way_is_better() -> None:
    rows = read(content(), "r.json").rows
    assert [row.case.method for row in order(rows, "nss")] == ["gradcam", "features"]
    assert math.isclose(order(rows, "kl")[0].scores["kl"].mean, 0.1)


@pytest.mark.parametrize(
    "wrong",
    [b"", b"no", b"[]", b"{}", content(schema=99), content(rows=[{"model": 1}]), content(rows=7), content(data=None),
     b"[" * 100_000, content(errors=None)],
)  # fmt: skip
def test_anything_else_is_a_sentence(wrong: bytes) -> None:
    with pytest.raises(DataError, match=r"^r\.json .*[.]$"):
        read(wrong, "r.json")


@given(st.binary(max_size=400))
def test_random_bytes_never_crash(data: bytes) -> None:
    with pytest.raises(DataError):
        read(data, "x")


def test_each_map_is_read_at_the_layer_where_it_is_best_on_sound_photos() -> None:
    def scores(nss: float) -> dict[str, float | None]:
        return {score.id: 0.1 for score in SCORES} | {"nss": nss}

    values = {("layer3", 0.0): 1.0, ("layer4", 0.0): 2.0, ("layer3", 15.0): 3.0, ("layer4", 15.0): 0.5}
    cases = {Case("net", "gradcam", layer, 0.0, blur).key: scores(nss) for (layer, blur), nss in values.items()}
    cases |= {Case("net", "gradcam", layer, 1.0).key: scores(nss) for layer, nss in (("layer3", 2.0), ("layer4", 1.0))}
    cases[Case("", "centre-bias", "").key] = scores(0.5)
    found = at_best_layers(summarise({"a.png": cases, "b.png": cases}), "nss")
    assert [(row.case.layer, row.case.smooth, row.case.blur) for row in found] == [
        ("layer4", 0.0, 0.0), ("layer4", 0.0, 15.0), ("layer3", 1.0, 0.0), ("", 0.0, 0.0),
    ]  # fmt: skip
    kl = at_best_layers(summarise({"a.png": cases}), "kl")
    assert [row.case.layer for row in kl] == ["layer3", "layer3", "layer3", ""], "equal scores: the first"
