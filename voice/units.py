"""Symbols of units and currencies, and what they are called in English."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency's names; one without a hundredth in use has no cents."""

    singular: str
    plural: str
    cent: str | None = None
    cents: str | None = None


_DOLLAR = Currency("dollar", "dollars", "cent", "cents")
_EURO = Currency("euro", "euros", "cent", "cents")
_POUND = Currency("pound", "pounds", "penny", "pence")
_YEN = Currency("yen", "yen")
_RUPEE = Currency("rupee", "rupees", "paisa", "paise")


def _dollar_of(country: str) -> Currency:
    return Currency(f"{country} dollar", f"{country} dollars", "cent", "cents")


CURRENCIES: Final = {
    "$": _DOLLAR,
    "US$": _dollar_of("US"),
    "C$": _dollar_of("Canadian"),
    "CA$": _dollar_of("Canadian"),
    "A$": _dollar_of("Australian"),
    "AU$": _dollar_of("Australian"),
    "€": _EURO,
    "£": _POUND,
    "¥": _YEN,
    "₹": _RUPEE,
    "₩": Currency("won", "won"),
    "₿": Currency("bitcoin", "bitcoin"),
}

CURRENCY_CODES: Final = {
    "USD": _dollar_of("US"),
    "CAD": _dollar_of("Canadian"),
    "AUD": _dollar_of("Australian"),
    "NZD": _dollar_of("New Zealand"),
    "EUR": _EURO,
    "GBP": _POUND,
    "JPY": _YEN,
    "CNY": Currency("yuan", "yuan"),
    "INR": _RUPEE,
    "CHF": Currency("Swiss franc", "Swiss francs", "centime", "centimes"),
    "SEK": Currency("Swedish krona", "Swedish kronor"),
    "NOK": Currency("Norwegian krone", "Norwegian kroner"),
    "DKK": Currency("Danish krone", "Danish kroner"),
    "PLN": Currency("zloty", "zlotys"),
}


def _regular(**names: str) -> dict[str, tuple[str, str]]:
    return {symbol: (name, f"{name}s") for symbol, name in names.items()}


UNITS: Final[dict[str, tuple[str, str]]] = {
    **_regular(
        km="kilometer",
        m="meter",
        dm="decimeter",
        cm="centimeter",
        mm="millimeter",
        nm="nanometer",
        mi="mile",
        yd="yard",
        kg="kilogram",
        g="gram",
        mg="milligram",
        lb="pound",
        lbs="pound",
        oz="ounce",
        t="ton",
        l="liter",
        L="liter",
        dl="deciliter",
        cl="centiliter",
        ml="milliliter",
        mL="milliliter",
        tsp="teaspoon",
        tbsp="tablespoon",
        gal="gallon",
        qt="quart",
        pt="pint",
        h="hour",
        hr="hour",
        hrs="hour",
        min="minute",
        mins="minute",
        s="second",
        sec="second",
        secs="second",
        ms="millisecond",
        W="watt",
        kW="kilowatt",
        MW="megawatt",
        GW="gigawatt",
        Wh="watt hour",
        kWh="kilowatt hour",
        MWh="megawatt hour",
        V="volt",
        mV="millivolt",
        kV="kilovolt",
        A="amp",
        mA="milliamp",
        mAh="milliamp hour",
        KB="kilobyte",
        kB="kilobyte",
        MB="megabyte",
        GB="gigabyte",
        TB="terabyte",
        PB="petabyte",
        GiB="gibibyte",
        MiB="mebibyte",
        kbps="kilobit per second",
        Pa="pascal",
        hPa="hectopascal",
        kPa="kilopascal",
        mbar="millibar",
        bar="bar",
        dB="decibel",
        lm="lumen",
        cal="calorie",
        kcal="kilocalorie",
        J="joule",
        kJ="kilojoule",
        px="pixel",
    ),
    "%": ("percent", "percent"),
    "°": ("degree", "degrees"),
    "º": ("degree", "degrees"),
    "°C": ("degree Celsius", "degrees Celsius"),
    "° C": ("degree Celsius", "degrees Celsius"),
    "ºC": ("degree Celsius", "degrees Celsius"),
    "℃": ("degree Celsius", "degrees Celsius"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "° F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "ºF": ("degree Fahrenheit", "degrees Fahrenheit"),
    "℉": ("degree Fahrenheit", "degrees Fahrenheit"),
    "ft": ("foot", "feet"),
    "sq ft": ("square foot", "square feet"),
    "ft²": ("square foot", "square feet"),
    "m²": ("square meter", "square meters"),
    "m2": ("square meter", "square meters"),
    "km²": ("square kilometer", "square kilometers"),
    "cm²": ("square centimeter", "square centimeters"),
    "m³": ("cubic meter", "cubic meters"),
    "m3": ("cubic meter", "cubic meters"),
    "cm³": ("cubic centimeter", "cubic centimeters"),
    "ha": ("hectare", "hectares"),
    "µm": ("micrometer", "micrometers"),
    "μm": ("micrometer", "micrometers"),
    "µg": ("microgram", "micrograms"),
    "μg": ("microgram", "micrograms"),
    "µg/m³": ("microgram per cubic meter", "micrograms per cubic meter"),
    "μg/m³": ("microgram per cubic meter", "micrograms per cubic meter"),
    "km/h": ("kilometer per hour", "kilometers per hour"),
    "kmh": ("kilometer per hour", "kilometers per hour"),
    "km/hr": ("kilometer per hour", "kilometers per hour"),
    "kph": ("kilometer per hour", "kilometers per hour"),
    "m/s": ("meter per second", "meters per second"),
    "mph": ("mile per hour", "miles per hour"),
    "mpg": ("mile per gallon", "miles per gallon"),
    "kn": ("knot", "knots"),
    "kt": ("knot", "knots"),
    "W/m²": ("watt per square meter", "watts per square meter"),
    "Mbps": ("megabit per second", "megabits per second"),
    "Mbit/s": ("megabit per second", "megabits per second"),
    "Gbps": ("gigabit per second", "gigabits per second"),
    "Gbit/s": ("gigabit per second", "gigabits per second"),
    "MB/s": ("megabyte per second", "megabytes per second"),
    "GB/s": ("gigabyte per second", "gigabytes per second"),
    "l/min": ("liter per minute", "liters per minute"),
    "mm/h": ("millimeter per hour", "millimeters per hour"),
    "Hz": ("hertz", "hertz"),
    "kHz": ("kilohertz", "kilohertz"),
    "MHz": ("megahertz", "megahertz"),
    "GHz": ("gigahertz", "gigahertz"),
    "psi": ("P S I", "P S I"),
    "inHg": ("inch of mercury", "inches of mercury"),
    "lx": ("lux", "lux"),
    "ppm": ("part per million", "parts per million"),
    "ppb": ("part per billion", "parts per billion"),
    "rpm": ("R P M", "R P M"),
    "fps": ("frame per second", "frames per second"),
    "Ω": ("ohm", "ohms"),
}
