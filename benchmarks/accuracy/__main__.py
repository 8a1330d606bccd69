"""Errors and seconds of models on a folder of tables.

python -m benchmarks.accuracy --data-dir DIR [--models taskneuron,lightgbm] [--sets abalone,paper] [--seeds 3] --out FILE.jsonl

Every table is split 80/20 once for each seed, and all models see the same rows. The error is 1 - R squared or the rate of wrong
labels on the fifth; with --validation the fifth stays unread, and the error is that on a fifth of the rest: for choices.
Each result is a line of FILE.jsonl; what is there is not measured again. README.md says more.
"""

import sys

from benchmarks.accuracy.run import main

if __name__ == "__main__":
    sys.exit(main())
