"""A line that says how far a long fit has come."""

import sys


class ProgressLine:
    """Rewrite one line of a terminal; where the output is no terminal, write every tenth line under another.

    It is in the standard error stream, so that results that are printed stay clean.
    """

    def __init__(self) -> None:
        self.stream = sys.stderr
        self.rewrites = self.stream.isatty()
        self.calls = 0

    def show(self, text: str) -> None:
        """Write the line."""
        if self.rewrites:
            self.stream.write(f"\r\x1b[K{text}")
        elif self.calls % 10 == 0:
            self.stream.write(f"{text}\n")
        self.calls += 1
        self.stream.flush()

    def close(self) -> None:
        """Leave the last line standing."""
        if self.rewrites and self.calls:
            self.stream.write("\n")
            self.stream.flush()
