"""Smoothness of the live page in Chromium: `python benchmarks/page.py [--runs 4] [--answers 6] [--slow 4]`.

Six answers of mixed Markdown, each at 100 tokens a second for 24 s, stream into one page whose processor is slowed four
times. Counted while they stream: frames drawn per second, the longest task of the main thread, bytes on the wire, and
how often the texts were brought up to date: a page that shows less often draws more easily. A reader selects a passage
in one column and has scrolled up in another; in every second run the reader types instead. The same window in the same
browser, before anything is asked, gives the frames that an idle page reaches on this machine.

On a reader's machine there is no server and no model server. Here they share it with the browser, which goes before
them, and they before all else, where the system allows it. How many times slower the page really is made is measured by
a computation. A task's length is given twice: by the clock, and by the time that its thread ran, which leaves out what
it waited for a processor while something else had it. Frames are counted by the clock only: look at the load that is
printed and at the idle page's frames.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.processes import served, set_up, upstream_process

RATE: Final = 100
SECONDS: Final = 24
JUDGE: Final = "judge-rate400"
IDLE_S: Final = 5.0
HELD_S: Final = 20.0
TYPED: Final = "the quick brown fox jumps over the lazy dog and does not lose a letter on its way. " * 2
CHROMIUM: Final = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

COUNT = """() => {
  const seen = window.__seen = { frames: [], tasks: [], shown: [] };
  const frame = (at) => { seen.frames.push(at); requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  document.addEventListener("fusion:shown", () => { seen.shown.push(performance.now()); });
  const note = (list) => { for (const task of list.getEntries()) seen.tasks.push([task.startTime, task.duration]); };
  new PerformanceObserver(note).observe({ type: "longtask" });
}"""
BETWEEN = """([from, to]) => {
  const inside = window.__seen.frames.filter((at) => at >= from && at < to);
  const between = (times) => times.slice(1).map((at, i) => at - times[i]);
  const shown = window.__seen.shown.filter((at) => at >= from && at < to);
  return {
    fps: (inside.length - 1) * 1000 / (inside.at(-1) - inside[0]),
    worst_gap: Math.max(...between(inside)),
    shown_per_s: shown.length * 1000 / (to - from),
    longest_wait: Math.max(0, ...between(shown)),
    tasks: window.__seen.tasks.filter(([at]) => at >= from && at < to).map(([, length]) => length),
  };
}"""
COMPUTE = """() => {
  const start = performance.now();
  let sum = 0;
  for (let i = 0; i < 1e7; i += 1) sum = (sum * 31 + i) | 0;
  return performance.now() - start + (sum === 0.5);
}"""
SELECT = """() => {
  const walker = document.createTreeWalker(document.getElementById("doc-A"), NodeFilter.SHOW_TEXT);
  let node = walker.nextNode();
  while (node.length < 80) node = walker.nextNode();
  getSelection().setBaseAndExtent(node, 4, node, 70);
  return getSelection().toString();
}"""
FIELD = """() => {
  const field = document.createElement("textarea");
  field.id = "typed";
  document.getElementById("run").after(field);
  field.focus({ preventScroll: true });
}"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run as one reader saw it; `None` for what this reader did not do."""

    slowed: float
    idle_fps: float
    fps: float
    worst_gap_ms: float
    tasks_ms: tuple[float, ...]  # by the clock, those above 50 ms
    longest_thread_ms: float
    shown_per_s: float
    longest_wait_ms: float
    busy: float
    bytes_per_s: float
    selected: bool | None = None
    moved_px: float | None = None
    typed: bool | None = None


class Tasks:
    """The tasks of a page's main thread, traced, with the time that the thread ran."""

    def __init__(self, browser: Browser) -> None:
        self._session = browser.new_browser_cdp_session()
        self._events: list[dict[str, Any]] = []
        self._is_complete = False
        self._session.on("Tracing.dataCollected", lambda found: self._events.extend(found["value"]))
        self._session.on("Tracing.tracingComplete", self._completed)
        categories = {"includedCategories": ["toplevel", "__metadata"]}
        self._session.send("Tracing.start", {"transferMode": "ReportEvents", "traceConfig": categories})

    def _completed(self, _: dict[str, Any]) -> None:
        self._is_complete = True

    def longest_ms(self, page: Page) -> float:
        """End the trace; the longest task of the renderer that worked most: the other pages show nothing."""
        self._session.send("Tracing.end")
        while not self._is_complete:
            page.wait_for_timeout(50)
        names = [event for event in self._events if event["name"] == "thread_name"]
        mains = {(one["pid"], one["tid"]) for one in names if one["args"]["name"] == "CrRendererMain"}
        tasks: dict[tuple[int, int], list[float]] = {main: [] for main in mains}
        for event in self._events:
            if event.get("ph") == "X" and "tdur" in event and (event["pid"], event["tid"]) in tasks:
                tasks[event["pid"], event["tid"]].append(event["tdur"] / 1000)
        return max(max(tasks.values(), key=sum))


class Wire:
    """Counts what came through sockets and says when."""

    def __init__(self, session: CDPSession) -> None:
        self.frames: list[tuple[float, int]] = []
        self.extensions = ""
        session.on("Network.webSocketFrameReceived", self._received)
        session.on("Network.webSocketHandshakeResponseReceived", self._opened)
        session.send("Network.enable")

    def _received(self, event: dict[str, Any]) -> None:
        self.frames.append((event["timestamp"], len(event["response"]["payloadData"].encode())))

    def _opened(self, event: dict[str, Any]) -> None:
        headers = {name.lower(): value for name, value in event["response"]["headers"].items()}
        self.extensions = headers.get("sec-websocket-extensions", "none")

    def per_s(self) -> float:
        """Bytes a second from the second frame (the first may be a snapshot) to the last."""
        assert len(self.frames) > 2, "the socket brought nothing"
        rest = self.frames[1:]
        return sum(size for _, size in rest) / (rest[-1][0] - rest[0][0])


def now(page: Page) -> float:
    at: float = page.evaluate("performance.now()")
    return at


def busy_s(session: CDPSession) -> dict[str, float]:
    return {entry["name"]: entry["value"] for entry in session.send("Performance.getMetrics")["metrics"]}


def until_text(page: Page, letter: str, chars: int) -> None:
    while page.evaluate(f"document.getElementById('doc-{letter}').textContent.length") < chars:
        page.wait_for_timeout(100)


def ask(page: Page, url: str, pool: str) -> None:
    page.goto(url)
    page.fill("textarea[name=prompt]", "What holds it all together?")
    page.select_option("select[name=pool]", pool)
    page.check("input[name=mode][value=best-of]")
    page.click("[data-send]")
    page.wait_for_url(re.compile("/r/"))


def measure(browser: Browser, url: str, cookie: str, pool: str, *, slow: float, types: bool) -> Measured:
    """Watch one run from the first words to the end of the answers."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(120_000)
    context.add_cookies([{"name": "fusion_session", "value": cookie, "url": url}])
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Performance.enable")
    slowed, idle = idle_page(page, session, url, slow)
    session.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    wire = Wire(session)
    ask(page, url, pool)
    page.evaluate(COUNT)
    session.send("Emulation.setCPUThrottlingRate", {"rate": slow})
    until_text(page, "A", 400)
    traced = Tasks(browser)
    start, cpu = now(page), busy_s(session)
    seen = typing(page) if types else reading(page)
    end, spent = now(page), busy_s(session)
    longest = traced.longest_ms(page)
    rate = wire.per_s()
    counted = page.evaluate(BETWEEN, [start, end])
    session.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    breakdown(cpu, spent, (end - start) / 1000)
    page.wait_for_selector("#live-seq", state="detached")
    context.close()
    print(f"  socket extensions: {wire.extensions}")
    return Measured(
        slowed=slowed,
        idle_fps=idle,
        fps=counted["fps"],
        worst_gap_ms=counted["worst_gap"],
        tasks_ms=tuple(counted["tasks"]),
        longest_thread_ms=longest,
        shown_per_s=counted["shown_per_s"],
        longest_wait_ms=counted["longest_wait"],
        busy=(spent["TaskDuration"] - cpu["TaskDuration"]) / (end - start) * 1000,
        bytes_per_s=rate,
        **seen,
    )


def breakdown(before: dict[str, float], after: dict[str, float], seconds: float) -> None:
    names = ("TaskDuration", "ScriptDuration", "LayoutDuration", "RecalcStyleDuration")
    print("  main thread, ms per s:", {name: round((after[name] - before[name]) / seconds * 1000) for name in names})


def idle_page(page: Page, session: CDPSession, url: str, slow: float) -> tuple[float, float]:
    """How many times slower a computation is, and the frames that an idle page gets."""
    page.goto(f"{url}/history")
    fast = min(page.evaluate(COMPUTE) for _ in range(5))
    page.evaluate(COUNT)
    session.send("Emulation.setCPUThrottlingRate", {"rate": slow})
    page.wait_for_timeout(1000)
    start = now(page)
    page.wait_for_timeout(IDLE_S * 1000)
    fps: float = page.evaluate(BETWEEN, [start, now(page)])["fps"]
    return min(page.evaluate(COMPUTE) for _ in range(5)) / fast, fps


def reading(page: Page) -> dict[str, Any]:
    """Select in one column, scroll up in another, and look at both for 20 s."""
    chosen = page.evaluate(SELECT)
    until_text(page, "B", 1200)
    page.hover("#body-B")
    page.mouse.wheel(0, -150)
    page.wait_for_timeout(500)
    place = (
        "[document.getElementById('body-B').scrollTop, document.getElementById('col-B').getBoundingClientRect().top]"
    )
    at, moved = page.evaluate(place), 0.0
    deadline = time.monotonic() + HELD_S
    while time.monotonic() < deadline:
        page.wait_for_timeout(500)
        moved = max(moved, *(abs(a - b) for a, b in zip(at, page.evaluate(place), strict=True)))
    return {"selected": page.evaluate("getSelection().toString()") == chosen != "", "moved_px": moved}


def typing(page: Page) -> dict[str, Any]:
    """Type into a field below the columns while they stream."""
    page.evaluate(FIELD)
    started = time.monotonic()
    page.keyboard.type(TYPED, delay=70)
    page.wait_for_timeout(max(0.0, HELD_S - (time.monotonic() - started)) * 1000)
    value, focus = page.evaluate("[document.getElementById('typed').value, document.activeElement.id]")
    return {"typed": value == TYPED and focus == "typed"}


def report(results: list[Measured], answers: int) -> None:
    median = statistics.median
    held = [result.selected for result in results if result.selected is not None]
    moved = [result.moved_px for result in results if result.moved_px is not None]
    typed = [result.typed for result in results if result.typed is not None]
    longest = [max(result.tasks_ms, default=0.0) for result in results]  # 0: none was above 50 ms
    print(f"processor slowed       {median(r.slowed for r in results):.1f} times, by a computation")
    print(f"frames per second      {median(r.fps for r in results):.1f}")
    print(f"of the idle page       {median(r.idle_fps for r in results):.1f}")
    print(f"ratio                  {median(r.fps / r.idle_fps for r in results):.3f}")
    print(f"longest gap of frames  {median(r.worst_gap_ms for r in results):.0f} ms")
    threads = [result.longest_thread_ms for result in results]
    print(f"longest task           {median(longest):.0f} ms, worst of all runs {max(longest):.0f} ms")
    print(f"by its thread's time   {median(threads):.0f} ms, worst of all runs {max(threads):.0f} ms")
    print(f"texts brought up       {median(r.shown_per_s for r in results):.1f} times a second")
    print(f"longest without        {median(r.longest_wait_ms for r in results):.0f} ms")
    print(f"main thread busy       {median(r.busy for r in results):.2f}")
    print(f"on the wire            {median(r.bytes_per_s for r in results) / answers / 1000:.2f} kB/s and answer")
    print(f"selection kept         {sum(held)} of {len(held)}")
    print(f"scrolled-up column     moved at most {max(moved, default=0.0):.1f} px in {len(moved)} runs")
    print(f"typed text whole       {sum(typed)} of {len(typed)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--answers", type=int, default=6)
    parser.add_argument("--slow", type=float, default=4)
    options = parser.parse_args()
    members = [
        f"m{number}-mixed-ttft{200 + 60 * number}-rate{RATE}-tokens{RATE * (SECONDS + 4)}"
        for number in range(options.answers)
    ]
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{options.answers} answers, processor slowed {options.slow:g} times")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        for process in descendants(os.getpid()):
            set_priority(process, -19)
        set_priority(os.getpid(), -10)
        results = measured(browser, members, options.runs, options.slow)
        browser.close()
    report(results, options.answers)


def set_priority(process: int, nice: int) -> None:
    """Of a process and those that it starts from now on; left as it is where the system does not allow it.

    Linux shares out time among sessions first, and the browser has one of its own: that counts more than the process.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process, nice)
        Path(f"/proc/{process}/autogroup").write_text(str(nice))


def descendants(process: int) -> list[int]:
    """The processes that a process started, and those that they did; none where there is no /proc."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(status.parent.name))
    found, waiting = list[int](), [process]
    while waiting:
        more = children.get(waiting.pop(), [])
        found += more
        waiting += more
    return found


def measured(browser: Browser, members: list[str], runs: int, slow: float) -> list[Measured]:
    """So many runs one after another in one installation; every second reader types."""
    results = []
    with tempfile.TemporaryDirectory() as directory, upstream_process() as upstream:
        session, pool = set_up(Path(directory), upstream, members=members, judge=JUDGE)
        variables = {"FUSION_PROVIDER_URL": upstream, "FUSION_MAX_RUNS_PER_PERSON": "50"}
        with served(Path(directory), **variables) as server:
            for number in range(runs):
                results.append(measure(browser, server.url, session, pool, slow=slow, types=number % 2 == 1))
                print(f"  {results[-1]}")
    return results


if __name__ == "__main__":
    main()
