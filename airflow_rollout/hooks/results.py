"""What other tasks of a release's run returned, as one more thing that adapters can ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from airflow_rollout.wire import Request, Response, ResultRead, Send, TaskResult

__all__ = ["Results", "seeing"]

Results = Callable[[ResultRead], Awaitable[TaskResult]]


def seeing(send: Send, results: Results | None) -> Send:
    """Return a `Send` that asks `results` for what tasks returned, and the rest as before."""
    if results is None:
        return send

    async def asking(request: Request) -> Response:
        return await (results(request) if isinstance(request, ResultRead) else send(request))

    return asking
