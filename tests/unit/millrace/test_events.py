"""The sample payloads take what PostgreSQL and mail headers can hold."""

import pytest
from millrace.events import UserSignedUp
from pydantic import ValidationError


@pytest.mark.parametrize("text", ["", "x" * 201, "a\0b", "a\nb", "a\x7fb", "\ud800", 5, None], ids=ascii)
def test_an_id_is_printable_text_of_a_sensible_length(text: object) -> None:
    with pytest.raises(ValidationError):
        UserSignedUp.model_validate({"user_id": text})


def test_a_mail_address_is_optional() -> None:
    assert UserSignedUp(user_id="1").email is None
