"""What a sender with the secret would have signed."""

from __future__ import annotations

import pytest

from shared.common.signatures import hub_signature, is_one_of, seconds_of, standard_key, standard_signature


def test_the_vectors_of_github_and_of_standard_webhooks_are_right() -> None:
    hub = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    key = standard_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    name, stamp, body = "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}'

    assert hub == hub_signature("It's a Secret to Everybody", b"Hello, World!")
    assert "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" == standard_signature(key, name, stamp, body)


@pytest.mark.parametrize("stamp", ["", "-5", "1.5", "١٦", "9" * 5000])
def test_text_that_is_no_time_in_seconds_is_none(stamp: str) -> None:
    assert seconds_of(stamp) is None
    assert 1614265330 == seconds_of("1614265330")


def test_text_that_is_not_ascii_is_compared_and_is_another_one() -> None:
    assert not is_one_of("é\udcff", ["a", "b"])
    assert is_one_of("b", ["a", "b"])
