"""Opens a page in a headless Chromium and asks it how the page came out."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from html import unescape
from pathlib import Path

CHROMIUM = shutil.which("chromium")

_FRAME = """<!doctype html><body style="margin:0"><iframe src="{page}"
style="border:0;width:{width}px;height:1000px"></iframe><pre id="seen"></pre><script>
addEventListener("message", e => document.getElementById("seen").textContent = e.data);
</script></body>"""
_PROBE = """<script>
const errors = [];
addEventListener("error", e => errors.push(String(e.message || e.target.tagName)), true);
addEventListener("securitypolicyviolation", e => errors.push("blocked " + e.blockedURI));
addEventListener("load", () => parent.postMessage(JSON.stringify({
  width: innerWidth, room: document.documentElement.clientWidth,
  content: document.documentElement.scrollWidth, errors,
  pictures: [...document.querySelectorAll("svg[role=img]")].map(s => {
    const r = s.getBoundingClientRect(); return [r.width, r.height]; }),
}), "*"));
</script>"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the browser made of the page, in CSS pixels.

    Attributes:
        width: of the window.
        room: what the scroll bar leaves of it.
        content: as wide as the widest thing on the page, and at least as the room.
        pictures: width and height of each.
        errors: of scripts, of loading, of the console, and what the page's own policy blocked.
    """

    width: int
    room: int
    content: int
    pictures: tuple[tuple[float, float], ...]
    errors: tuple[str, ...]


def look(html: str, folder: Path, *, width: int) -> Seen:
    """Open a page of the given window width, which may be that of a phone.

    The page stands in a frame, because a window of Chromium is at least 500 pixels wide.
    """
    page, frame = folder / f"page-{width}.html", folder / f"frame-{width}.html"
    allowed = html.replace("default-src", "script-src 'unsafe-inline'; default-src", 1)
    page.write_text(allowed.replace("<style>", f"{_PROBE}<style>", 1), encoding="utf-8")
    frame.write_text(_FRAME.format(page=page.name, width=width), encoding="utf-8")
    done = subprocess.run(
        [
            CHROMIUM or "chromium",
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--dump-dom"),
            "--enable-logging=stderr",
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--virtual-time-budget=5000", f"--window-size={max(width, 500)},1000"),
            f"--user-data-dir={folder / 'profile'}",
            frame.as_uri(),
        ],
        capture_output=True,
        check=True,
        text=True,
        timeout=120,
    )
    found = re.search(r'<pre id="seen">(.+?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    told = json.loads(unescape(found[1]))
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return Seen(
        told["width"],
        told["room"],
        told["content"],
        tuple((w, h) for w, h in told["pictures"]),
        (*told["errors"], *console),
    )
