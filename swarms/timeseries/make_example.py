"""Makes examples/forecast.csv: eight weeks of visitors of a museum that is closed on some days, made up with a fixed seed."""
import datetime
import pathlib
import random

random = random.Random(2021)
week = [80, 95, 100, 110, 150, 260, 230]
first = datetime.date(2026, 1, 5)
lines = ["date,value"]
for day in range(8 * 7):
    if day in (17, 18, 40):
        continue
    value = week[day % 7] + 0.8 * day + random.gauss(0, 8)
    lines.append(f"{first + datetime.timedelta(day)},{value:.0f}")
pathlib.Path(__file__).parent.joinpath("examples", "forecast.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
