"""The overview's cost in a browser: a real Chromium over simulated fleets, compared with a blank page in the same run.

`heap` watches the page's memory for ten minutes. The column "before" has the figures of 30 November 2026, when the page
kept every row of the fleet in the DOM.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import BrowserContext, CDPSession, Page

from tests.bench.figures import Figure
from tests.bench.stage import Helper, leader
from tests.support.browser import chromium
from tests.support.cluster import Cluster
from tests.support.eventually import eventually_sync
from tests.support.pages import log_in, pill_of

SIZE = {"width": 1440, "height": 900}
SECONDS = 10.0
HEAP_SECONDS = 600.0
# The overview's log keeps 10,000 lines and drops them in blocks of a tenth: it is full before the heap is measured.
FILL_LINES = 11_500
FILL_RATES = {"lines": 200.0}
RATES = {"metrics": 30.0, "states": 65.0, "lines": 5.0}  # 100 updates a second.

# Counts frames and long tasks without changing the page's own script.
COUNT = """() => {
  const found = (window.bench = { frames: 0, tasks: [], since: 0 });
  const frame = () => { found.frames += 1; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  const note = (list) => found.tasks.push(...list.getEntries().map((entry) => entry.duration));
  new PerformanceObserver(note).observe({ type: "longtask" });
}"""
RESTART = "Object.assign(window.bench, { frames: 0, tasks: [], since: performance.now() }) && undefined"
READ = "({ ...window.bench, seconds: (performance.now() - window.bench.since) / 1000 })"
WHEN_LIVE = """
new MutationObserver((_, observer) => {
  if (document.querySelector('#link-pill[data-state="live"]') === null) return;
  window.liveAt = performance.now();
  observer.disconnect();
}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-state"] });
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    masters: int
    edges: int  # Behind each Master.
    tasks: int
    least_frames: float

    @property
    def nodes(self) -> int:
        return self.masters * (1 + self.edges)


SMALL = Fleet(masters=60, edges=4, tasks=500, least_frames=50)
LARGE = Fleet(masters=100, edges=9, tasks=500, least_frames=30)

BEFORE = {
    "300 nodes: elements": 40_852,
    "300 nodes, 30 metrics/s: frames": 20.1,
    "300 nodes, 30 metrics/s: main thread": 96,
    "300 nodes, 100 updates/s: frames": 9.6,
    "300 nodes, 100 updates/s: main thread": 99,
    "300 nodes, 100 updates/s: longest task": 260,
    "300 nodes, topology dragged: frames": 6.2,
    "300 nodes, topology dragged: main thread": 97,
    "1000 nodes: HTML, not compressed": 788,
}


class Watch:
    """The cost of one page, measured by the browser."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._session: CDPSession = page.context.new_cdp_session(page)
        self._session.send("Performance.enable", {"timeDomain": "timeTicks"})
        page.evaluate(COUNT)

    def measure(self, name: str, fleet: Fleet | None = None, during: Callable[[], None] | None = None) -> list[Figure]:
        """`during` is repeated until the end. With a fleet the figures are compared with the targets."""
        self.page.evaluate(RESTART)
        before = self._metrics()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            if during:
                during()
            else:
                self.page.wait_for_timeout(500)
        seen, after = self.page.evaluate(READ), self._metrics()

        def share(of: str) -> float:
            return 100 * (after[f"{of}Duration"] - before[f"{of}Duration"]) / float(seen["seconds"])

        figures = {
            "frames": Aim(seen["frames"] / seen["seconds"], "/s", at_least=fleet.least_frames if fleet else None),
            "main thread": Aim(share("Task"), "%", at_most=30 if fleet is SMALL else None),
            "of that script": Aim(share("Script"), "%"),
            "of that style": Aim(share("RecalcStyle"), "%"),
            "of that layout": Aim(share("Layout"), "%"),
            "longest task": Aim(max(seen["tasks"], default=0.0), "ms", at_most=100 if fleet is SMALL else None),
            "tasks over 50 ms": Aim(len(seen["tasks"]) / seen["seconds"], "/s"),
        }
        return [aim.figure(f"{name}: {what}") for what, aim in figures.items()]

    def heap_mib(self) -> float:
        self._session.send("HeapProfiler.collectGarbage")
        return self._metrics()["JSHeapUsedSize"] / 2**20

    def _metrics(self) -> dict[str, float]:
        return {one["name"]: one["value"] for one in self._session.send("Performance.getMetrics")["metrics"]}


@dataclass(frozen=True, slots=True)
class Aim:
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    def figure(self, name: str) -> Figure:
        before = BEFORE.get(name)
        if self.at_least is not None:
            aim, is_met = f"≥ {self.at_least:g}", self.value >= self.at_least
        elif self.at_most is not None:
            aim, is_met = f"≤ {self.at_most:g}", self.value <= self.at_most
        else:
            return Figure(name=name, value=self.value, unit=self.unit, before=before)
        return Figure(name=name, value=self.value, unit=self.unit, before=before, aim=aim, is_met=is_met)


def measure(folder: Path) -> list[Figure]:
    with chromium() as browser:
        blank = browser.new_page(viewport=SIZE)
        figures = Watch(blank).measure("blank page")
        blank.close()
        for fleet in (SMALL, LARGE):
            with stage(folder / str(fleet.nodes), fleet) as (cluster, pushed):
                context = browser.new_context(viewport=SIZE)
                log_in(open_page(context, cluster.login_link()))
                figures += _loading(context, cluster, fleet)
                figures += _living(context, cluster, fleet, pushed)
                context.close()
    return figures


def measure_heap(folder: Path) -> list[Figure]:
    with chromium() as browser, stage(folder, SMALL) as (cluster, pushed):
        context = browser.new_context(viewport=SIZE)
        log_in(open_page(context, cluster.login_link()))
        watch = Watch(open_live(context, cluster))
        pushed.rates(**FILL_RATES)
        lines = "SELECT count(*) FROM nodes_logline"
        eventually_sync(lambda: cluster.rows(lines)[0][0] >= FILL_LINES, 300, "the log is full")
        pushed.rates(**RATES)
        watch.page.wait_for_timeout(60_000)
        first = watch.heap_mib()
        watch.page.wait_for_timeout(HEAP_SECONDS * 1000)
        last = watch.heap_mib()
    return [
        Aim(first, "MiB").figure("300 nodes, 100 updates/s, full log: heap after 1 minute"),
        Aim(last, "MiB", at_most=round(first * 1.1, 1)).figure(
            "300 nodes, 100 updates/s, full log: heap after 11 minutes"
        ),
    ]


class Pushed(Helper):
    """The simulated fleet."""

    def rates(self, *, metrics: float = 0.0, states: float = 0.0, lines: float = 0.0) -> None:
        assert self._child.stdin
        self._child.stdin.write(f"{metrics} {states} {lines}\n")
        self._child.stdin.flush()

    def end(self) -> None:
        self._child.communicate(timeout=120)


@contextmanager
def stage(folder: Path, fleet: Fleet) -> Iterator[tuple[Cluster, Pushed]]:
    """A Leader and a fleet that is online and not pushing yet."""
    with leader(folder) as cluster:
        size = (fleet.masters, fleet.edges, fleet.tasks)
        pushed = Pushed("simulated", cluster.data_dir, cluster.grpc_port, folder / "fleet", *size)
        try:
            eventually_sync(lambda: _online(cluster) >= fleet.nodes, 120, f"{fleet.nodes} nodes online")
            yield cluster, pushed
            pushed.end()
        finally:
            pushed.kill()


def _online(cluster: Cluster) -> int:
    return int(cluster.rows("SELECT count(*) FROM nodes_node WHERE state = 'online'")[0][0])


def open_page(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(url)
    return page


def open_live(context: BrowserContext, cluster: Cluster) -> Page:
    page = open_page(context, cluster.url)
    pill_of(page).and_(page.locator('[data-state="live"]')).wait_for()
    return page


def _loading(context: BrowserContext, cluster: Cluster, fleet: Fleet) -> list[Figure]:
    """The page was opened once before: script and style sheet come from the browser's cache, as in normal use."""
    open_live(context, cluster).close()
    page = context.new_page()
    page.add_init_script(WHEN_LIVE)
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    sizes: list[int] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    session.on(
        "Network.webSocketFrameReceived", lambda event: sizes.append(len(event["response"]["payloadData"].encode()))
    )
    page.goto(cluster.url)
    pill_of(page).and_(page.locator('[data-state="live"]')).wait_for()
    page.wait_for_timeout(1000)
    found = page.evaluate(
        """() => ({
          paint: performance.getEntriesByName("first-contentful-paint")[0].startTime,
          live: window.liveAt,
          html: performance.getEntriesByType("navigation")[0].decodedBodySize,
          elements: document.querySelectorAll("*").length,
        })"""
    )
    page.close()
    name, is_small = f"{fleet.nodes} nodes", fleet is SMALL
    return [
        Aim(found["paint"], "ms", at_most=500 if is_small else None).figure(f"{name}: first paint"),
        Aim(found["live"], "ms", at_most=1000 if is_small else None).figure(f"{name}: live"),
        Aim(sum(sizes) / 1024, "KiB", at_most=200 if is_small else None).figure(f"{name}: on the wire until live"),
        Aim(found["html"] / 1024, "KiB").figure(f"{name}: HTML, not compressed"),
        Aim(found["elements"], "", at_most=5000 if is_small else None).figure(f"{name}: elements"),
    ]


def _living(context: BrowserContext, cluster: Cluster, fleet: Fleet, pushed: Pushed) -> list[Figure]:
    page = open_live(context, cluster)
    watch = Watch(page)
    page.wait_for_timeout(2000)
    name = f"{fleet.nodes} nodes"
    figures = watch.measure(f"{name}, idle", fleet)
    pushed.rates(metrics=RATES["metrics"])
    figures += watch.measure(f"{name}, 30 metrics/s", fleet)
    pushed.rates(**RATES)
    figures += watch.measure(f"{name}, 100 updates/s", fleet)
    # Dragging is not a steady state, so it has no target, only the earlier figure.
    figures += watch.measure(f"{name}, topology dragged", during=lambda: _drag(page))
    figures += watch.measure(f"{name}, tables scrolled", during=lambda: _scroll(page))
    pushed.rates()
    page.close()
    return figures


def _drag(page: Page) -> None:
    box = page.locator("#topology").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] - 12
    page.mouse.move(x, y)
    page.mouse.down()
    for step in (*range(12), *range(12, 0, -1)):
        page.mouse.move(x + 8 * step, y - 4 * step)
        page.wait_for_timeout(16)
    page.mouse.up()


def _scroll(page: Page) -> None:
    for panel in ("#tasks", "#nodes"):
        page.locator(f"{panel} .panel-body").hover()
        for distance in (*(120,) * 10, *(-120,) * 10):
            page.mouse.wheel(0, distance)
            page.wait_for_timeout(16)
