"""`expectancy models`: what can be loaded by name."""

import argparse
import json

from engine.models import catalogue


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--card", action="store_true", help="print the embedded network's whole card instead")


def run(args: argparse.Namespace) -> None:
    """Print one network a line: its name, and whether its weights are here."""
    if args.card:
        print(json.dumps(catalogue.card("recogniser"), indent=2, ensure_ascii=False))
        return
    for name in catalogue.names():
        megabytes = catalogue.download_size(name)
        here = "here" if megabytes is None else f"{megabytes:.0f} MB to download"
        print(f"{name:24} {catalogue.title(name):24} {here}")
