#!/usr/bin/env python3
"""Runs the Autobahn cases against a server that echoes, with PyPI's kosoku.

    python autobahn.py ws://127.0.0.1:9001/ [--report DIR] [--at-once N]

All cases but those of compression (sections 12 and 13), which are 301; the server must take messages of 16 MiB. One line
for each case that fails, then `N passed, N failed`. Exits with 1 if a case failed or did not run.
"""

import argparse
import asyncio
import os
import sys

from kosoku import FailureError, run_fuzzingclient
from kosoku._report import write_reports

CASES = 301
COMPRESSION = ["12.*", "13.*"]


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--report", help="where to write the report that Autobahn would")
    parser.add_argument("--at-once", type=int, default=4)
    arguments = parser.parse_args()

    try:
        results = await run_fuzzingclient(arguments.url, None, COMPRESSION, concurrency=arguments.at_once)
    except FailureError as failure:
        results = failure.results
        if not results:
            print(failure)
    if arguments.report and results:
        write_reports(results, arguments.report)

    failed = [result for result in results if not result.passed]
    for each in failed:
        print(f"{each.case_id}: {each.behavior.value}, close {each.behavior_close.value}: {each.result}")
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    if len(results) != CASES:
        print(f"{len(results)} cases ran, not {CASES}", file=sys.stderr)
    return 0 if len(results) == CASES and not failed else 1


if __name__ == "__main__":
    code = asyncio.run(main())
    sys.stdout.flush()
    # kosoku's threads may still reach for the interpreter while it ends, and then abort the process: it ends without that.
    os._exit(code)
