"""Secret layers: the first place that has the name wins, and a missing secret names the places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from shared.common.errors import Misconfigured
from src.secret_layers import LayeredSecrets


@dataclass
class FakeManager:
    known: dict[str, str]
    later: dict[str, str] = field(default_factory=dict)
    secret_id: str = "sluice/dev"
    asked: int = 0

    def values(self) -> Mapping[str, str]:
        self.asked += 1
        return self.known

    def refresh(self) -> bool:
        changed = {**self.known, **self.later} != self.known
        self.known.update(self.later)
        return changed


def test_the_environment_goes_before_dotenv_before_the_manager() -> None:
    manager = FakeManager({"A": "manager", "B": "manager", "C": "manager"})
    secrets = LayeredSecrets({"A": "environ"}, {"A": "dotenv", "B": "dotenv"}, manager=manager)

    assert [secrets.get(name) for name in "ABC"] == ["environ", "dotenv", "manager"]


def test_the_manager_is_asked_only_for_what_the_others_lack() -> None:
    manager = FakeManager({})
    LayeredSecrets({"A": "1"}, {}, manager=manager).get("A")

    assert manager.asked == 0


def test_an_empty_value_counts_as_not_set() -> None:
    assert LayeredSecrets({"A": ""}, {"A": ""}, manager=FakeManager({"A": "x"})).get("A") == "x"


def test_a_missing_secret_names_the_places_searched_and_no_value() -> None:
    secrets = LayeredSecrets({"HOME": "/h"}, {"API_KEI": "s3cr3t"}, manager=FakeManager({"OTHER": "s3cr3t"}))

    with pytest.raises(Misconfigured) as caught:
        secrets.get("API_KEY")

    assert str(caught.value) == (
        'secret "API_KEY" is not set\n'
        '  did you mean "API_KEI"? searched: the environment variable API_KEY, .env, '
        'secret "sluice/dev" of Secrets Manager'
    )


def test_says_why_the_manager_was_not_asked() -> None:
    secrets = LayeredSecrets({}, {}, without="and not Secrets Manager, because ENVIRONMENT is local")

    with pytest.raises(Misconfigured, match=r"\.env, and not Secrets Manager, because ENVIRONMENT is local"):
        secrets.get("X")


def test_every_value_is_learned_before_it_is_handed_out() -> None:
    learned: list[str] = []
    LayeredSecrets({"A": "one"}, {}, manager=FakeManager({"B": "two"}), learn=learned.append).get("A")

    assert learned == ["one"]


def test_what_is_no_secret_is_not_learned() -> None:
    learned: list[str] = []
    secrets = LayeredSecrets({"USER": "reader"}, {}, learn=learned.append)

    assert ("reader", []) == (secrets.get("USER", hidden=False), learned)


def test_refresh_takes_a_rotated_secret() -> None:
    secrets = LayeredSecrets({}, {}, manager=FakeManager({"A": "old"}, later={"A": "new"}))

    assert (secrets.get("A"), secrets.refresh(), secrets.get("A"), secrets.refresh()) == (
        "old",
        True,
        "new",
        False,
    )
    assert LayeredSecrets({"A": "old"}, {}).refresh() is False
