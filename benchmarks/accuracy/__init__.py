"""How accurate are the estimators? ``python -m benchmarks.accuracy --help``; see README.md."""
