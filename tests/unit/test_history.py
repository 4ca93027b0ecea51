"""The comments of an image's history."""

from __future__ import annotations

import pytest

from imagemill.history import told, words
from imagemill.plan import LAYERS

WORDS = {
    "ADD language-${TARGETARCH}.tar /": "the language's runtime and what it starts functions with",
    "ADD other-${TARGETARCH}.tar /": "other-${TARGETARCH}.tar at /",
    "COPY --chown=1:2 --chmod=755 a b /opt/": "a, b at /opt/",
    'COPY ["a b", "/c d"]': "a b at /c d",
    "ENV PATH=\"/bin:A=b\" LANG='x y=z' TZ=:UTC": "environment: PATH, LANG, TZ",
    'LABEL a="b"': "labels: what the image is and where it comes from",
    "ARG TARGETARCH": "may be set when building: TARGETARCH",
    "ARG LOCK=exact": "may be set when building: LOCK",
    "USER 993:990": "processes run as 993:990",
    "WORKDIR /var/task": "processes start in /var/task",
    "EXPOSE 8080 9001": "listens on 8080, 9001",
    'VOLUME ["/a", "/b"]': "data outside the image: /a, /b",
    "STOPSIGNAL SIGINT": "is stopped with SIGINT",
    'ENTRYPOINT ["/init", "-x"]': "starts /init",
    'CMD ["/bin/bash"]': "its arguments when none are given",
    "/bin/sh -c #(nop) RUN": "",
    "": "",
}


@pytest.mark.parametrize("instruction", WORDS)
def test_words(instruction: str) -> None:
    assert words(instruction) == WORDS[instruction]


def test_every_layer_of_the_plan_has_words() -> None:
    for name in {name for layers in LAYERS.values() for name in layers}:
        assert ".tar" not in words(f"ADD {name}-amd64.tar /"), name


def test_a_comment_that_is_there_stays() -> None:
    row = {"created_by": "USER x", "comment": "of another builder"}
    assert told(row) == row
    assert told({"created_by": "RUN y", "empty_layer": True}) == {"created_by": "RUN y", "empty_layer": True}
    assert told({"created_by": "USER x"})["comment"] == "processes run as x"
