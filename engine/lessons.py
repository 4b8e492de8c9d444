"""Lessons: folders of Markdown files, each a step with a text, a state of a real page, and a question.

A step's file begins with a header between two lines `---`, one `key: value` a line: `title`, `page`, and, where they
are wanted, `state` (as in the page's address), `live` (pieces of the real tool) and `show` (which panels of a page
whose address does not say). What follows is the text. A heading `## Question` begins the question: its text, the
choices as a task list in which `[x]` marks the right one, and what is told to those who found it. Indented lines below
a choice are told to those who picked it.

A file that cannot be used costs its own step alone, and becomes one sentence with the file and the line.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

from engine.errors import DataError

TITLE_FILE = "title.txt"
LARGEST = 200_000
"""Bytes of a step's file; a text to be read in a few minutes has some 5,000."""
_KEYS = ("title", "page", "state", "live", "show")
_LONGEST_TITLE = 100
_CHOICE = re.compile(r"[-*] \[( |x|X)\] +(\S.*)")

Query = dict[str, str]


@dataclass(frozen=True)
class Known:
    """What a step may name: pages with the panels that `show` may choose from, and live pieces.

    `check(page, query)` says what is wrong with a page's state, without a full stop, or "".
    """

    pages: Mapping[str, Sequence[str]]
    pieces: Sequence[str]
    check: Callable[[str, Query], str] = lambda page, query: ""


@dataclass(frozen=True)
class Choice:
    """One answer to choose; `reply` is told to those who chose it ("" for nothing of its own)."""

    text: str
    right: bool
    reply: str = ""


@dataclass(frozen=True)
class Question:
    """A question with two or more choices, one of them right, and the text that explains the answer."""

    text: str
    choices: tuple[Choice, ...]
    answer: str

    @property
    def right(self) -> int:
        """Which choice is right, from 0."""
        return next(at for at, choice in enumerate(self.choices) if choice.right)


@dataclass(frozen=True)
class Step:
    """A step of a lesson.

    `id` is its file's name without number and suffix; `text` is Markdown with formulas between dollar signs; `query`
    is the page's state as (name, value) pairs; `live` names pieces of the tool and `show` panels.
    """

    id: str
    title: str
    text: str
    page: str
    query: tuple[tuple[str, str], ...] = ()
    live: tuple[str, ...] = ()
    show: tuple[str, ...] = ()
    question: Question | None = None


@dataclass(frozen=True)
class Lesson:
    """The steps of a folder in the order of their files' names, and a sentence for each file that cannot be used."""

    id: str
    title: str
    steps: tuple[Step, ...]
    problems: tuple[str, ...] = ()


def lessons(folder: Path, known: Known) -> tuple[Lesson, ...]:
    """Every lesson in `folder`: the folder itself, and each folder in it, where they hold Markdown files.

    Raises DataError where there is no such folder or no lesson in it.
    """
    try:
        inside = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"The folder of lessons {folder.name} cannot be opened; check its path.") from error
    found = tuple(lesson(each, known) for each in (folder, *inside) if _files(each))
    if not found:
        raise DataError(f"The folder {folder.name} holds no lesson: no file in it ends in .md.")
    return found


def lesson(folder: Path, known: Known) -> Lesson:
    """One lesson: its steps, and what is wrong with the files that are no step."""
    steps: dict[str, Step] = {}
    problems = []
    for path in _files(folder):
        try:
            step = read_step(_text(path), path.name, known)
            if step.id in steps:
                raise DataError(f"{path.name}: another file is the step “{step.id}” already; rename one of them.")
            steps[step.id] = step
        except DataError as error:
            problems.append(str(error))
    return Lesson(folder.name, _title(folder), tuple(steps.values()), tuple(problems))


def read_step(text: str, name: str, known: Known) -> Step:
    """The step in the text of the file `name`. Raises DataError, which names the file and the line."""
    lines = text.removeprefix("\ufeff").splitlines()
    header, first = _header(lines, name)
    for key in ("title", "page"):
        if not header.get(key, ("", 0))[0]:
            raise DataError(f"{name}, line 1: the header has no {key}; add a line “{key}: …”.")
    title, line = header["title"]
    if len(title) > _LONGEST_TITLE:
        raise _wrong(name, line, f"the title has {len(title)} characters; {_LONGEST_TITLE} at most fit")
    page, line = header["page"]
    if page not in known.pages:
        raise _wrong(name, line, f"there is no page “{page}”; choose one of {', '.join(known.pages)}")
    query = _query(header, name)
    wrong = known.check(page, dict(query))
    if wrong:
        raise _wrong(name, header.get("state", header["page"])[1], wrong)
    body, question = _body(lines, first, name)
    live = _words(header, "live", known.pieces, name)
    show = _words(header, "show", known.pages[page], name)
    return Step(_id(name), title, body, page, query, live, show, question)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.md") if path.is_file() and not path.name.startswith("."))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(f"{path.name} is larger than {LARGEST // 1000} kB; divide it into several steps.")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is not text in UTF-8; save it as such.") from error
    except OSError as error:
        raise DataError(f"{path.name} cannot be read; check its permissions.") from error


def _title(folder: Path) -> str:
    """The first line of the title file, else the folder's name in words."""
    try:
        lines = (folder / TITLE_FILE).read_text(encoding="utf-8")[:1000].split("\n")
        written = lines[0].strip()[:_LONGEST_TITLE]
    except (OSError, UnicodeDecodeError):
        written = ""
    words = re.sub(r"[-_\s]+", " ", folder.name).strip() or "Lesson"
    return written or words[0].upper() + words[1:]


def _id(name: str) -> str:
    """ "travel" of "03-travel.md"."""
    plain = re.sub(r"[^a-z0-9]+", "-", Path(name).stem.lower()).strip("-")
    return re.sub(r"^[0-9]+-", "", plain) or "step"


def _header(lines: Sequence[str], name: str) -> tuple[dict[str, tuple[str, int]], int]:
    """The header's values with their lines (from 1), and where the text begins (from 0)."""
    if not lines or lines[0].strip() != "---":
        raise DataError(f"{name}, line 1: a step begins with a header between two lines “---”.")
    values: dict[str, tuple[str, int]] = {}
    for at, line in enumerate(lines[1:], 2):
        if line.strip() == "---":
            return values, at
        if not line.strip():
            continue
        key, colon, value = (part.strip() for part in line.partition(":"))
        if not colon:
            raise _wrong(name, at, "a line of the header is “key: value”")
        if key not in _KEYS:
            raise _wrong(name, at, f"the header knows no “{key}”; choose from {', '.join(_KEYS)}")
        if key in values:
            raise _wrong(name, at, f"the header has “{key}” twice")
        values[key] = (value, at)
    raise DataError(f"{name}, line 1: the header does not end; close it with a line “---”.")


def _words(header: Mapping[str, tuple[str, int]], key: str, allowed: Sequence[str], name: str) -> tuple[str, ...]:
    """The comma-separated words of a header's line, each once and one of those allowed."""
    value, line = header.get(key, ("", 0))
    words = tuple(dict.fromkeys(word.strip() for word in value.split(",") if word.strip()))
    for word in words:
        if word not in allowed:
            choices = f"choose from {', '.join(allowed)}" if allowed else "this page has none to choose from"
            raise _wrong(name, line, f"“{key}” cannot be “{word}”; {choices}")
    return words


def _query(header: Mapping[str, tuple[str, int]], name: str) -> tuple[tuple[str, str], ...]:
    """The state as pairs, written as in an address: "photo=cat&panels=gradcam,contrast"."""
    value, line = header.get("state", ("", 0))
    value = value.removeprefix("?")
    if not value:
        return ()
    try:
        pairs = parse_qsl(value, keep_blank_values=True, strict_parsing=True, max_num_fields=20, errors="strict")
    except ValueError as error:
        raise _wrong(name, line, "the state is not written as in an address: “photo=cat&panels=gradcam”") from error
    if len({key for key, _ in pairs}) < len(pairs):
        raise _wrong(name, line, "the state names something twice")
    return tuple(pairs)


def _body(lines: Sequence[str], first: int, name: str) -> tuple[str, Question | None]:
    """The text from line `first` (from 0) on, and the question below it."""
    for at in range(first, len(lines)):
        if re.search(r"!\[[^\]]*\]\(|<img", lines[at]):
            raise _wrong(name, at + 1, "a text holds no pictures; let a live piece show them")
    heads = [at for at in range(first, len(lines)) if lines[at].strip().lower() == "## question"]
    end = heads[0] if heads else len(lines)
    text = "\n".join(lines[first:end]).strip()
    if not text:
        raise _wrong(name, first, "the step has no text below its header")
    return text, _question(lines, heads[0], name) if heads else None


def _question(lines: Sequence[str], head: int, name: str) -> Question:
    """The question whose heading is line `head` (from 0)."""
    asked: list[str] = []
    choices: list[Choice] = []
    answer: list[str] = []
    for line, found in _parts(lines[head + 1 :]):
        if found:
            choices.append(Choice(found[2].strip(), found[1] != " "))
        elif choices and not answer and line[:1].isspace() and line.strip():
            last = choices[-1]
            choices[-1] = Choice(last.text, last.right, f"{last.reply} {line.strip()}".strip())
        elif choices and (answer or line.strip()):
            answer.append(line)
        elif not choices:
            asked.append(line)
    text, told = "\n".join(asked).strip(), "\n".join(answer).strip()
    right = sum(choice.right for choice in choices)
    wrong = (
        "the question has no text" if not text
        else "the question needs two choices or more, each a line “- [ ] …”" if len(choices) < 2
        else "the question has no right choice; mark it “- [x] …”" if not right
        else "the question has several right choices; mark one" if right > 1
        else "the question does not say why, below its choices" if not told
        else ""
    )  # fmt: skip
    if wrong:
        raise _wrong(name, head + 1, wrong)
    return Question(text, tuple(choices), told)


def _parts(lines: Sequence[str]) -> Iterator[tuple[str, re.Match[str] | None]]:
    """Each line, and what it says where it is a choice."""
    for line in lines:
        yield line, _CHOICE.fullmatch(line.rstrip())


def _wrong(name: str, line: int, what: str) -> DataError:
    return DataError(f"{name}, line {line}: {what}.")
