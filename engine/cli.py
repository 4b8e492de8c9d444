"""The command line: `expectancy explain | quality | models | train ... | evaluate ...`.

A wrong input is one sentence on stderr and exit code 2, never a traceback. What a command needs is imported
only when it runs, so that `--help` is there at once.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence

from engine.errors import ExplorerError

# command -> (module with configure(parser) and run(args), what it does)
_COMMANDS = {
    "explain": ("engine.explain_command", "maps of one photo: overlays, numbers, manifest"),
    "quality": ("engine.quality_command", "the quality of one photo, and why it is not another"),
    "models": ("engine.models_command", "the networks that can be asked"),
}
_GROUPS = {
    "train": {
        "recogniser": ("engine.training.recogniser", "distil the embedded recogniser"),
        "quality": ("engine.training.quality", "train the embedded quality networks"),
    },
    "evaluate": {
        "recognition": ("engine.evaluation.recognition", "right answers on labelled photos"),
        "quality": ("engine.evaluation.quality", "quality scores against opinion scores"),
        "saliency": ("engine.evaluation.saliency", "maps against human fixations"),
    },
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 when it worked, 2 for input that cannot be used, 130 when interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        args = _parser(words).parse_args(words)
        args.run(args)
    except ExplorerError as error:
        print(f"expectancy: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader of a pipe (`| head`) has had enough
        sys.stderr.close()
        sys.exit(0)
    except KeyboardInterrupt:
        print("expectancy: stopped.", file=sys.stderr)
        sys.exit(130)


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of everything; only the command that is named gets its options, and so its imports."""
    named = [word for word in words if not word.startswith("-")]
    parser = argparse.ArgumentParser(prog="expectancy", description="Why did a vision network answer P, rather than Q?")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (module, words_for) in _COMMANDS.items():
        _add(commands, name, module, words_for, named[:1] == [name])
    for group, members in _GROUPS.items():
        inner = commands.add_parser(group, help=", ".join(members)).add_subparsers(required=True, metavar="WHAT")
        for name, (module, words_for) in members.items():
            _add(inner, name, module, words_for, named[:2] == [group, name])
    return parser


def _add(commands: "argparse._SubParsersAction", name: str, module: str, words: str, wanted: bool) -> None:
    parser = commands.add_parser(name, help=words, description=words[0].upper() + words[1:] + ".")
    if wanted:
        command = importlib.import_module(module)
        command.configure(parser)
        parser.set_defaults(run=command.run)


if __name__ == "__main__":
    main()
