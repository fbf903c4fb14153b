"""Which functions there are, what they take and give; a name not here is refused."""

from __future__ import annotations

from typing import NamedTuple

from perftui.analysis.promql.tree import MATRIX, SCALAR, STRING, VECTOR


class Signature(NamedTuple):
    """Kinds of the arguments; the last `optional` may be left out (-1: or come any number of times)."""

    args: tuple[str, ...]
    optional: int = 0
    gives: str = VECTOR


_OF_VECTOR = (
    *("abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "sgn", "deg", "rad"),
    *("sin", "cos", "tan", "asin", "acos", "atan"),
    *("sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
    *("timestamp", "sort", "sort_desc", "absent"),
)
_OF_MATRIX = (
    *("rate", "irate", "increase", "delta", "idelta", "deriv", "resets", "changes"),
    *("avg_over_time", "sum_over_time", "min_over_time", "max_over_time", "count_over_time"),
    *("stddev_over_time", "stdvar_over_time", "last_over_time", "present_over_time", "absent_over_time"),
)
_CALENDAR = (
    *("minute", "hour", "day_of_week", "day_of_month", "day_of_year"),
    *("days_in_month", "month", "year"),
)

SIGNATURES: dict[str, Signature] = {
    **dict.fromkeys(_OF_VECTOR, Signature((VECTOR,))),
    **dict.fromkeys(_OF_MATRIX, Signature((MATRIX,))),
    **dict.fromkeys(_CALENDAR, Signature((VECTOR,), 1)),
    "clamp": Signature((VECTOR, SCALAR, SCALAR)),
    "clamp_min": Signature((VECTOR, SCALAR)),
    "clamp_max": Signature((VECTOR, SCALAR)),
    "round": Signature((VECTOR, SCALAR), 1),
    "predict_linear": Signature((MATRIX, SCALAR)),
    "holt_winters": Signature((MATRIX, SCALAR, SCALAR)),
    "double_exponential_smoothing": Signature((MATRIX, SCALAR, SCALAR)),
    "quantile_over_time": Signature((SCALAR, MATRIX)),
    "histogram_quantile": Signature((SCALAR, VECTOR)),
    "label_replace": Signature((VECTOR, STRING, STRING, STRING, STRING)),
    "label_join": Signature((VECTOR, STRING, STRING, STRING), -1),
    "vector": Signature((SCALAR,)),
    "scalar": Signature((VECTOR,), gives=SCALAR),
    "time": Signature((), gives=SCALAR),
    "pi": Signature((), gives=SCALAR),
}
