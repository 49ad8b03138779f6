#!/usr/bin/env python3
"""Runs the conformance cases against a server with a client of Python: PyPI's websockets.

    python conformance.py ws://127.0.0.1:8080/ws [--cases DIR]

The format is in ../cases/README.md. One line for each case that fails, then `N passed, N failed`. Exits with 1 if a case
failed.
"""

import argparse
import asyncio
import contextlib
import json
import re
import secrets
import sys
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

AT_ONCE = 8
STEP_SECONDS = 3
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
INSIDE = r'(?:[^"\\]|\\.)*'


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--cases", type=Path, default=Path(__file__).resolve().parent.parent / "cases")
    arguments = parser.parse_args()

    cases = [
        (file.name, case)
        for file in sorted(arguments.cases.glob("*.json"))
        for case in json.loads(file.read_text(encoding="utf-8"))
        if "python" in case.get("only", ["python"]) and "python" not in case.get("not", [])
    ]
    if not cases:
        sys.exit(f"no cases in {arguments.cases}")

    left = iter(cases)
    failed = 0

    async def work():
        nonlocal failed
        for file, case in left:
            try:
                await Run(arguments.url).case(case)
            except Failure as failure:
                failed += 1
                print(f"{file}: {case['case']}: {failure}")

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


class Failure(Exception):
    """A case that did not go as it says: the step, what was expected, and what came."""


class Run:
    """One run of one case."""

    def __init__(self, url):
        self.url = url
        self.token = secrets.token_hex(4)
        self.bound = {}
        self.sockets = {}
        self.silences = 0

    async def case(self, case):
        try:
            for at, step in enumerate(case["steps"], 1):
                for n in range(1, step.get("times", 1) + 1):
                    filled = self.substitute(step, n)
                    try:
                        await asyncio.wait_for(self.step(filled), STEP_SECONDS)
                    except TimeoutError:
                        raise Failure(f"step {at}: expected {show(filled)}, got nothing for {STEP_SECONDS} s") from None
                    except Failure as failure:
                        raise Failure(f"step {at}: {failure}") from None
                    except Exception as error:
                        raise Failure(f"step {at}: expected {show(filled)}, got {error!r}") from None
        finally:
            for socket in self.sockets.values():
                socket.transport.abort()

    async def step(self, step):
        match step:
            case {"open": name}:
                # Proxies are off, pings are the server's, and nothing that it sends waits unread.
                self.sockets[name] = await connect(
                    self.url + step.get("query", ""), proxy=None, ping_interval=None, max_size=None, max_queue=None
                )
            case {"send": name, "binary": data}:
                await self.send(name, bytes.fromhex(data))
            case {"send": name, "text": text}:
                await self.send(name, text)
            case {"send": name, "frame": frame}:
                await self.send(name, compact(known(frame, self.bound)))
            case {"hear": name, "text": text}:
                await self.hear_text(name, text)
            case {"hear": name, "any": frames}:
                await self.hear_frames(name, frames)
            case {"hear": name, "frame": frame}:
                await self.hear_frames(name, [frame])
            case {"silent": name}:
                self.silences += 1
                mark = f"silent-{self.silences}"
                await self.send(name, compact({"type": "ping", "id": mark}))
                await self.hear_frames(name, [{"type": "pong", "id": mark}])
            case {"close": name}:
                code = step.get("code")
                await self.sockets[name].close(*[] if code is None else [code])
                got = self.sockets[name].close_code
                if code is not None and got != code:
                    fail(code, got)
            case {"closed": name, "code": code}:
                event = await self.next(name)
                codes = code if isinstance(code, list) else [code]
                if event not in [{"closed": each} for each in codes]:
                    fail(step, event)
            case {"cut": name}:
                self.sockets[name].transport.abort()
            case _:
                fail("a step", step)

    async def send(self, name, data):
        """To a connection that the server has closed, nothing: whoever hears it will know."""
        with contextlib.suppress(ConnectionClosed):
            await self.sockets[name].send(data)

    async def next(self, name):
        """A text frame as it came, or what came instead of one."""
        try:
            data = await self.sockets[name].recv()
            return data if isinstance(data, str) else {"binary": data.hex()}
        except ConnectionClosed:
            return {"closed": self.sockets[name].close_code}

    async def hear_text(self, name, expected):
        got = await self.next(name)
        pattern = re.escape(expected).replace(r"\{any\}", INSIDE).replace(r"\{time\}", TIME)
        if not isinstance(got, str) or not re.fullmatch(pattern, got):
            fail(expected, got)

    async def hear_frames(self, name, expected):
        left = list(expected)
        while left:
            got = await self.next(name)
            frame = json.loads(got) if isinstance(got, str) else fail(left, got)
            for at, each in enumerate(left):
                bound = dict(self.bound)
                if matches(each, frame, bound):
                    self.bound = bound
                    del left[at]
                    break
            else:
                fail(left if len(left) > 1 else left[0], frame)

    def substitute(self, value, n):
        match value:
            case str():
                value = value.replace("{run}", self.token).replace("{n}", str(n))
                value = re.sub(r"\{fill:(\d+)\}", lambda found: "x" * int(found[1]), value)
                return re.sub(r"\{deep:(\d+)\}", lambda found: "[" * int(found[1]) + "]" * int(found[1]), value)
            case list():
                return [self.substitute(each, n) for each in value]
            case dict():
                return {key: self.substitute(each, n) for key, each in value.items()}
            case _:
                return value


def known(value, bound):
    """What "$name" was heard to be, in a frame that is sent."""
    match value:
        case str() if value.startswith("$"):
            return bound.get(value[1:], value)
        case list():
            return [known(each, bound) for each in value]
        case dict():
            return {key: known(each, bound) for key, each in value.items()}
        case _:
            return value


def matches(expected, got, bound):
    """Deep equality, but for the strings that bind; `True` is not 1."""
    if isinstance(expected, str) and expected.startswith("$"):
        name = expected[1:]
        if name == "_":
            return True
        if name.startswith("!"):
            return not matches(bound[name[1:]], got, bound)
        if name in bound:
            return matches(bound[name], got, {})
        bound[name] = got
        return True
    match expected, got:
        case dict(), dict():
            return expected.keys() == got.keys() and all(matches(each, got[key], bound) for key, each in expected.items())
        case list(), list():
            return len(expected) == len(got) and all(matches(each, other, bound) for each, other in zip(expected, got))
        case _:
            return type(expected) is type(got) and expected == got


def compact(frame):
    return json.dumps(frame, separators=(",", ":"), ensure_ascii=False)


def fail(expected, got):
    raise Failure(f"expected {show(expected)}, got {show(got)}")


def show(value):
    text = re.sub(r"[\r\n]", "␤", value if isinstance(value, str) else compact(value))
    return text if len(text) <= 400 else f"{text[:400]}…"


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
