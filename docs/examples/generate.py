#!/usr/bin/env python3
"""Writes the example files: orders.csv and regions.csv.

usage: generate.py [DIRECTORY] [--until TIME]

The values come from a fixed seed and are the same in every run. The times end at TIME, which is now
unless it is given, so that the files can be used as recent data. The shipped files were written by
`generate.py . --until 2026-11-29T00:00:00Z`.
"""

import argparse
import csv
import math
import random
from datetime import datetime, timedelta, timezone
from pathlib import Path

SEED = 11
MINUTES = 480
FAULT = range(300, 325)
"""The minutes in which most orders fail."""
HOURS = 72
REGIONS = {"eu": 1.0, "us": 0.6}


def orders(until):
    """A KPI, one value a minute for eight hours, with a fault of 25 minutes that is labelled."""
    chance = random.Random(SEED)
    yield "timestamp", "value", "label"
    for minute in range(MINUTES):
        at = until - timedelta(minutes=MINUTES - 1 - minute)
        usual = 60 + 12 * math.sin(minute / 90) + chance.gauss(0, 3)
        fault = minute in FAULT
        yield text(at), round(usual * 0.2 if fault else usual), int(fault)


def regions(until):
    """Two KPIs of two regions in long form, one value an hour for three days."""
    chance = random.Random(SEED)
    yield "timestamp", "kpi", "label.region", "value"
    for hour in range(HOURS):
        at = until - timedelta(hours=HOURS - 1 - hour)
        day = 1 + 0.5 * math.sin(2 * math.pi * (at.hour - 9) / 24)
        for region, size in REGIONS.items():
            visits = 900 * size * day * chance.uniform(0.95, 1.05)
            yield text(at), "shop.visits", region, round(visits)
            yield text(at), "shop.revenue", region, f"{visits * chance.uniform(1.9, 2.1):.2f}"


def text(at):
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", nargs="?", default=".", type=Path, help="where to write (default: here)")
    parser.add_argument("--until", help="the time of the last row, such as 2026-11-29T00:00:00Z (default: now)")
    arguments = parser.parse_args()
    now = datetime.now(timezone.utc).replace(second=0, microsecond=0)
    until = now if arguments.until is None else datetime.fromisoformat(arguments.until.replace("Z", "+00:00"))
    for name, rows in {"orders.csv": orders(until), "regions.csv": regions(until)}.items():
        with open(arguments.directory / name, "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
        print(f"{arguments.directory / name} is written")


if __name__ == "__main__":
    main()
