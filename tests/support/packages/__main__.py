"""Installs them ahead of the tests, whose patience is shorter than a download may take.

`python -m tests.support.packages`, as `make test` does.
"""

from tests.support.packages import frameworks

if __name__ == "__main__":
    frameworks()
