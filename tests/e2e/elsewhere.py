"""The release of another Airflow, as far as the router knows it: the same moves, no Airflow.

Opens it at 10 %, says `open`, and takes it back at the first line it is told.
"""

from __future__ import annotations

import asyncio
import os
import sys

from scene import spec_of

from airflow_rollout.hooks.connection import static_connections
from airflow_rollout.hooks.moves import abort, open_release, raise_weight
from airflow_rollout.hooks.systems import open_router
from airflow_rollout.release import Arm, Token

OWNER = "elsewhere/release-1"


async def main(service: str, version: str, url: str) -> None:
    """Be the other release from its beginning to its end."""
    token = Token(epoch="elsewhere", owner=OWNER, digest="elsewhere")
    canary = Arm(version=version, target=url)
    connect = static_connections({"traefik_default": os.environ["ROUTER"]})
    async with open_router(spec_of(service), connect) as systems:
        await open_release(systems, service=service, token=token, canary=canary)
        await raise_weight(systems, token=token, canary=canary, weight=10, previous_weight=0)
        print("open", flush=True)
        sys.stdin.readline()
        await abort(systems, epoch=token.epoch, owner=OWNER, reason="taken back elsewhere")
        print("taken back", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
