"""The template in an account: every resource stands there, and the stack can be deleted again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.infra.account import Account, account


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with account(tmp_path_factory.mktemp("stack")) as made:
        made.create(Environment="dev")
        yield made


def test_every_resource_of_the_template_is_made(stack: Account) -> None:
    wanted = {name for name, one in stack.template["Resources"].items() if "Condition" not in one}

    assert wanted == set(stack.resources())
