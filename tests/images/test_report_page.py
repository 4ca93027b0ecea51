"""The HTML page of a report in a browser: it is accessible, filters and searches, and fits narrow screens.

Accessibility is judged by axe-core, which the npm mirror has. Without a browser or a mirror these tests are skipped.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from imagemill.cache import Cache
from imagemill.conform import Finding
from imagemill.errors import FetchError, MirrorError
from imagemill.fetch import Fetcher
from imagemill.lock import NpmPackage
from imagemill.mirrors import Mirrors
from imagemill.reports import Behaviour, Judged, Report, to_html

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[2]
AXE = NpmPackage(
    "axe-core",
    "axe-core",
    "4.14.1",
    "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
)
NAMES = ("nodejs24.x-debian", "python3.13-debian", "serve-a-very-long-name-of-a-runtime-that-has-no-end-debian")
IMAGES = tuple(
    Judged(name, f"linux/{arch}", f"sha256:{number}{arch}", 10_000_000 * number, number)
    for number, name in enumerate(NAMES, 1)
    for arch in ("amd64", "arm64")
)
CHECKS = [
    f"{group}.{name}" for group in ("environment", "files", "paths", "system") for name in ("one", "two", "three")
]
FINDINGS = [
    Finding(i.image, i.platform, check, "pass", "so", "so it is", "facts/x") for i in IMAGES for check in CHECKS
]
FINDINGS += [
    Finding(NAMES[0], "linux/amd64", "files.links", "fail", "a link", "/a/dangling/link", "fact y", "mend it"),
    Finding(NAMES[1], "linux/arm64", "running.example", "skip", "", "nothing runs it", "m"),
    Finding(NAMES[1], "linux/amd64", "running.time", "info", "", "0.1 s", "m"),
]
BEHAVIOURS = (
    Behaviour("python3.13", NAMES[1], "linux/amd64", "sha256:2", "success", "pass"),
    Behaviour("python3.13", NAMES[1], "linux/amd64", "sha256:2", "slow", "fail", "assert 1 == 2\na log"),
    Behaviour("nodejs24.x", NAMES[0], "linux/amd64", "sha256:1", "layers", "inapplicable", "it has none"),
)
REPORT = Report(tuple(FINDINGS), IMAGES, "0.1.0", 1_700_000_000, "podman", BEHAVIOURS)

# What is asked of the page, in the page: axe first, with all of it unfolded; then the form is used.
PROBE = """
const broken = [];
addEventListener("error", (event) => broken.push(event.message));
addEventListener("securitypolicyviolation", (event) => broken.push(event.violatedDirective));
addEventListener("load", async () => {
  const count = (what) => [...document.querySelectorAll(what)].filter((e) => !e.closest("[hidden]")).length;
  const search = document.getElementById("search");
  const box = (value) => document.querySelector(`#filter input[value="${value}"]`);
  const type = (text) => { search.value = text; search.dispatchEvent(new Event("input", { bubbles: true })); };
  const found = { broken, requests: performance.getEntriesByType("resource").map((entry) => entry.name) };
  found.overflow = document.documentElement.scrollWidth - innerWidth;
  found.background = getComputedStyle(document.body).backgroundColor;
  found.form = getComputedStyle(document.getElementById("filter")).display;
  const look = () => [count(".finding"), count(".matrix tr[data-image]"), document.getElementById("shown").textContent];
  found.all = look();
  type("DANGLING link");
  found.searched = look();
  found.unfolded = count("details.image[open]");
  type("nothing has this");
  found.none = look();
  type("");
  box("pass").click();
  found.unticked = look();
  box("linux/arm64").click();
  found.platform = look();
  document.querySelector("#filter button").click();
  await new Promise((done) => setTimeout(done, 50));
  found.reset = look();
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
  const judged = await axe.run();
  found.passes = judged.passes.length;
  found.violations = judged.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes[0].html}`);
  const told = document.createElement("script");
  told.type = "application/json";
  told.id = "told";
  told.textContent = JSON.stringify(found).replaceAll("<", "\\\\u003c");
  document.body.append(told);
});
"""


@dataclass(frozen=True)
class Browser:
    """A browser without a window, and axe-core's script."""

    program: str
    axe: str
    home: Path

    def ask(self, page: str, *, dark: bool, width: int) -> dict[str, Any]:
        """What the probe finds in a page, in one of the colour schemes and a window of this width."""
        texts = (text.replace("</script", "<\\/script") for text in (self.axe, PROBE))
        scripts = "".join(f"<script>{text}</script>" for text in texts)
        file = self.home / "page.html"
        file.write_text(page.replace("</body>", scripts + "</body>"), encoding="utf-8")
        done = subprocess.run(
            [
                self.program,
                *("--headless", "--disable-gpu", "--no-first-run", f"--user-data-dir={self.home / 'profile'}"),
                *(("--no-sandbox",) if os.geteuid() == 0 else ()),
                *(f"--window-size={width},1200", f"--blink-settings=preferredColorScheme={int(not dark)}"),
                *("--virtual-time-budget=100000", "--dump-dom", file.as_uri()),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        told = re.search(r'<script type="application/json" id="told">(.*?)</script>', done.stdout, re.DOTALL)
        assert told, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return dict(json.loads(told[1]))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((path for name in names if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"none of {', '.join(names)} is here; tests/engines.sh says how to install one")
    fetcher = Fetcher(Cache(ROOT / ".imagemill" / "cache"), Mirrors.discover(os.environ), lambda text: None)
    try:
        fetcher.fetch([AXE])
    except (FetchError, MirrorError) as error:
        pytest.skip(f"axe-core cannot be had: {error}")
    with tarfile.open(fetcher.path(AXE)) as tar:
        script = tar.extractfile("package/axe.min.js")
        assert script is not None
        return Browser(program, script.read().decode(), tmp_path_factory.mktemp("browser"))


@pytest.mark.parametrize(("dark", "width"), [(False, 1400), (True, 500)], ids=["light and wide", "dark and narrow"])
def test_the_page(browser: Browser, dark: bool, width: int) -> None:
    found = browser.ask(to_html(REPORT), dark=dark, width=width)
    total = len(FINDINGS)
    assert found["broken"] == [] and found["requests"] == []
    assert found["overflow"] <= 0, "the page itself does not scroll sideways"
    assert found["background"] == ("rgb(20, 23, 28)" if dark else "rgb(255, 255, 255)")
    assert found["form"] == "flex"
    assert found["all"] == found["reset"] == [total, 6, f"{total} of {total} findings"]
    assert found["searched"] == [1, 1, f"1 of {total} findings"] and found["unfolded"] == 1
    assert found["none"] == [0, 0, f"0 of {total} findings"]
    assert found["unticked"] == [3, 3, f"3 of {total} findings"]
    assert found["platform"] == [2, 2, f"2 of {total} findings"]
    assert found["passes"] > 30
    assert found["violations"] == []


def test_what_is_not_accessible_is_seen(browser: Browser) -> None:
    page = to_html(REPORT).replace("<main>", '<main><p style="color:#999;background:#fff">faint</p><button></button>')
    found = browser.ask(page, dark=False, width=1400)
    assert {line.partition(":")[0] for line in found["violations"]} == {"button-name", "color-contrast"}
