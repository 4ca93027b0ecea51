"""Every error that a user can cause or meet: what happened, where, and what to do about it.

Each class has an exit code of its own, so scripts can tell a bad manifest from a mirror that is down.
Code 1 is kept for findings (a failing conformance run, a drifted render), 2 for a wrong command line.
"""

from __future__ import annotations

from collections.abc import Sequence


class ImagemillError(Exception):
    """An error with a message for people; the CLI prints it without a traceback.

    `message` says what happened and where, `remedy` what to do next.
    """

    exit_code = 10

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  {self.remedy}" if self.remedy else self.message


class CheckoutError(ImagemillError):
    """A folder that is in no checkout of imagemill."""


class ManifestError(ImagemillError):
    """One or more mistakes in manifests; all of them are in the message."""

    exit_code = 11

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        plural = "mistake" if len(mistakes) == 1 else "mistakes"
        super().__init__(f"{len(mistakes)} {plural} in manifests:\n" + "\n".join(f"  {m}" for m in mistakes))


class SelectionError(ImagemillError):
    """A name on the command line that no manifest plans."""

    exit_code = 12


class LockError(ImagemillError):
    """The lock is missing, unreadable, or does not cover what the manifests ask for."""

    exit_code = 13


class MirrorError(ImagemillError):
    """No mirror is configured for a kind of package, or the one configured does not answer."""

    exit_code = 14


class PassingError(ImagemillError):
    """An error that may pass: `transient` tells a fault worth a retry from a definitive answer."""

    def __init__(self, message: str, remedy: str = "", *, transient: bool = False) -> None:
        super().__init__(message, remedy)
        self.transient = transient


class FetchError(PassingError):
    """A download failed."""

    exit_code = 15


class IntegrityError(FetchError):
    """Bytes that are not the ones that the lock names. Never retried, never used."""

    exit_code = 16


class AssembleError(ImagemillError):
    """Locked inputs that cannot be made into a layer."""

    exit_code = 17


class RenderError(ImagemillError):
    """A template that does not render."""

    exit_code = 18


class DockerfileError(ImagemillError):
    """A Dockerfile outside the subset that the embedded engine executes."""

    exit_code = 19


class EngineError(ImagemillError):
    """An engine is missing or failed."""

    exit_code = 20


class LayoutError(ImagemillError):
    """An OCI layout that is missing, incomplete or damaged."""

    exit_code = 21


class RevisionError(ImagemillError):
    """A revision of the checkout that is not there, or has no plan to compare with."""

    exit_code = 30


class BuildError(ImagemillError):
    """Images that could not be made, each with the reason; the others are finished."""

    exit_code = 40


class BusyError(ImagemillError):
    """A directory in which another run works."""

    exit_code = 41


class SpaceError(ImagemillError):
    """A file system that is full."""

    exit_code = 42


class MergeError(ImagemillError):
    """Outputs of shards that do not make whole images."""

    exit_code = 43


class RecordError(ImagemillError):
    """What should be the record of an environment is none."""

    exit_code = 44


class SbomError(ImagemillError):
    """What should be a software bill of materials is none."""

    exit_code = 45


class RegistryError(PassingError):
    """A registry that refuses, fails, or says something else than it should."""

    exit_code = 50


class TrustError(ImagemillError):
    """Keys, passphrases, or trust metadata that are missing or wrong."""

    exit_code = 51


class PublishError(ImagemillError):
    """What may not be published, or was not published whole."""

    exit_code = 52


class VerifyError(ImagemillError):
    """An image whose signatures, attestations or bytes are not what they should be."""

    exit_code = 53
