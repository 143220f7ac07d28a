"""Record which runs the Python scheduler makes of many schedules in a week.

    python test/schedules/week.py >ops/testdata/week.json

Needs the reference, Prefect 3.9.1. In the week the clocks are put forward in America. Of
each schedule the file has the number of dates and a hash of them, as the keys of runs
write them. Intervals of a day and some hours are left out: across a change of the clocks
the reference's dates of those depend on when it looks.
"""

import asyncio
import hashlib
import json
import random
from datetime import datetime, timedelta, timezone

from prefect.server.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule

START = datetime(2027, 3, 10, tzinfo=timezone.utc)
END = START + timedelta(days=7)
ZONES = ["UTC", "America/New_York", "America/Los_Angeles", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"]
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]


def some(draw):
    zone = draw.choice(ZONES)
    anchor = START - timedelta(seconds=draw.randrange(300_000_000))
    match draw.randrange(3):
        case 0:
            seconds = draw.choice([5400, 7200, 10_800, 21_600, 43_200, 86_400, 9000, 172_800, 604_800, 1_209_600])
            return IntervalSchedule(interval=timedelta(seconds=seconds), anchor_date=anchor, timezone=zone)
        case 1:
            minute, hour = draw.randrange(60), draw.randrange(24)
            line = draw.choice([
                f"{minute} */{draw.randrange(2, 9)} * * *", f"{minute} {hour} * * *", f"{minute} {hour} * * 1-5",
                f"{minute} {hour} L * *", f"{minute} {hour} {draw.randrange(1, 29)} * {draw.randrange(7)}", "30 2 * * *", "@weekly",
            ])
            return CronSchedule(cron=line, timezone=zone, day_or=draw.random() < 0.8)
    start = anchor.strftime("%Y%m%dT%H%M%S")
    rule = draw.choice([
        f"FREQ=HOURLY;INTERVAL={draw.randrange(2, 30)}", f"FREQ=DAILY;INTERVAL={draw.randrange(1, 4)}", "FREQ=DAILY;BYHOUR=2;BYMINUTE=30",
        f"FREQ=WEEKLY;BYDAY={','.join(sorted(draw.sample(DAYS, 2)))}", f"FREQ=MINUTELY;INTERVAL={draw.randrange(100, 900)}",
        f"FREQ=DAILY;COUNT={draw.randrange(1, 4000)}", "FREQ=MONTHLY;BYDAY=-2FR", "FREQ=YEARLY;BYYEARDAY=70,75",
    ])
    return RRuleSchedule(rrule=f"DTSTART:{start}\nRRULE:{rule}", timezone=zone)


async def main():
    draw = random.Random(20270310)
    recorded = []
    for _ in range(1000):
        schedule = some(draw)
        dates = [str(d) for d in await schedule.get_dates(n=None, start=START, end=END)]
        recorded.append({
            "schedule": json.loads(schedule.model_dump_json()), "dates": len(dates),
            "sha256": hashlib.sha256("\n".join(dates).encode()).hexdigest(),
        })
    lines = ",\n".join(json.dumps(r) for r in recorded)
    print(f'{{"start": "{START.isoformat()}", "end": "{END.isoformat()}", "schedules": [\n{lines}\n]}}')


asyncio.run(main())
