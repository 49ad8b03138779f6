#!/usr/bin/env python3
"""Centrifuge's client for Python, in JSON or in Protobuf, for a room of others.

    python room.py ws://127.0.0.1:8080/connection/websocket CHANNEL json|protobuf

Says `in` once it is in the channel. Each line that it reads is published, and answered by `said`; each publication is a line `heard TEXT`.
It ends with its input.
"""

import asyncio
import json
import sys

from centrifuge import Client, PublicationContext, SubscriptionEventHandler


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Hears(SubscriptionEventHandler):
    async def on_publication(self, ctx: PublicationContext) -> None:
        data = ctx.pub.data
        tell("heard " + (data.decode() if isinstance(data, bytes) else json.dumps(data)))


async def main(url: str, channel: str, form: str) -> None:
    client = Client(url, use_protobuf=form == "protobuf")
    subscription = client.new_subscription(channel, events=Hears())
    await client.connect()
    await subscription.subscribe()
    await subscription.ready()
    tell("in")
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)

    async def say(line: bytes) -> None:
        text = line.rstrip(b"\n")
        await subscription.publish(text if form == "protobuf" else text.decode())
        tell("said")

    saying = set()
    while line := await lines.readline():
        task = asyncio.create_task(say(line))
        saying.add(task)
        task.add_done_callback(saying.discard)
    await client.disconnect()


asyncio.run(main(*sys.argv[1:]))
