"""Wall time of fused runs over their critical path: `python benchmarks/wall.py [--runs 10] [--at-once 20]`.

A served Fusion asks a model server of ours: three members at 300, 500 and 800 ms to first token and a judge, all at 100
tokens a second. The critical path is the slowest member plus the judge. Wall time counts from the accepted POST (its
transaction's clock) to the whole final. Prints one run at a time, many at once, and many at once that are each watched
through a socket, as ratios of medians.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import secrets
import sqlite3
import statistics
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import httpx
import websockets
from websockets.typing import Origin

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.processes import Served, served, set_up, upstream_process, upstream_stats

RATE = 100
TTFTS_MS = (300, 500, 800)
MEMBER_TOKENS, JUDGE_TTFT_MS, JUDGE_TOKENS = 300, 300, 250
MEMBERS = [f"m-ttft{ttft}-rate{RATE}-tokens{MEMBER_TOKENS}" for ttft in TTFTS_MS]
JUDGE = f"judge-ttft{JUDGE_TTFT_MS}-rate{RATE}-tokens{JUDGE_TOKENS}"
CRITICAL_S = (max(TTFTS_MS) + JUDGE_TTFT_MS) / 1000 + (MEMBER_TOKENS - 1 + JUDGE_TOKENS - 1) / RATE


async def ask(client: httpx.AsyncClient, server: Served, pool: str) -> str:
    """Start one best-of run through the form's own address; its id."""
    form = {"prompt": "Why?", "pool": pool, "mode": "best-of", "idempotency_key": secrets.token_hex(16)}
    reply = await client.post(f"{server.url}/runs", data=form)
    assert reply.status_code in (201, 204, 302, 303), f"{reply.status_code}: {reply.text[:500]}"
    location = reply.headers.get("Location") or reply.headers.get("HX-Redirect") or reply.headers["HX-Location"]
    return str(location).rstrip("/").rpartition("/")[2]


def wall_times(data_dir: Path, runs: list[str]) -> list[float]:
    """Seconds from each run's creation to its final, as stored; waits for the runs to end."""
    database = sqlite3.connect(data_dir / "db.sqlite3")
    marks = ",".join("?" * len(runs))
    keys = [run.replace("-", "") for run in runs]
    query = f"SELECT created_at, final_ready_at, state FROM fusion_run WHERE public_id IN ({marks})"
    while True:
        rows = database.execute(query, keys).fetchall()
        if len(rows) == len(runs) and all(row[2] not in ("queued", "running") for row in rows):
            break
        time.sleep(0.2)
    assert all(row[2] == "done" for row in rows), rows
    return [(datetime.fromisoformat(row[1]) - datetime.fromisoformat(row[0])).total_seconds() for row in rows]


async def watch(server: Served, session: str, run: str) -> int:
    """Read one run's socket to its end, as a page does; characters that came."""
    seen = 0
    headers = {"Cookie": f"fusion_session={session}"}
    url = f"ws://127.0.0.1:{server.port}/ws/r/{run}"
    async with websockets.connect(url, origin=Origin(server.url), additional_headers=headers, max_size=None) as socket:
        with contextlib.suppress(websockets.ConnectionClosed):  # with a code of ours once all is told
            async for frame in socket:
                seen += len(frame)
                await socket.send("seen")
    return seen


async def measure(server: Served, session: str, pool: str, *, runs: int, at_once: int) -> None:
    token = secrets.token_hex(16)
    cookies = {"fusion_session": session, "fusion_csrf": token}
    headers = {"X-CSRFToken": token, "HX-Request": "true", "Origin": server.url}
    async with httpx.AsyncClient(cookies=cookies, headers=headers, timeout=60, trust_env=False) as client:
        single: list[float] = []
        for _ in range(runs):
            run = await ask(client, server, pool)
            single += await asyncio.to_thread(wall_times, server.data_dir, [run])
        many, _ = await ask_at_once(client, server, session, pool, at_once=at_once, watched=False)
        watched, characters = await ask_at_once(client, server, session, pool, at_once=at_once, watched=True)
    report("one at a time", single)
    report(f"{at_once} at once", many)
    report(f"{at_once} watched", watched)
    print(f"{'':>16}  {characters / len(watched) / 1000:.0f} kB sent to each watcher")


async def ask_at_once(
    client: httpx.AsyncClient, server: Served, session: str, pool: str, *, at_once: int, watched: bool
) -> tuple[list[float], int]:
    """Start all runs at once, each with one socket that watches it if `watched`: wall times, characters sent."""
    runs = list(await asyncio.gather(*(ask(client, server, pool) for _ in range(at_once))))
    watchers = [asyncio.create_task(watch(server, session, run)) for run in runs if watched]
    seconds = await asyncio.to_thread(wall_times, server.data_dir, runs)
    return seconds, sum(await asyncio.gather(*watchers))


def report(name: str, seconds: list[float]) -> None:
    ratios = sorted(value / CRITICAL_S for value in seconds)
    print(
        f"{name:>16}: median {statistics.median(ratios):.4f}  best {ratios[0]:.4f}  worst {ratios[-1]:.4f}"
        f"  (times the critical path of {CRITICAL_S:.2f} s, {len(seconds)} runs)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--at-once", type=int, default=20)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory() as directory, upstream_process() as upstream:
        data_dir = Path(directory)
        session, pool = set_up(data_dir, upstream, members=MEMBERS, judge=JUDGE)
        with served(data_dir, FUSION_PROVIDER_URL=upstream, FUSION_MAX_RUNS_PER_PERSON="100") as server:
            asyncio.run(measure(server, session, pool, runs=options.runs, at_once=options.at_once))
        print("upstream:", {name: value for name, value in upstream_stats(upstream).items() if name != "asked"})


if __name__ == "__main__":
    main()
