"""Money: quotes of shares and coins, currencies, and what the household holds."""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final, Protocol

from pydantic import BaseModel, Field, TypeAdapter

from tools.service import Known, NotThere, Service, Unwell, spoken_age
from tools.tool import Context, Effect, Failed, Result, Tool, TryAgain, tool

FRESH: Final = 60.0
RATES_FRESH: Final = 3600.0
"""Central banks tell their rates once a day."""
NAMES_FRESH: Final = 7 * 24 * 3600.0
_CURRENCIES: Final[Mapping[str, str]] = {
    "dollar": "USD", "us dollar": "USD", "american dollar": "USD", "buck": "USD", "euro": "EUR", "pound": "GBP",
    "british pound": "GBP", "pound sterling": "GBP", "sterling": "GBP", "yen": "JPY", "japanese yen": "JPY",
    "franc": "CHF", "swiss franc": "CHF", "yuan": "CNY", "renminbi": "CNY", "rupee": "INR", "indian rupee": "INR",
    "canadian dollar": "CAD", "australian dollar": "AUD", "krona": "SEK", "swedish krona": "SEK",
    "danish krone": "DKK", "norwegian krone": "NOK", "zloty": "PLN", "polish zloty": "PLN", "forint": "HUF",
    "koruna": "CZK", "czech koruna": "CZK", "lira": "TRY", "turkish lira": "TRY", "real": "BRL",
    "brazilian real": "BRL", "mexican peso": "MXN", "peso": "MXN", "rand": "ZAR", "won": "KRW", "shekel": "ILS",
    "new zealand dollar": "NZD", "hong kong dollar": "HKD", "singapore dollar": "SGD",
}  # fmt: skip
_COINS: Final[Mapping[str, str]] = {
    "bitcoin": "bitcoin", "btc": "bitcoin", "ethereum": "ethereum", "ether": "ethereum", "eth": "ethereum",
    "dogecoin": "dogecoin", "solana": "solana", "cardano": "cardano", "litecoin": "litecoin", "monero": "monero",
    "ripple": "ripple", "xrp": "ripple", "polkadot": "polkadot", "tether": "tether", "chainlink": "chainlink",
}  # fmt: skip
_SPOKEN: Final[Mapping[str, str]] = {"USD": "dollars", "EUR": "euros", "GBP": "pounds", "JPY": "yen", "CHF": "francs"}

Price = Annotated[float, Field(gt=0, lt=1e12, allow_inf_nan=False)]
Change = Annotated[float, Field(gt=-100.5, lt=1e6, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class Quote:
    """What something costs."""

    name: str
    price: float
    currency: str
    change: float | None = None
    """Percent since the day before."""


class Stocks(Protocol):
    """Knows what shares cost."""

    async def quote(self, what: str) -> Known[Quote]:
        """The price of a share by its symbol or a company's name. Raises `Failed`."""


class _Rate(BaseModel):
    date: date
    rate: Price


class _Coin(BaseModel):
    id: str
    name: str


class _Coins(BaseModel):
    coins: list[_Coin] = []


_RATE: Final = TypeAdapter(_Rate)
_COINS_FOUND: Final = TypeAdapter(_Coins)
_PRICES: Final = TypeAdapter(dict[str, dict[str, float | None]])
_PRICE: Final = TypeAdapter(Price)
_CHANGE: Final = TypeAdapter(Change)


class Finance:
    """Answers questions about money.

    Args:
        rates: Frankfurter, https://frankfurter.dev.
        coins: CoinGecko, https://docs.coingecko.com.
        stocks: None where nobody is to be asked about shares.
        currency: in which the household counts.
        holdings: what the household has: an amount of each share's symbol or coin's name.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        rates: Service,
        coins: Service,
        stocks: Stocks | None,
        *,
        currency: str = "EUR",
        holdings: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rates = rates
        self._coins = coins
        self._stocks = stocks
        self._currency = currency.upper()
        self._holdings = dict(holdings or {})
        self._clock = clock

    def tools(self) -> Sequence[Tool]:
        """What can be asked."""
        held = [tool(self.get_portfolio, effect=Effect.PRIVATE)] if self._holdings else []
        return [
            tool(self.get_price, effect=Effect.READ),
            tool(self.convert_currency, effect=Effect.READ),
            *held,
        ]

    async def get_price(self, context: Context, what: str) -> Result:
        """Tell what a share or a coin costs now.

        Args:
            what: a company, a share's symbol or a coin, such as Apple, MSFT or bitcoin.
        """
        known = await self._quote(what)
        quote = known.value
        age = spoken_age(known.at, self._clock(), from_=120.0)
        verb = "was" if age else "is"
        change = ""
        if quote.change is not None and abs(quote.change) >= 0.05:
            change = f", {'up' if quote.change > 0 else 'down'} {abs(quote.change):.1f} percent since yesterday"
        name = f"{quote.name[:1].lower() if age and quote.name.islower() else quote.name[:1]}{quote.name[1:]}"
        said = f"{age}{name} {verb} at {spoken_money(quote.price, quote.currency)}{change}."
        return Result(said, _data(quote, known.at))

    async def convert_currency(
        self, context: Context, amount: float, from_currency: str, to_currency: str | None = None
    ) -> Result:
        """Convert money between currencies, at the central banks' rates.

        Args:
            amount: how much.
            from_currency: such as USD or dollars.
            to_currency: such as EUR; leave it out for the household's own.
        """
        if not 0 <= amount < 1e15:
            raise TryAgain("How much is it? Give an amount above zero.")
        base, target = _code(from_currency), _code(to_currency) if to_currency else self._currency
        known = await self._rate(base, target)
        worth = amount * known.value
        said = f"{spoken_money(amount, base)} {'is' if amount == 1 else 'are'} {spoken_money(worth, target)}."
        return Result(said[:1].upper() + said[1:], {"amount": round(worth, 4), "currency": target, "rate": known.value})

    async def get_portfolio(self, context: Context) -> Result:
        """Tell what the household's shares and coins are worth together."""
        results = await asyncio.gather(*(self._worth(name, held) for name, held in self._holdings.items()))
        known = [each for each in results if not isinstance(each, Failed)]
        if not known:
            raise next(each for each in results if isinstance(each, Failed))
        total, before = sum(worth for worth, _, _ in known), sum(earlier for _, earlier, _ in known)
        change = (total / before - 1) * 100 if before else 0.0
        moved = (
            f", {'up' if change > 0 else 'down'} {abs(change):.1f} percent since yesterday"
            if abs(change) >= 0.05
            else ""
        )
        missing = len(results) - len(known)
        without = f" That is without {missing} of them, whose price I can't get right now." if missing else ""
        age = spoken_age(min(at for _, _, at in known), self._clock(), from_=600.0)
        said = f"{age}{'all' if age else 'All'} together {'was' if age else 'is'} worth "
        return Result(f"{said}{spoken_money(total, self._currency)}{moved}.{without}",
                      {"total": round(total, 2), "currency": self._currency})  # fmt: skip

    async def _worth(self, name: str, held: float) -> tuple[float, float, float] | Failed:
        """What a holding is worth, what it was the day before, and when that was known."""
        try:
            known = await self._quote(name)
            rate = 1.0
            if known.value.currency != self._currency:
                rate = (await self._rate(known.value.currency, self._currency)).value
        except Failed as problem:
            return problem
        worth = held * known.value.price * rate
        return worth, worth / (1 + (known.value.change or 0.0) / 100), known.at

    async def _quote(self, what: str) -> Known[Quote]:
        said = " ".join(what.split()).removeprefix("the ").strip(" .?")
        if not said:
            raise TryAgain("What is the price asked of? Give a company, a symbol or a coin.")
        coin = _COINS.get(said.lower().removesuffix(" coin").removesuffix("s"))
        if coin is not None:
            return await self._coin(coin, said)
        if self._stocks is not None:
            try:
                return await self._stocks.quote(said)
            except NotThere:
                pass
        found = (await self._coins.json(_COINS_FOUND, "/api/v3/search", {"query": said}, fresh=NAMES_FRESH)).value.coins
        exact = [each for each in found if each.name.lower() == said.lower()]
        if not exact:
            raise Failed(f"Sorry, I know no share or coin called {said}.")
        return await self._coin(exact[0].id, exact[0].name)

    async def _coin(self, id_: str, name: str) -> Known[Quote]:
        currency = self._currency.lower()
        params = {"ids": id_, "vs_currencies": currency, "include_24hr_change": "true"}
        try:
            known = await self._coins.json(_PRICES, "/api/v3/simple/price", params, fresh=FRESH)
            prices = known.value[id_]
            price = _PRICE.validate_python(prices[currency])
            moved = prices.get(f"{currency}_24h_change")
            change = None if moved is None else _CHANGE.validate_python(moved)
        except (NotThere, KeyError):
            raise Failed(f"Sorry, nobody tells me the price of {name}.") from None
        except ValueError:
            raise Unwell("The service that knows coins told a price that can't be true.") from None
        return Known(Quote(name[:1].upper() + name[1:], price, self._currency, change), known.at)

    async def _rate(self, base: str, target: str) -> Known[float]:
        if base == target:
            return Known(1.0, self._clock())
        try:
            known = await self._rates.json(_RATE, f"/v2/rate/{base}/{target}", fresh=RATES_FRESH)
        except NotThere:
            raise Failed(f"Sorry, nobody tells me the rate from {base} to {target}.") from None
        return Known(known.value.rate, known.at)


def spoken_money(amount: float, currency: str) -> str:
    """An amount as it is said: "98,120 dollars", "0.83 euros"."""
    digits = 0 if abs(amount) >= 1000 or amount == int(amount) else 2
    if 0 < abs(amount) < 0.1:
        # Two digits that mean something.
        digits = 1 - math.floor(math.log10(abs(amount)))
    name = _SPOKEN.get(currency, currency)
    one = {"dollars": "dollar", "euros": "euro", "pounds": "pound", "francs": "franc"}
    return f"{amount:,.{digits}f} {one.get(name, name) if amount == 1 else name}"


def _code(said: str) -> str:
    """The code of a currency. Raises `TryAgain` for what is none."""
    name = said.strip().lower().removesuffix(".")
    for word in (name, name.removesuffix("s"), name.removesuffix("es")):
        if word in _CURRENCIES:
            return _CURRENCIES[word]
    if len(name) == 3 and name.isalpha() and name.isascii():
        return name.upper()
    raise TryAgain(f"{said!r} is no currency that I know: give its code, such as USD.")


def _data(quote: Quote, at: float) -> dict[str, Any]:
    return {"name": quote.name, "price": quote.price, "currency": quote.currency, "change": quote.change, "at": at}
