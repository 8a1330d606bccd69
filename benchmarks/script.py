"""What scripts that write one document have in common: their options and the file."""

import argparse
import json
from pathlib import Path

RESULTS = Path("benchmarks/results")


def make_parser(description, name):
    """Return a parser that knows where the document goes, by default into the file of this name among the results."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=RESULTS / name)
    return parser


def line(parts):
    """Return names with their values in a line."""
    return "  ".join(f"{name} {value}" for name, value in parts.items())


def write(path, document):
    """Write the document as JSON, and say where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2))
    print(f"written to {path}")
