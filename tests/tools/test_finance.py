from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.tools.calling import Caller
from tests.tools.provider import Provider, provider, response, status
from tools.finance import Finance, spoken_money
from tools.outcomes import Status
from tools.yahoo import Listed, Yahoo

RATE = response("frankfurter_usd_eur")["body"]["rate"]
BITCOIN = response("coingecko_price")["body"]["bitcoin"]


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Provider]:
    async with provider() as serving:
        yield serving


def market(what: str) -> Listed | None:
    known = {"apple": Listed("Apple Inc.", 250.0, "USD", 245.0), "aapl": Listed("Apple Inc.", 250.0, "USD", 245.0)}
    if what == "broken":
        raise KeyError("quoteResponse")
    return known.get(what.lower())


def money(server: Provider, **more: Any) -> Caller:
    finance = Finance(
        server.service("the service that knows currencies"),
        server.service("the service that knows coins"),
        Yahoo(market),
        **more,
    )
    return Caller(finance.tools())


async def test_a_coin_is_told_in_the_households_currency(server: Provider) -> None:
    said = await money(server).ask("get_price", what="Bitcoin")
    assert said == f"Bitcoin is at {BITCOIN['eur']:,.0f} euros, down 2.3 percent since yesterday."


async def test_a_coin_that_few_know_is_looked_up(server: Provider) -> None:
    assert (await money(server).ask("get_price", what="Pepe")).startswith("Pepe is at 0.0000")


async def test_a_share_is_told_in_its_own_currency(server: Provider) -> None:
    assert (
        await money(server).ask("get_price", what="Apple")
        == "Apple Inc. is at 250 dollars, up 2.0 percent since yesterday."
    )


async def test_what_nobody_trades_is_told(server: Provider) -> None:
    assert (
        await money(server).ask("get_price", what="flux capacitors")
        == "Sorry, I know no share or coin called flux capacitors."
    )


async def test_money_is_converted(server: Provider) -> None:
    said = await money(server).ask("convert_currency", amount=100, from_currency="dollars", to_currency="EUR")
    assert said == f"100 dollars are {100 * RATE:.2f} euros."
    assert (
        await money(server).ask("convert_currency", amount=1, from_currency="USD") == f"1 dollar is {RATE:.2f} euros."
    )
    assert (
        await money(server).ask("convert_currency", amount=5, from_currency="euros", to_currency="EUR")
        == "5 euros are 5 euros."
    )


async def test_a_currency_that_nobody_has_is_told(server: Provider) -> None:
    assert "nobody tells me the rate from XQZ to EUR" in await money(server).ask(
        "convert_currency", amount=3, from_currency="XQZ"
    )
    outcome = await money(server).call("convert_currency", amount=3, from_currency="galleons of old")
    assert outcome.status is Status.INVALID


async def test_what_the_household_holds_is_summed_up(server: Provider) -> None:
    held = money(server, holdings={"AAPL": 2, "bitcoin": 0.5})
    outcome = await held.call("get_portfolio")
    assert outcome.data["total"] == pytest.approx(2 * 250 * RATE + 0.5 * BITCOIN["eur"], rel=1e-6)
    assert outcome.say.startswith("All together is worth ")
    assert "euros, down" in outcome.say


async def test_what_cannot_be_priced_is_left_out_and_said(server: Provider) -> None:
    said = await money(server, holdings={"AAPL": 2, "nonsense": 1}).ask("get_portfolio")
    assert "without 1 of them" in said


async def test_a_page_that_yahoo_has_changed_costs_nothing_else(server: Provider) -> None:
    caller = money(server)
    assert "doesn't answer right now" in await caller.ask("get_price", what="broken")
    assert "Bitcoin is at" in await caller.ask("get_price", what="bitcoin")


@pytest.mark.parametrize(
    "body",
    ['{"bitcoin": {"eur": -5}}', '{"bitcoin": {"eur": 1e300}}', '{"bitcoin": {"eur": null}}', '{"bitcoin": 4}', "{}"],
)
async def test_absurd_prices_are_not_told(server: Provider, body: str) -> None:
    server.instead = status(200, text=body)
    assert (await money(server).call("get_price", what="bitcoin")).status is Status.FAILED


def test_money_is_said_as_people_say_it() -> None:
    assert spoken_money(1, "EUR") == "1 euro"
    assert spoken_money(0.00000812, "EUR") == "0.0000081 euros"
    assert spoken_money(12.5, "SEK") == "12.50 SEK"
