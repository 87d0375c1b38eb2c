"""What was promised: a number, its limit, and whether it was met."""

from statistics import median


class Bars:
    def __init__(self):
        self.items = []

    def _add(self, name, value, limit, met):
        self.items.append({"name": name, "value": round(value, 3), "limit": limit, "met": met})
        print(f"bar {name} {value:.3f} {limit} {'met' if met else 'missed'}", flush=True)

    def at_most(self, name, value, limit):
        self._add(name, value, f"<={limit}", value <= limit)

    def at_least(self, name, value, limit):
        self._add(name, value, f">={limit}", value >= limit)

    def all_met(self):
        return all(item["met"] for item in self.items)


class Times:
    """Every single measurement by what, from where and by whom."""

    def __init__(self):
        self.items = {}

    def add(self, what, source, contender, measured):
        key = (what, source, contender)
        self.items.setdefault(key, []).append(measured)
        print(f"{what:8} {source:9} {contender:14} {measured.seconds:8.3f} s {measured.peak_mb:7.1f} MB", flush=True)

    def seconds(self, what, source, contender):
        """The median; None when it was not measured."""
        found = self.items.get((what, source, contender))
        return median(one.seconds for one in found) if found else None

    def peak_mb(self, what, contender):
        """The greatest of all."""
        return max((one.peak_mb for key, found in self.items.items() if (key[0], key[2]) == (what, contender)
                    for one in found), default=None)

    def ratio(self, what, source, above, below):
        a, b = self.seconds(what, source, above), self.seconds(what, source, below)
        return None if a is None or b is None else a / b

    def as_json(self):
        return [{"what": what, "source": source, "contender": contender,
                 "median_s": round(median(one.seconds for one in found), 4),
                 "seconds": [round(one.seconds, 4) for one in found],
                 "peak_mb": [round(one.peak_mb, 1) for one in found]}
                for (what, source, contender), found in self.items.items()]
