"""One script a figure, each against a naive peer in the same run: `python -m bench [FIGURE ...]`."""
