"""Fill the SQLite database of a stopped Python server with the benchmark's data set.

    preload.py DATABASE --first 0 --rows 10000 --begin 1700000000 --end 1700003600

The rows are those that the server would have written if the data set of
dataset.go had come in through its API between the two times (Unix seconds):
flow runs with their states, one task run for each started flow run with its
states, and the events of both. The flows load-flow-0 to load-flow-4 must exist.
"""

import argparse
import json
import os
import sqlite3
import uuid
from datetime import datetime, timedelta, timezone

FINAL = ["COMPLETED"] * 16 + ["FAILED"] * 2 + ["RUNNING", "PENDING"]
UNSET = dict.fromkeys(
    "task_run_id child_flow_run_id scheduled_time cache_key cache_expiration deferred pause_timeout pause_key"
    " run_input_keyset refresh_cache retriable transition_id task_parameters_id traceparent"
    " deployment_concurrency_lease_id".split()
)
FLOW_POLICY = {
    "max_retries": 0, "retry_delay_seconds": 0.0, "retries": 0, "retry_delay": 0,
    "pause_keys": [], "resuming": False, "retry_type": None,
}
TASK_POLICY = {
    "max_retries": 0, "retry_delay_seconds": 0.0, "retries": 0, "retry_delay": 0, "retry_jitter_factor": None,
}


def uuid7(at):
    """A version 7 UUID of a time, as the server gives to states and events."""
    raw = bytearray(int(at.timestamp() * 1000).to_bytes(6, "big") + os.urandom(10))
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


def sql(value):
    """A value as SQLAlchemy stores it in SQLite."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, timedelta):
        return (datetime(1970, 1, 1) + value).strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    return value


class Loader:
    """Collects rows by table and inserts them in large transactions."""

    BATCH = 50_000

    def __init__(self, path):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA synchronous=NORMAL")
        self.db.execute("PRAGMA cache_size=-400000")
        self.rows = {}
        self.held = 0

    def add(self, table, **row):
        self.rows.setdefault(table, []).append(row)
        self.held += 1
        if self.held >= self.BATCH:
            self.flush()

    def flush(self):
        self.db.execute("PRAGMA foreign_keys=OFF")
        self.db.execute("BEGIN")
        for table, rows in self.rows.items():
            names = list(rows[0])
            self.db.executemany(
                f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
                ([sql(row[name]) for name in names] for row in rows),
            )
        self.db.execute("COMMIT")
        self.rows, self.held = {}, 0

    def close(self):
        self.flush()
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.db.close()

    def state(self, table, owner, run, task, at, kind):
        """One state of a run; answers its id, which is also its event's."""
        details = UNSET | {
            "flow_run_id": run, "task_run_id": task, "pause_reschedule": False,
            "untrackable_result": kind in ("COMPLETED", "FAILED"),
        }
        sid = uuid7(at)
        self.add(
            table, id=sid, created=at, updated=at, type=kind, name=kind.title(), timestamp=at,
            message=None if task is None else "", state_details=details, **owner,
        )
        return sid

    def event(self, eid, about, name, at, kind, before, related, follows, extra):
        """One state-change event and its rows by resource."""
        resource = {
            "prefect.resource.id": about, "prefect.resource.name": name, "prefect.run-count": "1",
            "prefect.state-message": "", "prefect.state-name": kind.title(),
            "prefect.state-timestamp": at.isoformat(), "prefect.state-type": kind,
        }
        payload = {
            "intended": {"from": before, "to": kind},
            "initial_state": before and {"type": before, "name": before.title(), "message": "", "state_details": {}},
            "validated_state": {"type": kind, "name": kind.title(), "message": "", "state_details": {}, "data": None},
        }
        self.add(
            "events", id=eid, occurred=at, event=f"{about.rpartition('.')[0]}.{kind.title()}", resource_id=about,
            resource=resource, related=related, related_resource_ids=[r["prefect.resource.id"] for r in related],
            payload=payload | extra, received=at, recorded=at, follows=follows, created=at, updated=at,
        )
        for role, labels in [("", resource)] + [(r["prefect.resource.role"], r) for r in related]:
            rest = {k: v for k, v in labels.items() if k not in ("prefect.resource.id", "prefect.resource.role")}
            self.add(
                "event_resources", id=str(uuid.uuid4()), occurred=at, event_id=eid, resource_role=role,
                resource_id=labels["prefect.resource.id"], resource=rest, created=at, updated=at,
            )

    def flow_run(self, i, flow, at):
        name, run, final = f"load-run-{i:06d}", str(uuid.uuid4()), FINAL[i % 20]
        kinds = {"PENDING": ["PENDING"], "RUNNING": ["PENDING", "RUNNING"]}.get(final, ["PENDING", "RUNNING", final])
        related = [resource_of("flow", flow, f"load-flow-{i % 5}")]
        sid = before = None
        for n, kind in enumerate(kinds):
            when, last = at + timedelta(milliseconds=5 * n), sid
            sid = self.state("flow_run_state", {"flow_run_id": run}, run, None, when, kind)
            self.event(sid, f"prefect.flow-run.{run}", name, when, kind, before, related, last, {})
            before = kind
        start = at + timedelta(milliseconds=5) if "RUNNING" in kinds else None
        self.add(
            "flow_run", id=run, created=at, updated=when, name=name, flow_id=flow, flow_version="15f0ddd4cc72c0f5",
            state_type=final, state_name=final.title(), state_id=sid, state_timestamp=when, run_count=int(start is not None),
            expected_start_time=at, next_scheduled_start_time=None, start_time=start,
            end_time=when if len(kinds) == 3 else None, total_run_time=timedelta(milliseconds=5 * (len(kinds) == 3)),
            parameters={"n": 2}, context={}, empirical_policy=FLOW_POLICY, tags=["load", f"t{i % 50}"], auto_scheduled=0,
            job_variables={}, labels={"prefect.flow.id": flow},
        )
        if start:
            self.task_run(run, name, related, start, "FAILED" if final == "FAILED" else "COMPLETED")

    def task_run(self, run, run_name, related, at, final):
        task, key = uuid7(at), str(uuid.uuid4())
        name, related = f"load-{key[:3]}", [resource_of("flow-run", run, run_name)] + related
        sid = before = None
        for n, kind in enumerate(["PENDING", "RUNNING", final]):
            when, last = at + timedelta(milliseconds=n), sid
            sid = self.state("task_run_state", {"task_run_id": task}, run, task, when, kind)
            body = {
                "name": name, "task_key": "load-398ea8e0", "dynamic_key": key, "tags": [], "labels": {},
                "empirical_policy": TASK_POLICY, "task_inputs": {"x": []}, "run_count": min(n, 1), "flow_run_run_count": 1,
                "expected_start_time": at.isoformat(), "start_time": at.isoformat(), "total_run_time": 0.001 * n,
            }
            self.event(sid, f"prefect.task-run.{task}", name, when, kind, before, related, last, {"task_run": body})
            before = kind
        self.add(
            "task_run", id=task, created=at, updated=when, name=name, task_key="load-398ea8e0", dynamic_key=key,
            state_type=final, state_name=final.title(), state_id=sid, state_timestamp=when, run_count=1, flow_run_run_count=1,
            expected_start_time=at, start_time=at + timedelta(milliseconds=1), end_time=when,
            total_run_time=timedelta(milliseconds=1), empirical_policy=TASK_POLICY, task_inputs={"x": []}, tags=[],
            flow_run_id=run, labels={},
        )


def resource_of(role, id, name):
    return {"prefect.resource.id": f"prefect.{role}.{id}", "prefect.resource.role": role, "prefect.resource.name": name}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("database")
    p.add_argument("--first", type=int, default=0, help="number of the first run")
    p.add_argument("--rows", type=int, required=True, help="flow runs to insert")
    p.add_argument("--begin", type=float, required=True, help="when the first run was created")
    p.add_argument("--end", type=float, required=True, help="when the last one was")
    args = p.parse_args()
    loader = Loader(args.database)
    flows = dict(loader.db.execute("SELECT name, id FROM flow"))
    gap = (args.end - args.begin) / args.rows
    for n in range(args.rows):
        i = args.first + n
        at = datetime.fromtimestamp(args.begin + gap * n, timezone.utc)
        loader.flow_run(i, flows[f"load-flow-{i % 5}"], at)
    loader.close()


if __name__ == "__main__":
    main()
