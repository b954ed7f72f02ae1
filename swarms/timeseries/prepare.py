"""Makes a daily series without gaps of a CSV file with the columns date and value."""
import csv
import datetime
import io

from waggle import Refused, register_bee

MOST_DAYS = 3660
MOST_VALUE = 1e12


@register_bee(name="prepare")
def prepare(payload):
    if not isinstance(payload, bytes):
        raise Refused("Send a CSV file with the content type text/csv")
    days = read(payload)
    first, last = min(days), max(days)
    if (last - first).days >= MOST_DAYS:
        raise Refused(f"The dates span more than {MOST_DAYS} days, from {first} to {last}")
    if last.year == datetime.MAXYEAR:
        raise Refused(f"The dates end in {last.year}, after which there are none to forecast")
    values, filled = fill([days.get(first + datetime.timedelta(at)) for at in range((last - first).days + 1)])
    return {
        "last": last.isoformat(),
        "values": values,
        "filled": [(first + datetime.timedelta(at)).isoformat() for at in filled],
    }


def read(data):
    """The value of each date."""
    try:
        rows = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
        header = [name.strip().lower() for name in next(rows, [])]
        if "date" not in header or "value" not in header:
            raise Refused("The first line names the columns: date,value")
        date_at, value_at = header.index("date"), header.index("value")
        days = {}
        for row in rows:
            if not row:
                continue
            date, value = parse(row, date_at, value_at, rows.line_num)
            if date in days:
                raise Refused(f"Line {rows.line_num} has the date {date} a second time")
            days[date] = value
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refused(f"The file is no CSV in UTF-8: {error}") from None
    if not days:
        raise Refused("The file has no line below its header")
    return days


def parse(row, date_at, value_at, line):
    try:
        date = datetime.date.fromisoformat(row[date_at].strip())
        value = float(row[value_at])
    except (IndexError, ValueError):
        raise Refused(f"Line {line} is not a date and a number, such as 2026-01-31,25.5") from None
    if not abs(value) <= MOST_VALUE:
        raise Refused(f"Line {line} has a value outside of ±{MOST_VALUE:.0e}")
    return date, value


def fill(values):
    """Fills gaps (None) with straight lines. Returns all values, and the places of the gaps. The first and the last value are numbers."""
    filled = list(values)
    missing = [at for at, value in enumerate(values) if value is None]
    for at in missing:
        before = at - 1
        after = next(later for later in range(at, len(values)) if values[later] is not None)
        filled[at] = filled[before] + (values[after] - filled[before]) / (after - before)
    return filled, missing
