"""Holt and Winters' exponential smoothing with a level, a trend and a week (additive)."""
import dataclasses
import datetime
import itertools
import math
import os

from waggle import Refused, register_bee

WEEK = 7
DAYS = int(os.environ.get("DAYS", "7"))


@register_bee(name="forecast")
def forecast(payload):
    values = payload["values"]
    if len(values) < 3 * WEEK:
        raise Refused(f"A forecast needs {3 * WEEK} days; {len(values)} came")
    weights = itertools.product((0.05, 0.1, 0.2, 0.4, 0.6), (0.0, 0.02, 0.1), (0.05, 0.1, 0.3))
    best = min((smooth(values, *one) for one in weights), key=lambda fit: fit.variance)
    last = datetime.date.fromisoformat(payload["last"])
    return {"forecast": [day(best, last, ahead) for ahead in range(1, DAYS + 1)], "filled": payload["filled"]}


def day(fit, last, ahead):
    value = fit.level + ahead * fit.trend + fit.season[(fit.count + ahead - 1) % WEEK]
    # The variance of a forecast by several days: Hyndman et al., Forecasting with Exponential Smoothing (2008), section 6.2.
    variance = fit.variance * (1 + sum((fit.alpha * (1 + step * fit.beta)) ** 2 for step in range(1, ahead)))
    # 1.64 standard deviations hold 90 % of the normal distribution.
    margin = 1.64 * math.sqrt(variance)
    date = last + datetime.timedelta(ahead)
    return {"date": date.isoformat(), "value": round(value, 1), "low": round(value - margin, 1), "high": round(value + margin, 1)}


@dataclasses.dataclass
class Fit:
    """The level, the trend and the week after `count` days, and the variance of the forecasts by one day."""

    alpha: float
    beta: float
    count: int
    level: float
    trend: float
    season: list
    variance: float


def smooth(values, alpha, beta, gamma):
    level = sum(values[:WEEK]) / WEEK
    trend = (sum(values[WEEK : 2 * WEEK]) - sum(values[:WEEK])) / WEEK**2
    season = [value - level for value in values[:WEEK]]
    squares = 0.0
    for at, value in enumerate(values[WEEK:], WEEK):
        weekday = at % WEEK
        squares += (value - (level + trend + season[weekday])) ** 2
        before = level
        level = alpha * (value - season[weekday]) + (1 - alpha) * (level + trend)
        trend = beta * (level - before) + (1 - beta) * trend
        season[weekday] = gamma * (value - level) + (1 - gamma) * season[weekday]
    return Fit(alpha, beta, len(values), level, trend, season, squares / (len(values) - WEEK))
