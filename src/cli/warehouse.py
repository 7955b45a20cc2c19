"""`sluice warehouse`: what a warehouse has to be given before the first load; only Snowflake needs anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shared.common.errors import Misconfigured
from src.cli.app import DEBUG, examples, json_option, verb
from src.cli.screen import Screen

if TYPE_CHECKING:
    from shared.warehouse.snowflake_setup import Setup
    from shared.warehouse.snowflake_url import Address
    from src.workplace import Workplace

SQL = Path(__file__).parents[2] / "deploy" / "snowflake"


@click.group(
    "warehouse",
    epilog=examples(
        "sluice warehouse ddl --aws-role arn:aws:iam::123456789012:role/sluice-snowflake",
        "sluice warehouse apply --part database",
    ),
    no_args_is_help=True,
)
def warehouse() -> None:
    """Print or run the SQL that a warehouse needs before the first load.

    DuckDB, PostgreSQL and MySQL need none: the loader makes what it needs.
    """


def _parameters(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that fill the SQL."""
    key = click.Path(path_type=Path, exists=True, dir_okay=False)
    for option in reversed(
        [
            click.option(
                "--part",
                type=click.Choice(["account", "database"]),
                help="Only what concerns the account (role, user, integration), or only the database.",
            ),
            click.option(
                "--aws-role",
                default="",
                metavar="ARN",
                envvar="SNOWFLAKE_AWS_ROLE",
                show_envvar=True,
                help="The role of AWS that Snowflake becomes to read the bucket.",
            ),
            click.option(
                "--workload-role",
                default="",
                metavar="ARN",
                envvar="SNOWFLAKE_WORKLOAD_ROLE",
                show_envvar=True,
                help="The role of AWS that the loader runs under, to sign in without a key.",
            ),
            click.option("--public-key", type=key, help="The loader's public key, a PEM file."),
            click.option("--public-key-2", type=key, help="The second one, while keys are exchanged."),
            click.option("--role", help="The loader's role. [default: that of WAREHOUSE_URL]"),
            click.option("--user", help="The loader's user. [default: that of WAREHOUSE_URL]"),
            click.option(
                "--snowpipe", metavar="SOURCE.STREAM", multiple=True, help="Also a pipe for this stream."
            ),
        ]
    ):
        function = option(function)
    return function


@verb(
    "ddl",
    "sluice warehouse ddl --aws-role arn:aws:iam::123456789012:role/sluice-snowflake",
    "sluice warehouse ddl --part database --snowpipe recurly.accounts > setup.sql",
)
@_parameters
@json_option
@click.pass_obj
def ddl(screen: Screen, /, **options: Any) -> None:
    """Print the SQL of deploy/snowflake with its parameters filled."""
    _, _, statements = _setup(**options)
    if statements:
        screen.say("\n\n".join(f"{statement};" for statement in statements))
    else:
        screen.say("-- this warehouse needs no setup")
    screen.answer({"statements": statements})


@verb(
    "apply",
    "sluice warehouse apply --part account --public-key rsa_key.pub",
    "sluice warehouse apply --part database",
)
@_parameters
@json_option
@click.pass_obj
def apply(screen: Screen, /, **options: Any) -> None:
    """Run it, as the user and role of WAREHOUSE_URL. Twice does no harm.

    For the account that is an administrator's: name the loader's own with --user and --role. At the end stands
    what the trust policy of the role of AWS must say.
    """
    from shared.warehouse.snowflake_setup import trust, without_comments

    place, setup, statements = _setup(**options)
    screen.redactor = place.redactor
    if setup is None:
        screen.say("this warehouse needs no setup")
        screen.answer({"statements": [], "trust": {}})
        return
    found, told = _opened(place), {}
    with found.held():
        for statement, _ in found.run(without_comments(one) for one in statements):
            screen.say(f"ok  {' '.join(statement.split())[:100]}")
        if options["part"] != "database":
            for _, rows in found.run(iter([f"DESC STORAGE INTEGRATION {setup.integration}"])):
                told = trust(rows)
    if told:
        screen.say(
            f"\nlet {setup.aws_role} trust {told['principal']} with the external id {told['external_id']}"
        )
    screen.answer({"statements": statements, "trust": told})


for one in (ddl, apply):
    warehouse.add_command(one)
warehouse.params.append(DEBUG)


def _setup(
    *,
    part: str | None,
    public_key: Path | None,
    public_key_2: Path | None,
    role: str | None,
    user: str | None,
    snowpipe: tuple[str, ...],
    **given: str,
) -> tuple[Workplace, Setup | None, list[str]]:
    """The statements; none for a warehouse that needs no setup."""
    from shared.warehouse.snowflake_setup import FILES, SNOWPIPE, Setup, read
    from shared.warehouse.snowflake_url import SCHEME, parse
    from src.workplace import Workplace

    place = Workplace.open()
    if not place.settings.warehouse_url.startswith(f"{SCHEME}://"):
        return place, None, []
    address: Address = parse(place.settings.warehouse_url)
    setup = Setup(
        environment=place.settings.environment.value,
        database=address.database,
        warehouse=address.warehouse,
        role=role or address.role,
        user=user or address.user,
        landing=place.settings.landing_url,
        public_key=_text(public_key),
        public_key_2=_text(public_key_2),
        **given,
    )
    names = [FILES[part]] if part else list(FILES.values())
    statements = [one for sql in read(SQL, names) for one in setup.statements(sql)]
    for name in snowpipe:
        source, dot, stream = name.partition(".")
        if not dot:
            raise Misconfigured(f'"{name}" names no stream', hint="write --snowpipe recurly.accounts")
        _known(place, source, stream)
        statements += [one for sql in read(SQL, [SNOWPIPE]) for one in setup.snowpipe(sql, source, stream)]
    return place, setup, statements


def _known(place: Workplace, source: str, stream: str) -> None:
    """Raises `Misconfigured` for a stream that there is not; one that a report delivers has no name before it lands."""
    from src.loading import landed_streams, listed

    spec = place.written(source).spec
    if stream not in spec.streams and not spec.reports:
        listed(stream, [*spec.streams, *landed_streams(place.store, source)], source)


def _opened(place: Workplace) -> Any:
    """The warehouse, of which is known that it is Snowflake."""
    return place.warehouse


def _text(file: Path | None) -> str:
    return file.read_text(encoding="utf-8") if file else ""
