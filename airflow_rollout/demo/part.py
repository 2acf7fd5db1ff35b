"""A part of the lab: up when its context is entered, gone when it is left."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

__all__ = ["Part"]


class Part(ABC):
    """Come up on entering and end on leaving; one that does not come up ends what it began."""

    def __enter__(self) -> Self:
        try:
            self.come_up()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def come_up(self) -> None:
        """Start everything and return when it works."""

    @abstractmethod
    def close(self) -> None:
        """End everything that was started."""
