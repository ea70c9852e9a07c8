"""English abbreviations that are written with a period, by what the period may mean.

Spelling matters where an ordinary word would be the same: "Sat." is a day and "sat." ends a sentence.
"""

from typing import Final

BEFORE_NAME_OR_TEXT: Final = frozenset(
    {
        "Dr", "Mr", "Mrs", "Ms", "Prof", "St", "Gen", "Sgt", "Capt", "Lt", "Col", "Rev", "Hon", "Gov",
        "Sen", "Rep", "Mt",
        "dr", "mr", "mrs", "ms", "prof", "e.g", "E.g", "i.e", "I.e", "eg", "vs", "approx", "Approx", "cf", "ca", "incl",
        "excl", "resp",
    }
)  # fmt: skip
"""Always followed by more of the sentence."""

BEFORE_NUMBER: Final = frozenset(
    {
        "No", "no", "Nos", "nos", "Fig", "fig", "Vol", "vol", "p", "pp", "Ch", "ch", "Art",
        "Jan", "Feb", "Mar", "Apr", "Jun",
        "Jul", "Aug", "Sep", "Sept", "Oct", "Nov", "Dec", "ext", "Ext", "tel", "Tel",
    }
)  # fmt: skip
"""An abbreviation where a number follows, else a word that ends its sentence."""

MAY_END_SENTENCE: Final = frozenset(
    {
        "etc", "a.m", "p.m", "A.M", "P.M", "Inc", "Ltd",
        "Co", "Corp", "Jr", "Sr", "Ave", "Blvd", "Rd", "Ln", "dept", "Dept",
        "est", "Est",
        "min", "max", "hr", "hrs", "oz", "lb", "lbs", "tsp", "tbsp", "ft", "misc", "Mon", "Tue", "Tues", "Wed",
        "Thu", "Thurs", "Thur", "Fri", "Sat", "Sun", "al",
    }
)  # fmt: skip
"""Ends its sentence where a capital letter follows."""
