"""The kubelet of the tests: what it does where its API server does not answer."""

from __future__ import annotations

import httpx
import pytest

from tests.integration.kubernetes.kubelet import attempt


def test_an_api_server_that_does_not_answer_once_ends_no_kubelet(capsys: pytest.CaptureFixture[str]) -> None:
    def turn() -> None:
        raise httpx.ReadTimeout("too late")

    attempt(turn)
    assert "ReadTimeout: too late" in capsys.readouterr().out


def test_a_mistake_of_the_kubelet_s_own_is_not_hidden() -> None:
    def turn() -> None:
        raise KeyError("status")

    with pytest.raises(KeyError):
        attempt(turn)
