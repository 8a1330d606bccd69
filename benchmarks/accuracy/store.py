"""A file of results that grows by one line for each, so that a run can be broken off and taken up again."""

import json
import os

# What tells one measurement from another.
KEY = ("set", "seed", "model", "part", "max_rows", "budget", "n_classes", "max_test", "width", "steps")


def key(record):
    """Return what a record is the measurement of."""
    return tuple(record.get(name) for name in KEY)


def read(path):
    """Return the records of a file, the last of each measurement; a line that was cut off is none."""
    records = {}
    if path.is_file():
        for line in path.read_text().splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue  # a process was killed while it wrote, so the measurement is made again
            records[key(record)] = record
    return records


def append(path, record):
    """Add a record: one write to the end of the file, so that several processes may share it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(record, allow_nan=False).encode() + b"\n"
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        end = os.lseek(file, 0, os.SEEK_END)
        if end and os.pread(file, 1, end - 1) != b"\n":
            line = b"\n" + line
        os.write(file, line)
    finally:
        os.close(file)
