"""Fixations, their density, and the files that hold them."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from scipy.io import savemat

from engine.errors import DataError
from engine.fixation_files import plain_subject, read_csv, read_fixations, write_csv
from engine.fixations import Fixations, Pool, density, inside, merge, nobody
from tests.hostile.corpus import cases, sentence_problem

SIZE = (80, 60)


def fixations(n: int = 20, seed: int = 0, size: tuple[int, int] = SIZE) -> Fixations:
    rng = np.random.default_rng(seed)
    subject = np.array([f"viewer {i % 3}" for i in range(n)])
    return Fixations(rng.uniform(0, size[0], n), rng.uniform(0, size[1], n), size, subject, rng.integers(50, 400, n))


def same(a: Fixations, b: Fixations) -> bool:
    return a.size == b.size and all(
        np.array_equal(getattr(a, c), getattr(b, c), equal_nan=c == "duration_ms")
        for c in ("x", "y", "subject", "duration_ms")
    )


def csv_bytes(*lines: str) -> bytes:
    return "\n".join(lines).encode()


def mat_bytes(**variables: object) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, variables)
    return buffer.getvalue()


def png_bytes(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


# --- the object ---------------------------------------------------------------------------------------------


def test_fixations_cannot_be_changed_and_do_not_follow_their_source() -> None:
    x = np.array([1.0, 2.0])
    some = Fixations(x, np.array([3.0, 4.0]), SIZE)
    x[0] = 50
    assert some.x.tolist() == [1, 2]
    with pytest.raises(ValueError):
        some.x[0] = 5
    assert some.subjects == ("",)
    assert np.isnan(some.duration_ms).all()


def test_outside_is_refused_or_left_out() -> None:
    with pytest.raises(DataError, match=r"1 of 2 .* 80 x 60 pixels, the first at \(80, 3\)"):
        Fixations(np.array([1.0, 80.0]), np.array([2.0, 3.0]), SIZE)
    with pytest.raises(DataError, match="look swapped"):
        Fixations(np.array([10.0, 20.0]), np.array([70.0, 5.0]), SIZE)
    with pytest.raises(DataError, match="outside"):
        Fixations(np.array([np.nan]), np.array([1.0]), SIZE)
    with pytest.raises(DataError, match="as many x as y"):
        Fixations(np.array([1.0]), np.array([1.0, 2.0]), SIZE)
    kept = inside([1, 80, np.nan, -1, 79.9], [2, 2, 2, 2, 59.9], SIZE, list("abcde"), [1, 2, 3, 4, 5])
    assert (kept.x.tolist(), kept.subject.tolist(), kept.duration_ms.tolist()) == ([1, 79.9], ["a", "e"], [1, 5])


def test_subjects_and_merging() -> None:
    some = fixations()
    assert some.subjects == ("viewer 0", "viewer 1", "viewer 2")
    parts = [some.of(name) for name in some.subjects]
    assert sum(map(len, parts)) == len(some)
    assert sorted(merge(parts).x) == sorted(some.x)
    with pytest.raises(DataError, match="one photo size"):
        merge([some, fixations(size=(40, 60))])


@given(st.integers(1, 4000), st.integers(1, 4000), st.floats(0, 1, exclude_max=True))
def test_scaling_never_crosses_the_edge(width: int, height: int, at: float) -> None:
    x, y = np.nextafter(80, 0), at * 60
    small = Fixations(np.array([x]), np.array([min(y, np.nextafter(60, 0))]), SIZE).scaled((width, height))
    assert int(small.x[0]) == width - 1
    assert 0 <= small.y[0] < height


def test_pooling_leaves_one_photo_out() -> None:
    a, b, c = fixations(size=(40, 30)), fixations(7, 1, (160, 120)), fixations(5, 2)
    pool = Pool.of([a, b, c])
    others = pool.without(1, SIZE)
    assert others.size == SIZE
    assert np.allclose(others.x, np.concatenate([a.x * 2, c.x]))
    assert np.allclose(others.y, np.concatenate([a.y * 2, c.y]))
    assert len(pool.without(None, SIZE)) == 32
    assert len(Pool.of([a]).without(0, SIZE)) == 0
    edge = Pool.of([Fixations(np.nextafter([160.0], 0), np.nextafter([120.0], 0), (160, 120))]).without(None, (3, 7))
    assert (int(edge.x[0]), int(edge.y[0])) == (2, 6)


# --- density ------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(st.integers(1, 60), st.integers(1, 60), st.floats(0, 30), st.integers(1, 9), st.integers(0, 99))
def test_density_is_the_filtered_histogram(width: int, height: int, sigma: float, count: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    x, y = chance.uniform(0, width, count), chance.uniform(0, height, count)
    counts = np.zeros((height, width))
    np.add.at(counts, (y.astype(int), x.astype(int)), 1)
    expected = ndimage.gaussian_filter(counts, sigma, mode="constant")
    found = density(Fixations(x, y, (width, height)), sigma)
    assert np.abs(found - expected / expected.sum()).max() <= 1e-12 and found.min() >= 0


def test_density_is_a_gaussian_around_a_fixation() -> None:
    one = Fixations(np.array([40.4]), np.array([30.9]), SIZE)
    map_ = density(one, sigma=4)
    assert map_.shape == (60, 80)
    assert map_.sum() == pytest.approx(1)
    assert np.unravel_index(map_.argmax(), map_.shape) == (30, 40)
    rows, columns = np.mgrid[:60, :80]
    gaussian = np.exp(-((rows - 30) ** 2 + (columns - 40) ** 2) / 32)
    assert np.abs(map_ - gaussian / gaussian.sum()).max() < 1e-3 * map_.max()


@given(st.integers(0, 50), st.integers(0, 50))
@settings(max_examples=20)
def test_density_adds_up(first: int, second: int) -> None:
    a, b = fixations(5, first), fixations(10, second)
    blur = [density(f, 3) for f in (a, b, merge([a, b]))]
    interior = Fixations(np.array([40.0]), np.array([30.0]), SIZE)
    assert density(interior, 3).sum() == pytest.approx(1)
    # Mass that leaves over the border is spread again by the division, so the sum holds up to a factor of each.
    assert np.corrcoef(blur[2].ravel(), (5 * blur[0] + 10 * blur[1]).ravel())[0, 1] > 0.98


def test_density_of_another_size_and_of_nobody() -> None:
    assert density(fixations(), 2, size=(40, 30)).shape == (30, 40)
    with pytest.raises(DataError, match="no fixations"):
        density(nobody(SIZE), 3)


# --- CSV ----------------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["C"]), max_size=12)
across, down = st.floats(0, 80, exclude_max=True), st.floats(0, 60, exclude_max=True)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 80, exclude_max=True),
            st.floats(0, 60, exclude_max=True),
            texts,
            st.none() | st.integers(0, 9999),
        ),
        min_size=1,
        max_size=8,
    ),
    texts,
)
def test_what_is_written_is_read(rows: list[tuple], image: str) -> None:
    x, y, names, duration = zip(*rows, strict=True)
    subject = np.array([plain_subject(name) for name in names])
    some = Fixations(np.array(x), np.array(y), SIZE, subject, np.array(duration, float))
    again = read_csv(write_csv({image: some}).encode()).of(image, SIZE)
    assert same(again, some)


def test_several_photos_and_usual_names() -> None:
    text = csv_bytes(
        "Observer;Filename;Y;X;Duration", "ann;a.jpg;5;10.5;200", "", "bob;b.jpg;6;11;", "ann;a.jpg;7;12;90"
    )
    table = read_csv(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))
    assert table.images == ("a.jpg", "b.jpg")
    a = table.of("a.jpg", SIZE)
    assert (a.x.tolist(), a.y.tolist(), a.duration_ms.tolist()) == ([10.5, 12], [5, 7], [200, 90])
    assert table.of("a.png", SIZE).subjects == ("ann",)  # found by the name without its suffix
    with pytest.raises(DataError, match=r"name a.jpg, b.jpg but not c.jpg"):
        table.of("c.jpg", SIZE)


def test_a_table_without_photos_is_for_the_photo_at_hand() -> None:
    some = read_fixations(csv_bytes("x\ty", "1\t2", "3\t4"), SIZE, image="any.jpg")
    assert (some.x.tolist(), some.y.tolist()) == ([1, 3], [2, 4])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n \n", "is empty"),
        (csv_bytes("x,y"), "has no rows"),
        (csv_bytes("a,b", "1,2"), "needs a header line with the columns x and y; found: a, b"),
        (csv_bytes("1,2", "3,4"), "needs a header line"),
        (csv_bytes("x,y", "1,2", "3,left"), "has left instead of a number in line 3, column y"),
        (csv_bytes("x,y", "1"), "has nothing instead of a number in line 2, column y"),
        (csv_bytes("x,y", "1,nan"), "has nan instead of a number"),
        (csv_bytes("x,y,duration", "1,1,soon"), "column duration"),
        (csv_bytes("x,y", "1,2", "900,20"), "outside the photo of 80 x 60"),
        (csv_bytes("image,x,y", "other.jpg,1,2"), "name other.jpg but not photo.jpg"),
        (csv_bytes("x,y", '1,"2'), "not a well-formed CSV"),
        (csv_bytes("x,y", "<script>,2"), "has _script_ instead"),
        ("x,y\n1,é".encode("latin-1"), "not a text in UTF-8"),
        (b"x,y\n1,2\0", "instead of a number|not a well-formed"),
    ],
)
def test_wrong_tables_are_told_in_a_sentence(content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read_fixations(content, SIZE, image="photo.jpg", name="../my <b>fixations</b>.csv")
    assert sentence_problem(str(caught.value)) is None


def test_names_of_subjects_do_nothing() -> None:
    table = read_csv(csv_bytes("x,y,subject", "1,2,=cmd|' /C calc'!A0", "1,2,<script>alert(1)</script>"))
    assert not any(set(name) & set("=<>|/") for name in table.subject)


# --- fixation maps and MATLAB -------------------------------------------------------------------------------


def test_a_map_gives_its_pixels() -> None:
    pixels = np.zeros((60, 80), np.uint8)
    pixels[[3, 30], [5, 70]] = 255
    assert np.array_equal(read_fixations(png_bytes(pixels), SIZE).x, [5.5, 70.5])
    twice = read_fixations(png_bytes(pixels), (160, 120))
    assert (twice.x.tolist(), twice.y.tolist()) == ([11, 141], [7, 61])


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros((60, 80), np.uint8), "black all over"),
        (np.tile(np.arange(80, dtype=np.uint8), (60, 1)), "as a blurred density does"),
        (np.eye(60, 60, dtype=np.uint8) * 255, "proportions differ"),
    ],
)
def test_wrong_maps_are_told_in_a_sentence(pixels: np.ndarray, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read_fixations(png_bytes(pixels), SIZE)
    assert sentence_problem(str(caught.value)) is None


def test_matlab_layouts() -> None:
    locations = np.zeros((60, 80), np.uint8)
    locations[7, 9] = 1
    assert read_fixations(mat_bytes(fixLocs=locations), SIZE).x.tolist() == [9.5]
    gaze = np.array([(np.array([[1, 1], [80, 60], [90, 2]]),), (np.zeros((0, 0)),)], dtype=[("fixations", object)])
    salicon = read_fixations(mat_bytes(gaze=gaze, image="a"), SIZE)
    assert (salicon.x.tolist(), salicon.y.tolist()) == ([0, 79], [0, 59])
    viewer = {"fix_x": np.array([3.0, 200.0]), "fix_y": np.array([4.0, 5.0]), "fix_duration": np.array([100, 200])}
    cells = np.empty((1, 1), object)
    cells[0, 0] = {"img": "1001.jpg", "subjects": viewer}
    osie = read_fixations(mat_bytes(fixations=cells), SIZE, image="1001.jpg")
    assert (osie.x.tolist(), osie.y.tolist(), osie.duration_ms.tolist()) == ([3], [4], [100])
    assert read_fixations(mat_bytes(x=[1.0, 2.0], y=[3.0, 4.0]), SIZE).y.tolist() == [3, 4]
    assert read_fixations(mat_bytes(points=np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])), SIZE).x.tolist() == [
        1,
        3,
        5,
    ]


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"other": np.eye(3)}, "holds other, which is not a known layout"),
        ({"x": [1.0, 2.0], "y": [1.0]}, "different lengths"),
        ({"fixLocs": np.zeros((60, 80))}, "marks no fixation"),
        ({"fixLocs": np.eye(60)}, "proportions differ"),
        ({"x": [900.0], "y": [1.0]}, "no fixation inside the photo"),
        ({"gaze": {"location": np.eye(2)}}, "no matrix where one is expected"),
        ({"fixations": {"a": 1}}, "not laid out as OSIE's"),
    ],
)
def test_wrong_matlab_files_are_told_in_a_sentence(variables: dict, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read_fixations(mat_bytes(**variables), SIZE, image="1001.jpg")
    assert sentence_problem(str(caught.value)) is None


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
def test_hostile_pictures_as_fixations_give_a_sentence() -> None:
    for case in cases():
        try:
            assert isinstance(read_fixations(case.content, SIZE, image="a.jpg", name=case.name), Fixations)
        except DataError as error:
            assert sentence_problem(str(error)) is None, case.kind


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda t: b"x,y\n" + t.encode("utf-8", "replace")))
@settings(max_examples=300)
def test_any_bytes_give_fixations_or_a_sentence(content: bytes) -> None:
    try:
        assert isinstance(read_fixations(content, SIZE, image="a.jpg"), Fixations)
    except DataError as error:
        assert sentence_problem(str(error)) is None
