"""What evaluation needs from outside: somebody who takes its transitions over.

It does not know who: receivers are the business of dispatch.
"""

from typing import Protocol, TypeVar

C_contra = TypeVar("C_contra", contravariant=True)


class Dispatch(Protocol[C_contra]):
    """Takes transitions over; `C_contra` is a connection to the tables."""

    async def within(self, connection: C_contra) -> None:
        """Do what must become visible with the transitions, in their transaction. Raises `Unavailable`."""

    def wake(self) -> None:
        """Transitions have been committed."""
