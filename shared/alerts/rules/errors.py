"""What is wrong with a text of a rule file, and where in it.

Columns count signs from 0; who reads the file makes a line and a column of the file of them.
"""


class ExpressionError(Exception):
    """Something in a text that does not belong there."""

    def __init__(self, column: int, message: str) -> None:
        super().__init__(message)
        self.column = column
        self.message = message
