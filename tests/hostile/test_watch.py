"""The watch sees what it is there for, and the cases for slow readers are of every kind."""

from pathlib import Path

import pytest

from engine.images import decode
from tests.hostile.case import encoded, scene
from tests.hostile.corpus import HOSTILE_NAMES, chosen
from tests.hostile.damage import sound_files
from tests.hostile.watch import grown, reads_memory, watched_writes


def test_all_that_changes_the_disk_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").write_text("before")
    with watched_writes() as touched:
        (tmp_path / "there").read_text()
        assert touched == [], "reading is no change"
        for change, event, paths in (
            (lambda: Path("new").write_bytes(b"x"), "open", ["new"]),
            (lambda: Path("folder").mkdir(), "os.mkdir", ["folder"]),
            (lambda: Path("new").replace("folder/moved"), "os.rename", ["new", "folder/moved"]),
            (lambda: Path("link").symlink_to("there"), "os.symlink", ["there", "link"]),
            (lambda: Path("link").unlink(), "os.remove", ["link"]),
            (lambda: Path("folder/moved").unlink(), "os.remove", ["folder/moved"]),
            (lambda: Path("folder").rmdir(), "os.rmdir", ["folder"]),
        ):
            touched.clear()
            change()
            assert touched == [(event, str(tmp_path / path)) for path in paths]
        touched.clear()
    (tmp_path / "after").write_text("x")
    assert touched == [], "only while it watches"


@reads_memory
def test_what_stays_is_seen() -> None:
    """A photo of some kilobytes, and a block of memory that belongs to no object of the engine's."""
    small, kept = encoded(scene(), "PNG"), list[object]()
    size, objects = grown(lambda: decode(small), rounds=2)
    assert objects == 0 and size < 2**20
    assert grown(lambda: kept.append(decode(small)), rounds=2)[1] == 1
    size, objects = grown(lambda: kept.append(b"x" * 2**23), rounds=2)
    assert objects == 0 and size > 2**22


def test_the_chosen_cases_are_of_every_kind() -> None:
    sound = [case for case in chosen() if case.outcome == "picture"]
    assert {case.name for case in sound} >= set(HOSTILE_NAMES), "each name belongs to a sound photo"
    kinds = {case.kind for case in chosen()}
    for codec in ("JPEG", "PNG", "WEBP", "TIFF"):
        assert {f"orientation {number} {codec}" for number in range(1, 9)} <= kinds
    for kind in sound_files():
        assert any(case.startswith(f"{kind} cut at") for case in kinds)
        assert any(case.startswith(f"{kind} damaged") for case in kinds)
    odd = {int(kind.split()[-1]) % 2 for kind in kinds if " damaged " in kind}
    assert odd == {0, 1}, "in the header, and anywhere"
    assert {case.outcome for case in chosen()} == {"picture", "error", "either"}
