"""A class's clicks: gathered, saved, put together again."""

import numpy as np
import pytest
from PIL import Image

from engine.clicks import MOST_AT_ONCE, Clicks
from engine.errors import DataError
from engine.fixation_files import read_csv
from engine.images import Photo, decode


def photo(name: str, colour: int = 100, size: tuple[int, int] = (200, 100)) -> Photo:
    return decode(Image.new("RGB", size, (colour, 0, 0)), name)


CAT, DOG = photo("Cat"), photo("Dog", 200, (80, 160))
CORNERS = [(0.0, 0.0), (1.0, 1.0), (0.5, 0.25)]


def test_shares_become_pixels_inside_the_photo() -> None:
    found = Clicks().with_person(CAT, "Ada", CORNERS).on(CAT)
    assert found.size == (200, 100) and found.subjects == ("Ada",)
    assert (found.x[0], found.y[0]) == (0, 0)
    assert 199 < found.x[1] < 200 and 99 < found.y[1] < 100
    assert (found.x[2], found.y[2]) == (100, 25)


def test_whoever_looks_again_corrects_and_others_stay() -> None:
    clicks = Clicks().with_person(CAT, "Ada", CORNERS).with_person(CAT, "Ben", CORNERS[:1])
    again = clicks.with_person(CAT, "Ada", [(0.2, 0.2)])
    assert len(clicks) == 4 and len(again) == 2
    assert len(again.on(CAT).of("Ada")) == 1 and len(again.on(CAT).of("Ben")) == 1
    assert len(again.without_person(CAT, "Ada")) == 1
    assert len(again.without_person(CAT)) == 0
    assert len(again.without_person(CAT, "Cleo")) == 2


@pytest.mark.parametrize(
    "places", [[], [(0.5, 0.5)] * (MOST_AT_ONCE + 1), [(1.1, 0.5)], [(0.5, -0.1)], [(float("nan"), 0.5)]]
)
def test_what_is_no_click_on_the_photo_is_refused(places: list) -> None:
    with pytest.raises(DataError):
        Clicks().with_person(CAT, "Ada", places)


def test_clicks_on_other_photos_serve_the_shuffled_score() -> None:
    clicks = Clicks().with_person(CAT, "Ada", CORNERS)
    assert clicks.others(CAT) is None
    elsewhere = clicks.with_person(DOG, "Ada", [(0.5, 0.5)]).others(CAT)
    assert elsewhere is not None and elsewhere.size == CAT.size
    assert (elsewhere.x[0], elsewhere.y[0]) == (100, 50)


def test_a_class_is_merged_from_files_and_no_click_counts_twice() -> None:
    ada = Clicks().with_person(CAT, "Ada", CORNERS).with_person(DOG, "Ada", CORNERS)
    ben = Clicks().with_person(CAT, "Ben", CORNERS[:2])
    merged, told = ada.with_table(read_csv(ben.csv().encode()), [CAT, DOG])
    assert merged.on(CAT).subjects == ("Ada", "Ben") and len(merged) == 8 and "2 new" in told
    again, told = merged.with_table(read_csv(merged.csv().encode()), [CAT, DOG])
    assert len(again) == 8 and "0 new" in told
    np.testing.assert_array_equal(np.sort(again.on(DOG).x), np.sort(ada.on(DOG).x))


def test_a_table_without_photos_belongs_to_the_one_that_is_open() -> None:
    merged, _ = Clicks().with_table(read_csv(b"x,y\n10,20\n"), [DOG, CAT])
    assert len(merged.on(DOG)) == 1 and len(merged.on(CAT)) == 0


def test_rows_on_unknown_photos_are_told_and_alone_refused() -> None:
    table = read_csv(b"image,x,y\nCat,1,1\nzebra.jpg,1,1\n")
    _, told = Clicks().with_table(table, [CAT])
    assert "zebra.jpg were left out" in told
    with pytest.raises(DataError, match="zebra"):
        Clicks().with_table(read_csv(b"image,x,y\nzebra.jpg,1,1\n"), [CAT, DOG])


def test_clicks_outside_their_photo_are_refused_with_its_name() -> None:
    with pytest.raises(DataError, match="On Cat: 1 of 1 fixations lie outside"):
        Clicks().with_table(read_csv(b"image,x,y\nCat,900,1\n"), [CAT])
    with pytest.raises(DataError, match="On Cat"):
        Clicks().with_table(read_csv(b"image,x,y\nCat.png,900,1\n"), [CAT])


def test_two_photos_of_one_name_stay_apart() -> None:
    other = photo("Cat", 7)
    clicks = Clicks().with_person(CAT, "Ada", CORNERS).with_person(other, "Ada", CORNERS[:1])
    assert len(clicks.on(CAT)) == 3 and len(clicks.on(other)) == 1
    assert len(read_csv(clicks.csv().encode()).images) == 2
