"""A plugin of pytest: `pytest --imagemill-image=REF` makes a test of each check of conformance on an image.

Options are best written with `=`: when pytest looks for its configuration it does not know them yet, and takes what
stands alone on the command line for a place of tests.

Loaded by whatever pytest finds this package, so nothing else of it is imported before an image is named.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from imagemill.conform import Check, Finding, Subject, View
    from imagemill.pytest_images import Images, Opened

_HELP = (
    "hold this image against manifests and facts, each check a test: a planned tag, an OCI layout, an archive, or "
    "a name in the local engine or a registry"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options; pytest's own names for the group and its help."""
    group = parser.getgroup("imagemill", "conformance of images")
    group.addoption("--imagemill-image", action="append", default=[], metavar="REF", help=_HELP + "; may be repeated")
    group.addoption("--imagemill-as", metavar="RUNTIME/VARIANT", help="what to hold it against")
    group.addoption("--imagemill-platform", action="append", default=[], help="only this one, as linux/arm64")
    group.addoption("--imagemill-against", metavar="FACTS.JSON", help="hold images against this record too")
    group.addoption(
        "--imagemill-sbom", action="append", default=[], metavar="SBOM.JSON",
        help="hold images against this bill of materials too; may be repeated",
    )  # fmt: skip
    group.addoption("--imagemill-dist", metavar="DIR", help="where built images are; default: dist of the checkout")
    group.addoption("--imagemill-root", metavar="DIR", help="the checkout of imagemill; default: this folder or above")
    group.addoption("--imagemill-no-run", action="store_true", help="only what needs no container")


@pytest.hookimpl(tryfirst=True)  # before what -k and -m leave out
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the checks to what was collected."""
    refs: list[str] = config.getoption("--imagemill-image")
    if not refs:
        return
    from imagemill.errors import ImagemillError
    from imagemill.pytest_images import Images

    folder = tempfile.TemporaryDirectory(prefix="imagemill-pytest-")
    config.add_cleanup(folder.cleanup)
    try:
        images = Images(config, Path(folder.name))
        config.add_cleanup(images.close)
        for opened in [one for ref in refs for one in images.found(ref)]:
            name = f"imagemill:{opened.name}[{opened.platform}]"
            path = opened.layout.path
            node = ImageNode.from_parent(session, name=name, nodeid=name, path=path, images=images, opened=opened)
            items += session.genitems(node)
    except ImagemillError as error:
        raise pytest.UsageError(str(error)) from None


class CheckFailed(Exception):
    """Findings that fail; a failure of the test."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__(f"{len(findings)} findings")
        self.findings = findings


class ImageNode(pytest.Collector):
    """One image on one platform; its tests are the checks."""

    def __init__(self, *, images: Images, opened: Opened, **more: Any) -> None:
        super().__init__(**more)
        self._images = images
        self._opened = opened
        self._loaded = ExitStack()

    def collect(self) -> Iterator[CheckItem]:
        """A test a check, those against what was given for the images among them."""
        from imagemill.conform import CHECKS, further, name_of

        for check in (*CHECKS, *further(self._images.real, self._images.bills)):
            yield CheckItem.from_parent(self, name=name_of(check), node=self, check=check)

    @cached_property
    def judged(self) -> tuple[View, Subject]:
        """The image, opened when its first test runs."""
        return self._images.open(self._opened, self._loaded)

    def teardown(self) -> None:
        """After its last test, let go of the image, and have the engine forget it where it was loaded for these."""
        self.__dict__.pop("judged", None)
        self._loaded.close()


class CheckItem(pytest.Item):
    """One check on one image."""

    def __init__(self, *, node: ImageNode, check: Check, **more: Any) -> None:
        super().__init__(**more)
        self._node = node
        self._check = check

    def runtest(self) -> None:
        """Have the image judged by the check."""
        from imagemill.conform import conform

        found = conform(*self._node.judged, [self._check])
        failing = [finding for finding in found if finding.status == "fail"]
        if failing:
            raise CheckFailed(failing)
        skipped = [finding.found for finding in found if finding.status == "skip"]
        told = [finding for finding in found if finding.status == "info"]
        if told:
            self.add_report_section("call", "told, and not judged", _shown(told))
        if skipped:
            pytest.skip("; ".join(skipped))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What each finding says, without a traceback; errors that users can mend without one too."""
        from imagemill.errors import ImagemillError

        if isinstance(excinfo.value, CheckFailed):
            return _shown(excinfo.value.findings)
        if isinstance(excinfo.value, ImagemillError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where it stands in reports."""
        return self.path, None, f"{self._node.name} {self.name}"


def _shown(findings: list[Finding]) -> str:
    from imagemill.reports.summary import details

    return "\n\n".join("\n".join(f"{label:<8} {value}" for label, value in details(one)) for one in findings)
