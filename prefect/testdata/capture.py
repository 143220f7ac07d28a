"""Asks a fresh Python server 3.9.1 what its filters select, and prints rows and
answers as JSON. The server must leave the runs alone, that is, be started with
PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED=false. Run this with the Python of an
installation of it:

    python capture.py http://127.0.0.1:4200/api > filters.json
"""

import base64
import json
import random
import sys
import time
import urllib.error
import urllib.request
import uuid

from prefect.server.events.filters import EventFilter
from prefect.server.events.schemas.events import ReceivedEvent
from prefect.server.utilities.text_search_parser import parse_text_search_query

API = sys.argv[1]
rnd = random.Random(7)


def call(path, body=None, method="POST", headers={}):
    request = urllib.request.Request(
        API + path, method=method, data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **headers},
    )
    try:
        with urllib.request.urlopen(request) as answer:
            text = answer.read()
    except urllib.error.HTTPError as e:
        if e.code == 503:  # "database is locked"
            time.sleep(0.2)
            return call(path, body, method, headers)
        raise SystemExit(f"{path} {body}: {e.code} {e.read()}")
    return json.loads(text) if text else None


def new_id():
    return str(uuid.UUID(int=rnd.getrandbits(128), version=4))


def at(hour):
    return f"2026-10-{1 + hour // 24:02}T{hour % 24:02}:00:00Z"


TAGS = ["a", "b", "c"]
NAMES = ["Alpha", "beta", "al_pha", "al%pha", "gamma-Alp"]
TYPES = ["SCHEDULED", "PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "CRASHED", "PAUSED", "CANCELLING"]
STATES = [{"type": t} for t in TYPES] + [{"type": "SCHEDULED", "name": "Late"}, {"type": "COMPLETED", "name": "Cached"}]


def some(values, least=0):
    return rnd.sample(values, rnd.randint(least, min(3, len(values))))


# --- rows ---------------------------------------------------------------------

flows = [call("/flows/", {"name": n.replace("%", "-"), "tags": t}) for n, t in zip(NAMES, [[], ["a"], ["a", "b"], ["b", "b"], ["c"]])]
deployments = [
    call("/deployments/", {"name": f"d{i}", "flow_id": flows[i]["id"], "parameter_openapi_schema": {}})["id"] for i in (0, 0, 2)
]
queues = ["q1", "q2"]
versions = ["1", "2"]


def with_state(kind, run):
    """Moves a run through some states."""
    first = rnd.choice([None, "PENDING", "SCHEDULED"])
    for state in [{"type": "RUNNING"}] * rnd.randint(0, 1) + [rnd.choice(STATES)]:
        call(f"/{kind}/{run['id']}/set_state", {"state": state, "force": True})
    return run["id"]


def scheduled():
    if rnd.random() < 0.3:
        return None
    return {"type": "SCHEDULED", "state_details": {"scheduled_time": at(rnd.randrange(48))}}


def flow_run(parent=None):
    body = {
        "flow_id": rnd.choice(flows)["id"], "name": rnd.choice(NAMES) + str(rnd.randrange(5)), "tags": some(TAGS),
        "deployment_id": rnd.choice([None, *deployments]), "work_queue_name": rnd.choice([None, *queues]),
        "flow_version": rnd.choice([None, *versions]), "idempotency_key": rnd.choice([None, new_id()]),
        "parent_task_run_id": parent, "state": scheduled(),
    }
    headers = {}
    if rnd.random() < 0.4:
        headers = {"Prefect-Automation-Id": rnd.choice(automations), "Prefect-Automation-Name": base64.b64encode(b"x").decode()}
    run = call("/flow_runs/", body, headers=headers)
    if rnd.random() < 0.7:
        with_state("flow_runs", run)
    return run["id"]


def task_run(flow_run_id):
    run = call("/task_runs/", {
        "flow_run_id": flow_run_id, "task_key": "k", "dynamic_key": new_id(), "name": rnd.choice(NAMES) + str(rnd.randrange(5)),
        "tags": some(TAGS), "state": scheduled(),
    })
    if rnd.random() < 0.7:
        with_state("task_runs", run)
    return run["id"]


automations = [new_id(), new_id()]
flow_runs = [flow_run() for _ in range(25)]
task_runs = [task_run(rnd.choice([None, *flow_runs[:4]])) for _ in range(30)]
flow_runs += [flow_run(parent) for parent in task_runs[:10]]
ghosts = [new_id(), new_id()]
logs = [
    {
        "name": rnd.choice(["prefect.flow_runs", "prefect.task_runs", "my logger"]), "level": rnd.choice([10, 20, 30, 40]),
        "message": " ".join(rnd.choice(["error", "Warning", "50%", "a_b", "time-out", 'say "hi"', "back\\slash"]) for _ in range(3)),
        "timestamp": at(rnd.randrange(48)), "flow_run_id": rnd.choice([None, *flow_runs[:3]]),
        "task_run_id": rnd.choice([None, *task_runs[:3]]),
    }
    for _ in range(60)
]
call("/logs/", logs)

# --- filters --------------------------------------------------------------------


def listed(values):
    """A list of some values, sometimes empty or null."""
    return rnd.choice([None, [], some(values, 1), some(values, 1), some(values, 1)])


def boolean():
    return rnd.choice([None, True, False])


def any_of(values):
    return lambda: {"any_": listed(values)}


def any_or_not(values):
    return lambda: rnd.choice([{"any_": listed(values)}, {"not_any_": listed(values)}, {"any_": listed(values), "not_any_": listed(values)}])


def any_or_null(values):
    return lambda: op({"any_": listed(values), "is_null_": boolean()})


def name():
    likes = ["alp", "AL", "l_p", "a%p", "%", "_", "", "al\\_", "0", "Alpha1", None]
    return rnd.choice([{"any_": listed([n + str(i) for n in NAMES for i in range(5)] + NAMES)}, {"like_": rnd.choice(likes)}])


def tags(*operators):
    return lambda: op({k: boolean() if k == "is_null_" else listed([*TAGS, "zz"]) for k in rnd.sample(operators, rnd.randint(0, len(operators)))})


def span(null=True):
    def condition():
        c = {}
        if rnd.random() < 0.6:
            c["after_"] = rnd.choice([at(rnd.randrange(48)), "2026-11-01T00:00:00Z"])
        if rnd.random() < 0.6:
            c["before_"] = rnd.choice([at(rnd.randrange(48)), "2026-11-01T00:00:00Z"])
        if null and rnd.random() < 0.4:
            c["is_null_"] = boolean()
        return c
    return condition


def state(*operators):
    names = ["Scheduled", "Late", "Completed", "Cached", "completed", "Running"]
    return lambda: op({
        part: {k: listed(values) for k in rnd.sample(operators, rnd.randint(0, len(operators)))}
        for part, values in rnd.sample([("type", TYPES), ("name", names)], rnd.randint(0, 2))
    })


def op(condition):
    return {**condition, **rnd.choice([{}, {}, {"operator": "or_"}, {"operator": "and_"}])}


def detail(kind, id):
    return call(f"/{kind}/{id}", method="GET")


flow_rows = [detail("flows", f["id"]) for f in flows]
flow_run_rows = [detail("flow_runs", id) for id in flow_runs]
task_run_rows = [detail("task_runs", id) for id in task_runs]
log_rows = call("/logs/filter", {})
keys = [r["idempotency_key"] for r in flow_run_rows if r["idempotency_key"]]
QUERIES = [
    "", "  ", "error", "ERROR warning", "+error +warning", "-error", "!error warning", '"a_b 50%"', '-"time-out error"', "- error",
    'say "hi"', '"say \\"hi\\""', '"back\\\\slash"', "50%", "a_b", "a-b", "flow_runs", '"error prefect"', "+", '"unclosed err', "--x",
    "+-x", '+"my logger"', "error -warning +50%", '"" error', '"my logger', '"hi" prefect', '\\"hi', "error\t+a_b\u00a0-50%", "\x1cerror",
]
MEMBERS = {
    "flows": {
        "id": any_or_not([f["id"] for f in flows] + ghosts), "deployment": lambda: op({"is_null_": boolean()}), "name": name,
        "tags": tags("all_", "is_null_"),
    },
    "flow_runs": {
        "id": any_or_not(flow_runs + ghosts), "name": name, "tags": tags("all_", "any_", "is_null_"),
        "deployment_id": any_or_null(deployments + ghosts), "work_queue_name": any_or_null(queues),
        "state": state("any_", "not_any_"), "flow_version": any_of(versions), "start_time": span(), "end_time": span(),
        "expected_start_time": span(False), "next_scheduled_start_time": span(False),
        "parent_flow_run_id": lambda: op({"any_": listed(flow_runs[:5] + ghosts)}),
        "parent_task_run_id": any_or_null(task_runs[:10] + ghosts), "idempotency_key": any_or_not(keys + ["x"]),
        "created_by": lambda: op({k: v for k, v in rnd.sample(
            [("id_", listed(automations)), ("type_", listed(["AUTOMATION", "SCHEDULE"])), ("is_null_", boolean())], rnd.randint(0, 3))}),
    },
    "task_runs": {
        "id": any_of(task_runs + ghosts), "name": name, "tags": tags("all_", "is_null_"), "state": state("any_"),
        "start_time": span(), "end_time": span(), "expected_start_time": span(False),
        "subflow_runs": lambda: {"exists_": boolean()},
        "flow_run_id": lambda: op({"any_": listed(flow_runs[:5]), "is_null_": boolean()}),
    },
    "logs": {
        "level": lambda: rnd.choice([{}, {"ge_": 20}, {"le_": 30}, {"ge_": 20, "le_": 30}, {"ge_": None}]),
        "timestamp": span(False), "flow_run_id": any_of(flow_runs[:3] + ghosts),
        "task_run_id": lambda: {"any_": listed(task_runs[:3]), "is_null_": boolean()},
        "text": lambda: {"query": rnd.choice(["error", "a_b 50%", "+error +warning", "-error", "my", " "])},
    },
}
ROWS = {"flows": flow_rows, "flow_runs": flow_run_rows, "task_runs": task_run_rows, "logs": log_rows}


def selected(kind, filter):
    """The positions of the rows that pass a filter."""
    position = {row["id"]: i for i, row in enumerate(ROWS[kind])}
    return sorted(position[row["id"]] for row in call(f"/{kind}/filter", {kind: filter}))


def filters(kind):
    makers = MEMBERS[kind]
    for member, make in makers.items():
        for _ in range(20):
            yield {member: make()}
    for _ in range(150):
        yield op({member: makers[member]() for member in rnd.sample(list(makers), rnd.randint(2, min(4, len(makers))))})
    if kind == "logs":
        yield from ({"text": {"query": q}} for q in QUERIES)


def cases():
    for kind in MEMBERS:
        seen = set()
        for filter in filters(kind):
            if (text := json.dumps(filter)) not in seen:
                seen.add(text)
                yield {"kind": kind, "filter": filter, "want": selected(kind, filter)}


SORTS = {
    "flows": ["CREATED_DESC", "UPDATED_DESC", "NAME_ASC", "NAME_DESC"],
    "flow_runs": [
        "ID_DESC", "START_TIME_ASC", "START_TIME_DESC", "EXPECTED_START_TIME_ASC", "EXPECTED_START_TIME_DESC", "NAME_ASC",
        "NAME_DESC", "NEXT_SCHEDULED_START_TIME_ASC", "END_TIME_DESC",
    ],
    "task_runs": [
        "ID_DESC", "EXPECTED_START_TIME_ASC", "EXPECTED_START_TIME_DESC", "NAME_ASC", "NAME_DESC",
        "NEXT_SCHEDULED_START_TIME_ASC", "END_TIME_DESC", "DURATION_DESC", "DURATION_ASC",
    ],
    "logs": ["TIMESTAMP_ASC", "TIMESTAMP_DESC"],
}


def sorts():
    for kind, orders in SORTS.items():
        position = {row["id"]: i for i, row in enumerate(ROWS[kind])}
        for order in orders:
            yield {"kind": kind, "sort": order, "want": [position[r["id"]] for r in call(f"/{kind}/filter", {"sort": order})]}


# --- history --------------------------------------------------------------------


def histories():
    for start, end, seconds in [(0, 48, 3600), (5, 30, 5000.5), (0, 48, 7), (10, 5, 60), (3, 4, 1e6)]:
        body = {"history_start": at(start), "history_end": at(end), "history_interval_seconds": seconds}
        yield {"range": body, **{kind: sparse(call(f"/{kind}/history", body), "states") for kind in ("flow_runs", "task_runs")}}


def sparse(buckets, what):
    """The length of a list of buckets, and those that hold something or end it."""
    return {"len": len(buckets), "some": {i: b for i, b in enumerate(buckets) if b[what] or i in (0, len(buckets) - 1)}}


# --- events ---------------------------------------------------------------------

LABELS = ["prefect.resource.id", "prefect.resource.name", "x"]


def resource(role=None):
    r = {"prefect.resource.id": rnd.choice(["flow.1", "flow.2", "task.1", "50%", "a_c", "a[b]c"])}
    if rnd.random() < 0.5:
        r["prefect.resource.name"] = rnd.choice(["one", "two"])
    if rnd.random() < 0.5:
        r["x"] = rnd.choice(["1", "12", "a[b]c", "abc"])
    if role:
        r["prefect.resource.role"] = role
    return r


events = [
    {
        "occurred": at(rnd.randrange(48)), "event": rnd.choice(["run.start", "run.end", "runner", "other"]), "resource": resource(),
        "related": [resource(rnd.choice(["flow", "tag"])) for _ in range(rnd.randrange(3))],
        "payload": rnd.choice([{}, {"a": "error"}, {"b": {"c": "Warning"}}]), "id": new_id(),
    }
    for _ in range(40)
]
call("/events", events)
deadline = time.time() + 60
ALL_TIMES = {"since": at(0), "until": "2026-11-01T00:00:00Z"}
IDS = {"id": [e["id"] for e in events]}
while call("/events/filter", {"filter": {"occurred": ALL_TIMES, "id": IDS}})["total"] < len(events):
    if time.time() > deadline:
        raise SystemExit("the events did not arrive")
    time.sleep(0.5)

PATTERNS = ["flow.*", "flow.?", "!flow.1", "*", "50%", "a_c", "a?c", "a[b]c", "1", "1*", "!*", "?", "abc", "!", "*1*"]


def spec():
    return {label: rnd.choice([rnd.choice(PATTERNS), some(PATTERNS, 1), some(PATTERNS, 1)]) for label in rnd.sample(LABELS, rnd.randint(0, 2))}


def maybe_list(make):
    return rnd.choice([make(), make(), [make(), make()], []])


def related():
    options = {
        "id": some(["flow.1", "task.1", "zz"]), "role": some(["flow", "tag"]), "labels": spec(),
        "resources_in_roles": [[i, r] for i, r in zip(some(["flow.1", "task.1"]), some(["flow", "tag"]))],
    }
    return {k: options[k] for k in rnd.sample(list(options), rnd.randint(0, 2))}


def any_resource():
    options = {"id": some(["flow.1", "task.1", "zz"]), "id_prefix": some(["flow", "ta", "zz"]), "labels": spec()}
    return {k: options[k] for k in rnd.sample(list(options), rnd.randint(0, 2))}


def event_name():
    options = {
        "prefix": some(["run", "run.", "o"]), "exclude_prefix": some(["run.e", "o"]), "name": some(["run.start", "other"]),
        "exclude_name": some(["runner", "other"]),
    }
    return {k: options[k] for k in rnd.sample(list(options), rnd.randint(0, 2))}


def event_occurred():
    return {"since": at(rnd.randrange(24)), "until": at(24 + rnd.randrange(24))}


EVENT_MEMBERS = {
    "event": event_name, "resource": any_resource, "related": lambda: maybe_list(related),
    "any_resource": lambda: maybe_list(any_resource), "id": lambda: {"id": some([e["id"] for e in events])},
}


def event_cases():
    received = [ReceivedEvent.model_validate(e) for e in events]
    position = {e["id"]: i for i, e in enumerate(events)}
    all_filters = [{m: make()} for m, make in EVENT_MEMBERS.items() for _ in range(40)]
    all_filters += [
        {m: EVENT_MEMBERS[m]() for m in rnd.sample(list(EVENT_MEMBERS), 2)} | {"occurred": event_occurred()} for _ in range(60)
    ]
    for filter in all_filters:
        filter = {"occurred": ALL_TIMES, "id": IDS} | filter
        if "id" in filter and not filter["id"]["id"]:
            filter["id"] = IDS
        page = call("/events/filter", {"filter": filter})
        case = {"filter": filter, "stored": sorted(position[e["id"]] for e in page["events"])}
        if "related" not in filter:
            live = EventFilter.model_validate(filter)
            case["live"] = [i for i, e in enumerate(received) if live.includes(e)]
        if filter["id"] == IDS:
            filter = {k: v for k, v in filter.items() if k != "id"}
        yield {**case, "filter": filter}


def counts():
    filter = {"occurred": {"since": "2026-10-01T05:30:00Z", "until": "2026-10-02T20:10:00Z"}, "id": IDS}
    for by, unit, interval in [
        ("day", "day", 1), ("time", "hour", 1), ("time", "hour", 2.5), ("time", "day", 1), ("time", "week", 1),
        ("time", "minute", 7), ("event", "day", 1), ("resource", "day", 1),
    ]:
        body = {"filter": filter, "time_unit": unit, "time_interval": interval}
        want = sparse(call(f"/events/count-by/{by}", body), "count")
        yield {"by": by, "time_unit": unit, "time_interval": interval, "want": want}


def token():
    filter = {"occurred": ALL_TIMES, "id": IDS, "related": [{"labels": {"x": ["*"]}}], "resource": {"labels": {"x": "*"}}}
    page = call("/events/filter", {"filter": filter | {"related": {}}, "limit": 1})
    return page["next_page"].partition("=")[2]


def parsed(query):
    q = parse_text_search_query(query)
    return {"query": query, "include": q.include, "exclude": q.exclude, "required": q.required}


result = {
    **ROWS, "deployed": [flows[0]["id"], flows[2]["id"]], "cases": list(cases()), "sorts": list(sorts()),
    "histories": list(histories()), "events": events, "event_cases": list(event_cases()), "counts": list(counts()),
    "token": token(), "queries": [parsed(q) for q in QUERIES],
}
print("{")
print(",\n".join(
    f"{json.dumps(key)}: " + ("[\n" + ",\n".join(map(json.dumps, value)) + "\n]" if isinstance(value, list) else json.dumps(value))
    for key, value in result.items()
))
print("}")
