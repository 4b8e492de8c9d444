"""Data sets in every layout, written by the tests as their authors publish them, and damaged in every way."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from engine.errors import DataError
from engine.evaluation.datasets import LAYOUTS, open_data

SIZE = (80, 60)
POINTS = {"a": ([3.0, 70.0], [4.0, 50.0]), "b": ([10.0], [20.0])}


def jpeg(seed: int = 0, size: tuple[int, int] = SIZE) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def put(path: Path, content: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def put_mat(path: Path, **variables: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, variables, do_compression=True)


def cells(*values: object) -> np.ndarray:
    array = np.empty((1, len(values)), object)
    array[0, :] = values
    return array


def mask(points: tuple[list[float], list[float]]) -> np.ndarray:
    marked = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    marked[np.array(points[1], int), np.array(points[0], int)] = 1
    return marked


def put_photos(folder: Path, names: tuple[str, ...] = ("a.jpg", "b.jpg")) -> None:
    for seed, name in enumerate(names):
        put(folder / name, jpeg(seed))


def rows() -> str:
    lines = [
        f"{name}.jpg,s{i},{x},{y},200" for name, p in POINTS.items() for i, (x, y) in enumerate(zip(*p, strict=True))
    ]
    return "\n".join(["image,subject,x,y,duration_ms", *lines])


def plain(folder: Path) -> None:
    put_photos(folder)
    put(folder / "fixations.csv", rows())


def plain_zip(folder: Path) -> None:
    put(folder / "fixations.csv", rows())
    with zipfile.ZipFile(folder / "stimuli.zip", "w") as archive:
        for seed, name in enumerate(("a.jpg", "b.jpg")):
            archive.writestr(f"photos/{name}", jpeg(seed))
        archive.writestr("__MACOSX/a.jpg", b"rubbish")


def osie(folder: Path) -> None:
    put_photos(folder / "stimuli")
    entries = []
    for name, (x, y) in POINTS.items():
        viewer = {"fix_x": np.array([*x, 900.0]), "fix_y": np.array([*y, 1.0]), "fix_duration": np.ones(len(x) + 1)}
        nobody = {"fix_x": np.zeros(0), "fix_y": np.zeros(0), "fix_duration": np.zeros(0)}
        entries.append({"img": f"{name}.jpg", "subjects": cells(viewer, nobody)})
    put_mat(folder / "eye" / "fixations.mat", fixations=cells(*entries).T)


def mit1003(folder: Path) -> None:
    put_photos(folder / "ALLSTIMULI", ("a.jpeg", "b.jpeg"))
    for name, points in POINTS.items():
        buffer = io.BytesIO()
        Image.fromarray(mask(points) * np.uint8(255)).save(buffer, "JPEG", quality=95)
        put(folder / "ALLFIXATIONMAPS" / f"{name}_fixPts.jpg", buffer.getvalue())
        put(folder / "ALLFIXATIONMAPS" / f"{name}_fixMap.jpg", jpeg())


def cat2000(folder: Path) -> None:
    for name, points in POINTS.items():
        put(folder / "trainSet" / "Stimuli" / name.upper() / "001.jpg", jpeg())
        put(folder / "trainSet" / "Stimuli" / name.upper() / "Output" / "001_SaliencyMap.jpg", jpeg())
        put_mat(folder / "trainSet" / "FIXATIONLOCS" / name.upper() / "001.mat", fixLocs=mask(points))


def salicon(folder: Path) -> None:
    for split, name in (("train", "a"), ("val", "b")):
        put(folder / "images" / split / f"COCO_{name}.jpg", jpeg())
        points = np.array(POINTS[name]).T + 1
        gaze = np.array([(points, points)], dtype=[("location", object), ("fixations", object)])
        put_mat(folder / "fixations" / split / f"COCO_{name}.mat", gaze=gaze, image=name)
    put(folder / "images" / "test" / "COCO_c.jpg", jpeg())


def toronto(folder: Path) -> None:
    put_photos(folder / "fixdens" / "Original Image Set", ("1.jpg", "2.jpg"))
    put_mat(folder / "fixdens" / "origfixdata.mat", white=cells(*(mask(p) for p in POINTS.values())))


@pytest.mark.parametrize(
    ("write", "layout", "names", "degree"),
    [
        (plain, "plain", ("a.jpg", "b.jpg"), 2.4),
        (plain_zip, "plain", ("a.jpg", "b.jpg"), 2.4),
        (osie, "osie", ("a.jpg", "b.jpg"), 24),
        (mit1003, "mit1003", ("a.jpeg", "b.jpeg"), 35),
        (cat2000, "cat2000", ("A/001.jpg", "B/001.jpg"), 38),
        (salicon, "salicon", ("train/COCO_a.jpg", "val/COCO_b.jpg"), 2.4),
        (toronto, "toronto", ("1.jpg", "2.jpg"), 2.4),
    ],
)
@pytest.mark.parametrize("named", [False, True])
def test_every_layout(write, layout: str, names: tuple[str, ...], degree: float, named: bool, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    write(tmp_path)
    data = open_data(tmp_path, layout if named else None)
    assert data.names == names
    for name, (x, y) in zip(names, POINTS.values(), strict=True):
        one = data.fixations[name]
        assert one.size == SIZE
        assert sorted(np.floor(one.x)) == sorted(x)
        assert sorted(np.floor(one.y)) == sorted(y)
        assert data.photo(name).size == SIZE
        assert data.degree(name) == pytest.approx(degree)


def test_a_data_set_travels_to_another_process(tmp_path: Path) -> None:
    plain_zip(tmp_path)
    data = open_data(tmp_path)
    again = pickle.loads(pickle.dumps(data))
    assert again.digest == data.digest
    assert again.photo("a.jpg").digest == data.photo("a.jpg").digest


def test_the_digest_follows_the_fixations(tmp_path: Path) -> None:
    plain(tmp_path)
    before = open_data(tmp_path).digest
    put(tmp_path / "fixations.csv", rows().replace("70.0", "70.5"))
    assert open_data(tmp_path).digest != before


def test_large_photos_are_not_reduced(tmp_path: Path) -> None:
    put(tmp_path / "wide.jpg", jpeg(size=(2600, 40)))
    put(tmp_path / "fixations.csv", "image,x,y\nwide.jpg,2599,3")
    data = open_data(tmp_path)
    assert data.photo("wide.jpg").size == data.fixations["wide.jpg"].size == (2600, 40)


def test_what_lacks_its_partner_is_told(tmp_path: Path) -> None:
    plain(tmp_path)
    put(tmp_path / "extra.jpg", jpeg())
    assert open_data(tmp_path).notes == ("1 photos without fixations are left out.",)
    salicon(tmp_path / "salicon")
    put_mat(tmp_path / "salicon" / "fixations" / "val" / "lonely.mat", gaze=np.zeros(1))
    notes = open_data(tmp_path / "salicon").notes
    assert notes == (
        "1 fixation files without a photo are left out.",
        "1 photos without fixations are left out.",
    )


def _missing_photo(folder: Path) -> None:
    (folder / "b.jpg").unlink()


def _outside(folder: Path) -> None:
    put(folder / "fixations.csv", rows().replace("70.0", "700"))


def _no_image_column(folder: Path) -> None:
    put(folder / "fixations.csv", "x,y\n1,2")


def _empty_table(folder: Path) -> None:
    put(folder / "fixations.csv", "")


def _wrong_columns(folder: Path) -> None:
    put(folder / "fixations.csv", "image,left,top\na.jpg,1,2")


def _broken_photo(folder: Path) -> None:
    put(folder / "b.jpg", b"text")


def _two_of_a_name(folder: Path) -> None:
    put(folder / "more" / "a.jpg", jpeg())


def _broken_zip(folder: Path) -> None:
    (folder / "a.jpg").unlink()
    (folder / "b.jpg").unlink()
    put(folder / "stimuli.zip", b"PK\3\4 rubbish")


def _no_photos(folder: Path) -> None:
    (folder / "a.jpg").unlink()
    (folder / "b.jpg").unlink()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_missing_photo, "names 1 photos that are not there, the first is b.jpg"),
        (_outside, r"photo a.jpg: 1 of 2 fixations lie outside the photo of 80 x 60 pixels, the first at \(700, 50\)"),
        (_no_image_column, "needs a column image"),
        (_empty_table, "needs a header line"),
        (_wrong_columns, "found: image, left, top"),
        (_broken_photo, "picture b.jpg is not a picture"),
        (_two_of_a_name, "Two photos .* are named a.jpg"),
        (_broken_zip, "stimuli.zip is damaged"),
        (_no_photos, "neither photos nor one zip"),
    ],
)
def test_damaged_plain_folders_give_a_sentence(damage, words: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    plain(tmp_path)
    damage(tmp_path)
    with pytest.raises(DataError, match=words) as caught:
        open_data(tmp_path)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("write", [osie, mit1003, cat2000, salicon, toronto])
def test_nothing_that_pairs_gives_a_sentence(write, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    write(tmp_path)
    pictures = [path for path in tmp_path.rglob("*.jp*g") if not path.stem.endswith(("_fixPts", "_fixMap"))]
    for number, path in enumerate(pictures):
        path.rename(path.with_name(f"other{number}.jpg"))
    with pytest.raises(DataError, match="has fixations of the same name"):
        open_data(tmp_path)


@pytest.mark.parametrize("write", [osie, toronto, cat2000, salicon])
def test_damaged_matlab_files_give_a_sentence(write, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    write(tmp_path)
    path = next(tmp_path.rglob("*.mat"))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"damaged|holds no cell array|is not a known layout"):
        open_data(tmp_path)


def test_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no folder"):
        open_data(tmp_path / "missing")
    with pytest.raises(DataError, match=r"get MIT1003 \(people.csail.mit.edu"):
        open_data(tmp_path / "missing", "mit1003")
    with pytest.raises(DataError, match="holds no known data set; lay it out as plain"):
        open_data(tmp_path)
    with pytest.raises(DataError, match=r"There is no layout imagenet; choose one of plain, osie"):
        open_data(tmp_path, "imagenet")
    plain(tmp_path)
    with pytest.raises(DataError, match="is not laid out as OSIE: stimuli with"):
        open_data(tmp_path, "osie")


def test_every_layout_says_where_to_get_it() -> None:
    assert len({layout.id for layout in LAYOUTS}) == 6
    assert all(layout.source and layout.folder for layout in LAYOUTS)


@pytest.mark.data
def test_the_development_data() -> None:
    folder = Path(os.environ.get("EXPECTANCY_DATA", Path(__file__).parents[2] / "../shared/data")) / "osie"
    if not folder.is_dir():
        pytest.skip("no development data (EXPECTANCY_DATA)")
    data = open_data(folder)
    assert len(data.names) == 200
    assert data.degree("1001.jpg") == 24
    assert sum(map(len, data.fixations.values())) == 27_824
    assert data.photo("1001.jpg").size == data.fixations["1001.jpg"].size == (800, 600)
