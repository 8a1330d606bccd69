"""What holds for the tests and for the examples in the docstrings."""

import os

# Figures are drawn in memory, on machines without a screen and with one.
os.environ["MPLBACKEND"] = "Agg"
