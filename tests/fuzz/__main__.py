"""`python -m tests.fuzz --seconds 60`: libFuzzer on every reader, guided by coverage (`make fuzz`).

Needs the extra `fuzz`. Each reader runs in a process of its own; the corpus stays in build/fuzz, so that a later run
goes on from it. Exit code 1 and the file's place where a reader fails, and also where nothing was tried.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

BUILD = Path(__file__).parents[2] / "build" / "fuzz"
MOST_BYTES = 1 << 16
LIMITS = (f"-max_len={MOST_BYTES}", "-timeout=25", "-rss_limit_mb=4096", "-print_final_stats=1")


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each reader")
    parser.add_argument("--reader", help="one alone")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        _inside(args.reader, args.seconds)
        return 0
    try:
        import atheris  # noqa: F401
    except ImportError:
        print("atheris is not installed (pip install -e '.[fuzz]'; there are wheels for Linux): nothing was fuzzed.")
        return 1
    from tests.fuzz.readers import READERS

    total, failed, names = 0, 0, [args.reader] if args.reader else list(READERS)
    for name in names:
        tried, whole = _outside(name, args.seconds)
        whole = whole and tried > 0
        total, failed = total + tried, failed + (not whole)
        print(f"{name:16} {tried:9,} executions{'' if whole else '   FAILED'}", flush=True)
    print(f"{len(names)} readers, {total:,} executions, {failed} failed")
    return 1 if failed else 0


def _outside(name: str, seconds: int) -> tuple[int, bool]:
    """Fuzz one reader in a process of its own: (executions, whether nothing was found)."""
    command = [sys.executable, "-m", "tests.fuzz", "--inside", "--reader", name, "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    found = re.search(r"stat::number_of_executed_units:\s+(\d+)", done.stderr)
    if done.returncode:
        print(done.stderr[-4000:])
    return int(found.group(1)) if found else 0, done.returncode == 0


def _inside(name: str, seconds: int) -> None:
    import atheris

    with atheris.instrument_imports(include=["engine", "pages.widgets.session", "PIL"]):
        from tests.fuzz.readers import CASES, READERS

    reader = READERS[name]
    folder = BUILD / name.replace(" ", "-")
    corpus, finds = folder / "corpus", folder / "finds"
    for path in (corpus, finds):
        path.mkdir(parents=True, exist_ok=True)
    seeds = [*reader.seeds(), *(path.read_bytes() for path in sorted((CASES / folder.name).glob("*")))]
    for number, content in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(content)

    def attempt(content: bytes) -> None:
        reader.attempt(content)

    words = [sys.argv[0], str(corpus), f"-max_total_time={seconds}", f"-artifact_prefix={finds}/", *LIMITS]
    atheris.Setup(words, attempt)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
