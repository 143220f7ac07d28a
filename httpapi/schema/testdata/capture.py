"""Asks the validation of the Python server 3.9.1 about the bodies below and
prints its verdicts as JSON. Run it with the Python of an installation of it:

    python capture.py > cases.json
"""

import asyncio
import json
import logging

import prefect._internal.schemas.validators as validators
import prefect.server.schemas.actions as actions
from fastapi import routing
from fastapi.dependencies import utils
from fastapi.encoders import jsonable_encoder
from prefect.server.api.server import create_api_app

logging.disable(logging.ERROR)
for module in (validators, actions):
    module.generate_slug = lambda words: ""  # random otherwise
actions.now = lambda tz: None

ROUTES = {
    "FlowCreate": "POST /flows/",
    "FlowUpdate": "PATCH /flows/{id:uuid}",
    "FlowRunCreate": "POST /flow_runs/",
    "FlowRunUpdate": "PATCH /flow_runs/{id:uuid}",
    "TaskRunCreate": "POST /task_runs/",
    "TaskRunUpdate": "PATCH /task_runs/{id:uuid}",
    "Logs": "POST /logs/",
    "Events": "POST /events",
    "SetState": "POST /flow_runs/{id:uuid}/set_state",
    "BulkSetState": "POST /flow_runs/bulk_set_state",
    "FlowRunsFilter": "POST /flow_runs/filter",
    "FlowRunsHistory": "POST /flow_runs/history",
    "LogsFilter": "POST /logs/filter",
    "Resume": "POST /flow_runs/{id:uuid}/resume",
    "Input": "POST /flow_runs/{id:uuid}/input",
    "EventsFilter": "POST /events/filter",
    "Lease": "POST /v2/concurrency_limits/increment-with-lease",
    "FlowsFilter": "POST /flows/filter",
    "FlowsPage": "POST /flows/paginate",
    "FlowsCount": "POST /flows/count",
    "FlowsDelete": "POST /flows/bulk_delete",
    "FlowRunsPage": "POST /flow_runs/paginate",
    "FlowRunsCount": "POST /flow_runs/lateness",
    "FlowRunsDelete": "POST /flow_runs/bulk_delete",
    "InputFilter": "POST /flow_runs/{id:uuid}/input/filter",
    "TaskRunsFilter": "POST /task_runs/filter",
    "TaskRunsPage": "POST /task_runs/paginate",
    "TaskRunsCount": "POST /task_runs/count",
    "TaskRunsHistory": "POST /task_runs/history",
    "EventsCount": "POST /events/count-by/{countable}",
}

ID = "6b2f57fe-0f1b-48e9-bd7b-61cbb0b7e50d"
ROOTS = ["", "null", "{}", "[]", '"x"', "5", "true", "[1]", "[[]]", '{"zz": 1}']
TEXTS = ["5", "null", "true", "[]", '"\\u00e9\\n"', '""']
INTS = [
    "5", "-1", "0", "5.0", "5.5", "1e2", "1e19", "true", "false", "null", "[]", "{}", '"5"', '" 7 "', '"+5"',
    '"--5"', '"5.0"', '"5.5"', '"5."', '".0"', '"1e3"', '"1_000"', '"_1"', '"1__0"', '"0x5"', '""', '"x"', '"007"',
    '"1_0.0"', '"\\n5\\t"', '"٣"', '"5.0_0"',
]
FLOATS = [
    "5", "5.5", "-1.5", "1e3", "true", "null", "[]", '"5.5"', '" 5.5 "', '"1_0.5"', '"1e5"', '"x"', '""', '"0x5"',
    '"1__0"', '".5"', '"5."', '"_5"', '"5_"', '"1e_5"', "123456789012345678901234567890",
]
BOOLS = [
    "true", "false", "1", "0", "2", "1.0", "0.0", "1.5", "null", "[]", "{}", '"1"', '"0"', '"t"', '"F"', '"tRUE"',
    '"yes"', '"on"', '"off"', '"N"', '"x"', '""', '" true"', '"1.0"',
]
UUIDS = [
    f'"{ID}"', f'"{ID.upper()}"', f'"{ID.replace("-", "")}"', f'"{{{ID}}}"', f'"urn:uuid:{ID}"', f'"URN:UUID:{ID}"',
    f'"{{{ID.replace("-", "")}}}"', f'"{ID[:-1]}"', f'"{ID}d"', f'"{ID[:23]}{ID[24:]}"', f'"{ID[:-1]}x"', f'" {ID}"',
    f'"{ID} "', '"6b2f57f-e0f1b-48e9-bd7b-61cbb0b7e50d"', '""', '"x"', '"é"', '"abc"', '"a-b-c-d-e"', '"a-b-c-d-e-f"',
    '"-"', '"----"', '"{"', '"{}"', '"{é}"', '"urn:uuid:"', '"urn:uuid:x"', f'"{{{ID}d}}"', f'"urn:uuid:{ID}d"',
    f'"{"a" * 100}"', '"{' + "a" * 34 + '}"', '"urn:uuid:' + "a" * 27 + '"', '"' + "a" * 36 + '"', "5", "1.5", "null",
    "true", "{}", f'"{ID[:35]}é"', f'"{ID[:24]}\\ud83d\\ude00cbb0b7e50d"',
]
TIMES = [
    '"2024-01-02T03:04:05Z"', '"2024-01-02T03:04:05.123456789Z"', '"2024-01-02T03:04:05.1+05:30"', '"2024-01-02T03:04"',
    '"2024-01-02 03:04:05"', '"2024-01-02_03:04:05"', '"2024-01-02t03:04:05z"', '"2024-01-02T03:04:05 Z"',
    '"2024-01-02T03:04:05+0530"', '"2024-01-02T03:04:05+05"', '"2024-01-02T03:04:05-00:00"', '"2024-01-02T24:00:00Z"',
    '"2024-01-02T23:59:60Z"', '"2024-13-02T23:59:00Z"', '"2024-02-30"', '"2024-02-29"', '"2023-02-29"', '"2024-01-02"',
    '"20240102"', '"20240102T030405"', '"20240102T0304Z"', '"2024-W01-1"', '"2024W011"', '"2024-W01"', '"2024-W53"',
    '"2026-W53-5"', '"2024-W00-1"', '"2024-W01-8"', '"2024-366"', '"2024-367"', '"2023-366"', '"2024"', '"2024-01"',
    '"2024/01/02"', '"2024:01:02"', '"2024/01/02 10:11:12"', '"20240102 3:4:5.5"', '"2024 3:4"', '"NOW"', '"soon"',
    '""', '" 2024-01-02"', '"2024-01-02 "', '"2024-01-02T"', '"0"', '"1700000000"', '"1700000000.5"', '"1700000000000"',
    '"-1"', '"1e9"', '"inf"', "1700000000", "1700000000.5", "1700000000000", "1700000000000.5", "-1", "-1.5", "0", "1e9",
    "1e20", "true", "null", "[]", "{}", "20000000000", "20000000001", "-20000000001", "253402300799", '"0001-01-02"',
    '"0000-01-01"', '"2024-01-02T03:04:05,5Z"', '"2024-01-02T03:04:5"', '"2024-1-2"', '"2024-01-02T03"',
    '"2024-01-02T03Z"', '"2024-01-02T3:04"', '"01/02/2024"', '"2024-01-02T03:04:05.Z"',
    '"2024-01-02T03:04:05.1234567890123Z"', '"2024-01-02T03:04:05 +05:00"', '"2024-01-02T03:04:05\u221205:00"',
    '"+2024-01-02"', '"2024-01-02T03:04Z"', '"Tue, 02 Jan 2024 03:04:05 GMT"', '"2024-01-02 3:4"', '"2024-02-30 3:04"',
    "1700000000.1234567", '"1700000000.1234567"', "1700000000123.4567", "1e-7",
]
LABELS = [
    "null", "{}", "[]", "5", '{"a": 1, "b": "x", "c": true, "d": 1.50}', '{"a": null, "b": [1], "c": {}}',
    '{"a": [1], "a": 2}', '{"a": 2, "a": [1]}', '{"a": 123456789012345678901234567890}',
]
LISTS = ["null", "{}", "5", '"x"', "[]", '["x", null, 5]', '["b", "a", "b"]', '[["x"]]']
OBJECTS = ["null", "[]", "5", '"x"', "{}", '{"a": {"b": [1.0, 2e3]}}']
POLICIES = [
    "{}", '{"zz": 1}', '{"max_retries": 3}', '{"max_retries": 3, "retries": null}', '{"max_retries": 3, "retries": 0}',
    '{"retries": 2, "max_retries": 3}', '{"max_retries": "x"}', '{"max_retries": "x", "retries": 1}',
    '{"max_retries": "", "retries": ""}', '{"max_retries": null}', '{"max_retries": false}', '{"max_retries": true}',
    '{"max_retries": 0, "retries": "x"}', '{"max_retries": 0.0}', '{"max_retries": "0"}', '{"retry_delay_seconds": 5}',
    '{"retry_delay_seconds": 5.5}', '{"retry_delay_seconds": "5"}', '{"retry_delay_seconds": "x"}',
    '{"retry_delay": "", "retry_delay_seconds": 3}', '{"retry_delay": [], "retry_delay_seconds": 3}',
    '{"max_retries": 1, "max_retries": "y"}', '{"max_retries": "y", "max_retries": 1}',
]
DELAYS = [
    "5", "5.0", "5.5", '"5"', '"5.5"', '"5.0"', "true", "null", "0", "[]", "[1, 2]", "[1, 2.0]", "[1.0, 2.0]", "[1, 2.5]",
    '["1", "2"]', '["1", "2.5"]', "[true, 1]", "[null]", '["x"]', '"x"', "{}", "1e3", "-1", '["1.0", 2]', '[1.5, "2"]',
    "[[1]]", "[" + ",".join("1" * 50) + "]", "[" + ",".join("1" * 51) + "]", '[1, "x", 2.5, []]',
]
INPUTS = [
    "{}", "null", "5", '{"input_type": "x"}', f'{{"id": "{ID}"}}', f'{{"id": "{ID}", "input_type": "flow_run"}}',
    f'{{"id": "{ID}", "input_type": "task_run", "name": "n"}}', f'{{"id": "{ID}", "name": "n"}}',
    f'{{"id": "{ID}", "type": "t"}}', '{"name": "n", "type": "t"}', '{"name": "n"}', '{"type": "t"}',
    '{"input_type": "constant", "name": "n", "type": "t"}', '{"input_type": "constant", "name": "n"}',
    '{"input_type": "x", "id": "y", "name": 5, "type": []}', '{"input_type": "parameter", "name": 5, "zz": 1}',
    f'{{"id": "{ID}", "input_type": null}}', '{"id": "x", "name": "n"}', '{"id": "x", "input_type": "task_run"}',
]
STATES = [
    "null", '"x"', "{}", '{"type": null}', '{"type": 5}', '{"type": "scheduled"}', '{"type": "PENDING"}',
    '{"type": "PEND\\u0049NG"}', '{"type": "RUNNING", "name": "Custom", "message": "m"}', '{"type": "CANCELLING"}',
    '{"type": "RUNNING", "id": "x", "timestamp": 1}', '{"zz": 1, "type": "X", "name": 5}',
    '{"type": "COMPLETED", "data": {"a": [1.0]}}', '{"type": "COMPLETED", "data": null}',
    '{"type": "PENDING", "state_details": null}', '{"type": "PENDING", "state_details": []}',
    '{"type": "PENDING", "state_details": {"zz": 1, "deferred": null, "pause_reschedule": "yes"}}',
    '{"type": "PENDING", "state_details": {"untrackable_result": null, "flow_run_id": "x", "retriable": "maybe"}}',
    '{"type": "PENDING", "state_details": {"run_input_keyset": {"a": 5}, "scheduled_time": "soon", "cache_key": 5}}',
    '{"type": "PENDING", "state_details": {"run_input_keyset": null, "scheduled_time": null, "transition_id": null}}',
    '{"type": "X", "type": "RUNNING"}', '{"type": "RUNNING", "type": "X"}', '{"zz": 1, "zz": 2}',
]
NAMES = [
    '"a"', '""', '" "', '"a/b"', '"a%"', '"<"', '"é&"', "null", "5", '"a\\nb"', '"a\\u002fb"', '"' + "n" * 3000 + '"',
]
SYNTAX = [
    "{", "{bad", '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', '{"a":1 "b":2}', "[", "[1", "[1,", "[1,]", "[1 2]",
    "{'a':1}", '{"a":1}}', '{"a":1} x', '"abc', '"a\\', '"a\\x"', '"a\\u12"', '"a\\u12g4"', '"\\u1234', '"a\tb"', "01",
    "1.", "-", "+1", ".5", "1e", "nul", "tru", "nan", "é", '{"é":}', '["é", x]', " ", "\n\t", "﻿", '"\\ud800\\u00"',
    '{"a":1,,}', "{,}", "[,1]", '{"a" 1}', "{1:2}", '{"a":1]', "[1}", "- 1", "1 2", "0x10", "1_000", '"\\', '"\\u', '"\\u"',
]


def field(base, name, values):
    """Bodies that are an object of a base with one field more."""
    return [f"{{{base}{', ' if base else ''}{json.dumps(name)}: {value}}}" for value in values]


def bodies():
    yield from ((name, body) for name in ROUTES for body in ROOTS)
    yield from (("FlowCreate", body) for body in SYNTAX)
    for name, cases in CASES.items():
        yield from ((name, body) for body in cases)


FLOW_RUN = f'"flow_id": "{ID}"'
TASK_RUN = '"task_key": "k", "dynamic_key": "0"'
LOG = '"name": "n", "level": 20, "message": "m", "timestamp": "2024-01-02T03:04:05Z"'
EVENT = f'"occurred": "2024-01-02T03:04:05Z", "event": "e", "id": "{ID}"'
RESOURCE = '"resource": {"prefect.resource.id": "r"}'
RELATED = '{"prefect.resource.id": "q", "prefect.resource.role": "x"}'


MEMBERS = {
    "flows": ["id", "deployment", "name", "tags"],
    "flow_runs": [
        "id", "name", "tags", "deployment_id", "work_queue_name", "flow_version", "start_time", "end_time",
        "expected_start_time", "next_scheduled_start_time", "parent_flow_run_id", "parent_task_run_id",
        "idempotency_key", "created_by", "state", "state.type", "state.name",
    ],
    "task_runs": [
        "id", "name", "tags", "state", "state.type", "state.name", "start_time", "end_time", "expected_start_time",
        "subflow_runs", "flow_run_id",
    ],
    "deployments": [
        "id", "name", "flow_or_deployment_name", "paused", "tags", "work_queue_name", "concurrency_limit",
    ],
    "work_pools": ["id", "name", "type"],
    "work_pool_queues": ["id", "name"],
    "logs": ["level", "timestamp", "flow_run_id", "task_run_id", "text"],
}
CONDITIONS = [
    "null", "5", "{}", '{"zz": 1}', '{"operator": "or_"}',
    '{"any_": [], "not_any_": [], "all_": [], "is_null_": true, "exists_": true, "eq_": true, "like_": "a", '
    '"startswith_": ["a"], "before_": "2024-01-02", "after_": 0, "ge_": 1, "le_": 2, "id_": [], "type_": [], "query": "q"}',
    '{"any_": null, "not_any_": null, "all_": null, "is_null_": null, "exists_": null, "eq_": null, "like_": null, '
    '"startswith_": null, "before_": null, "after_": null, "ge_": null, "le_": null, "id_": null, "type_": null, "query": null}',
    '{"any_": 5, "not_any_": 5, "all_": 5, "is_null_": 5, "exists_": 5, "eq_": 5, "like_": 5, "startswith_": 5, '
    '"before_": [], "after_": [], "ge_": [], "le_": [], "id_": 5, "type_": 5, "query": 5}',
    f'{{"any_": ["{ID}"]}}', '{"is_null_": false}', '{"not_any_": ["RUNNING"]}',
]


def members(kind):
    """Bodies with each member of a filter, alone and in any condition."""
    for name in MEMBERS[kind]:
        for condition in CONDITIONS:
            for part in reversed(name.split(".")):
                condition = f'{{"{part}": {condition}}}'
            yield f'{{"{kind}": {condition}}}'


WINDOWS = [
    '{"limit": null, "offset": null, "page": null, "sort": null}', '{"sort": "BAD", "offset": -1, "page": 0, "limit": 1.5}',
    '{"limit": "5", "offset": "6", "page": "7"}',
]


def labels(n):
    return "{" + ", ".join(f'"l{i}": "x"' for i in range(n)) + "}"


CASES = {
    "FlowCreate": [
        *field("", "name", NAMES),
        *field('"name": "f"', "tags", LISTS),
        *field('"name": "f"', "labels", LABELS),
        '{"zz": 1, "tags": 5, "yy": 2, "name": "/", "labels": []}',
        '{"name": "/", "name": "ok"}',
        '{"name": "ok", "name": "/"}',
        '{"na\\u006de": "escaped"}',
        '\ufeff{"name": "bom"}',
        ' {"name" : "blanks" , "tags" : [ "a" , "b" ] } ',
    ],
    "FlowUpdate": [*field("", "tags", LISTS), '{"name": "x"}'],
    "FlowRunCreate": [
        *field("", "flow_id", UUIDS),
        *field(FLOW_RUN, "deployment_id", UUIDS),
        *field(FLOW_RUN, "name", ["0", "7", "[]", "[0]", "{}", '{"a": 1}', "false", "true", "null", '""', '"x"', "0.0", "-0"]),
        *field(FLOW_RUN, "flow_version", TEXTS),
        *field(FLOW_RUN, "parameters", OBJECTS),
        *field(FLOW_RUN, "context", OBJECTS),
        *field(FLOW_RUN, "job_variables", OBJECTS),
        *field(FLOW_RUN, "state", STATES),
        *field(FLOW_RUN, "tags", LISTS),
        *field(FLOW_RUN, "labels", LABELS),
        *field(FLOW_RUN, "empirical_policy", POLICIES),
        *(body for value in INTS for body in field(FLOW_RUN, "empirical_policy", [f'{{"retries": {value}}}'])),
        *(body for value in FLOATS for body in field(FLOW_RUN, "empirical_policy", [f'{{"retry_delay_seconds": {value}, "retry_delay": 1}}'])),
        *(body for value in BOOLS for body in field(FLOW_RUN, "empirical_policy", [f'{{"resuming": {value}}}'])),
        *(body for value in LISTS for body in field(FLOW_RUN, "empirical_policy", [f'{{"pause_keys": {value}}}'])),
        *(body for value in ["null", '"in_process"', '"x"', "5"] for body in field(FLOW_RUN, "empirical_policy", [f'{{"retry_type": {value}}}'])),
    ],
    "FlowRunUpdate": [
        *field("", "name", ["null", '""', '"x"', "5", "0"]),
        *field("", "parameters", OBJECTS),
        *field("", "job_variables", OBJECTS),
        *field("", "empirical_policy", ["{}", '{"max_retries": 3}', '{"retries": 3}', '{"retries": "x"}', "[1]"][:4]),
        *field("", "tags", LISTS),
        *field("", "infrastructure_pid", ["null", '"1"', "1"]),
        '{"flow_version": null, "tags": ["a"]}',
    ],
    "TaskRunCreate": [
        *field('"task_key": "k"', "dynamic_key", TEXTS),
        *field(TASK_RUN, "id", UUIDS[:3] + ["null", "5"]),
        *field(TASK_RUN, "name", ["null", '""', '"x"', "5"]),
        *field(TASK_RUN, "cache_expiration", TIMES),
        *field(TASK_RUN, "cache_key", ["null", '"' + "é" * 2000 + '"', '"' + "é" * 2001 + '"']),
        *field(TASK_RUN, "task_inputs", ["null", "[]", "{}", '{"a": []}', '{"a": null, "b": {}}']),
        *(body for value in INPUTS for body in field(TASK_RUN, "task_inputs", [f'{{"a": [{value}]}}'])),
        *field(TASK_RUN, "task_inputs", [f'{{"a": [{", ".join(INPUTS)}], "b": [5]}}']),
        *field(TASK_RUN, "empirical_policy", POLICIES),
        *(body for value in DELAYS for body in field(TASK_RUN, "empirical_policy", [f'{{"retry_delay": {value}}}'])),
        *(body for value in ["-1", "-0.5", '"x"', "null", "0", '"-1"', "1"] for body in field(TASK_RUN, "empirical_policy", [f'{{"retry_jitter_factor": {value}}}'])),
        *field(TASK_RUN, "state", STATES[:6]),
        *field(TASK_RUN, "labels", LABELS[:3]),
    ],
    "TaskRunUpdate": [*field("", "name", ["null", '""', '"x"', "5"]), '{"tags": []}'],
    "Logs": [
        "[{}]", "[null]", '[1, "x", {}]', f"[{{{LOG}}}, {{{LOG}}}]", '{"a": 1}',
        '[{"name": null, "level": "1", "message": "m", "timestamp": "2024-01-01", "z": 1, "a": 2}]',
        *("[" + body + "]" for value in TIMES for body in field('"name": "n", "level": 20, "message": "m"', "timestamp", [value])),
        *("[" + body + "]" for value in INTS for body in field('"name": "n", "message": "m", "timestamp": 1', "level", [value])),
        *("[" + body + "]" for body in field(LOG, "flow_run_id", ["null", '"x"', f'"{ID}"'])),
        f"[{{{LOG}}}, {{{LOG}, \"zz\": 1}}, {{}}]",
    ],
    "Events": [
        "[{}]", "[5]", f"[{{{EVENT}, {RESOURCE}}}]", f'[{{{EVENT}, {RESOURCE}, "received": 5, "zz": 1}}]',
        *(f'[{{{EVENT}, "resource": {value}}}]' for value in [
            "{}", "[]", "null", '{"prefect.resource.id": ""}', '{"prefect.resource.id": 5}',
            '{"prefect.resource.id": "r", "x": null}', '{"a": 1, "a": "b", "prefect.resource.id": "r"}', labels(500), labels(501)]),
        *(f'[{{{EVENT}, {RESOURCE}, "related": {value}}}]' for value in [
            "null", "{}", "[]", "[{}]", '[{"prefect.resource.id": "x"}]', f"[{RELATED}]",
            '[{"prefect.resource.id": "x", "prefect.resource.role": ""}]',
            f'[{{"prefect.resource.role": "r"}}, 5, {RELATED}]',
            "[" + ", ".join([RELATED] * 100) + "]", "[" + ", ".join([RELATED] * 101) + "]", "[" + ", ".join(["{}"] * 3) + "]"]),
        *(f'[{{{EVENT}, {RESOURCE}, "payload": {value}}}]' for value in OBJECTS),
        *(f'[{{{EVENT}, {RESOURCE}, "follows": {value}}}]' for value in ["null", '"x"', f'"{ID}"']),
        *(f'[{{{EVENT}, {RESOURCE}, "event": {value}}}]' for value in ["null", '""', '"' + "é" * 1024 + '"', '"' + "é" * 1025 + '"']),
        *(f'[{{{EVENT}, {RESOURCE}, "id": {value}}}]' for value in ["null", '"x"']),
        f'[{{{EVENT}, {RESOURCE}, "occurred": null}}]',
    ],
    "SetState": [
        *field("", "state", STATES),
        *(f'{{"state": {{"type": "RUNNING"}}, "force": {value}}}' for value in BOOLS),
        '{"state": 5, "force": "x", "zz": 1}',
        '{"force": null}',
        '{"state": null, "state": {"type": "RUNNING"}}',
        '{"state": {"type": "RUNNING"}, "state": null}',
    ],
    "BulkSetState": [
        *(f'{{"state": {{"type": "RUNNING"}}, "limit": {value}}}' for value in ["0", "1", "50", "51", '"5"', "null", "1.5", '"-1"']),
        '{"flow_runs": 5, "limit": "x"}',
    ],
    "FlowRunsFilter": [
        '{"sort": null, "limit": null, "offset": null, "flows": null}',
        '{"sort": "BAD", "offset": -1, "limit": "x", "flows": 5}',
        '{"limit": "x", "flows": 5, "offset": -1, "sort": "BAD"}',
        '{"flows": {"operator": "xor", "id": {"any_": ["x"]}, "zz": 1, "name": null, "tags": {"operator": null}}}',
        '{"flow_runs": {"operator": null, "state": {"type": {"any_": ["X", "RUNNING", null]}}}}',
        '{"flow_runs": {"start_time": {"after_": "soon", "is_null_": "maybe"}, "name": {"like_": 5}}}',
        '{"flow_runs": {"id": {"any_": null}, "tags": {"all_": "x"}}}',
        '{"flow_runs": {"id": []}}',
        f'{{"sort": "ID_DESC", "flow_runs": {{"id": {{"any_": []}}}}, "flows": {{"id": {{"any_": ["{ID}"]}}}}}}',
        '{"flow_runs": {"start_time": {"before_": "2024-01-02", "after_": 1700000000}, "tags": {"operator": "or_", "all_": ["a"]}}}',
        *members("flow_runs"),
        *members("work_pool_queues"),
    ],
    "FlowsFilter": [*WINDOWS, *members("flows"), *members("deployments"), *members("work_pools")],
    "FlowsPage": WINDOWS,
    "FlowsDelete": WINDOWS,
    "FlowRunsPage": WINDOWS,
    "FlowRunsDelete": WINDOWS,
    "TaskRunsFilter": [*WINDOWS, *members("task_runs")],
    "TaskRunsPage": WINDOWS,
    "InputFilter": [
        '{"prefix": 5, "limit": "x", "exclude_keys": 5}', '{"prefix": "", "limit": null, "exclude_keys": null}',
        '{"prefix": "a", "limit": -1, "exclude_keys": ["a"]}', '{"prefix": "a"}',
    ],
    "TaskRunsHistory": ['{"history_start": 1, "history_end": 2, "history_interval_seconds": 0}'],
    "EventsCount": [
        '{"filter": null, "time_unit": "x", "time_interval": 0.009}', '{"filter": {}, "time_unit": null, "time_interval": null}',
        '{"filter": {}, "time_unit": "week", "time_interval": "2.5"}',
    ],
    "FlowRunsHistory": [
        '{"history_start": "x", "history_end": null, "history_interval_seconds": "x"}',
        '{"history_start": 1, "history_end": 2, "history_interval_seconds": "5"}',
    ],
    "LogsFilter": [
        '{"logs": {"level": {"ge_": "x"}, "text": {}}}',
        '{"logs": {"text": {"query": "' + "x" * 201 + '"}}}',
        '{"logs": {"text": {"query": "' + "é" * 200 + '"}, "level": {"ge_": 10, "le_": null}}}',
        *members("logs"),
    ],
    "Resume": ['{"run_input": null}', '{"run_input": 5}', '{"run_input": {"a": 1}}'],
    "Input": [
        '{"key": "a", "value": 5}', '{"key": "a", "value": "x", "sender": 5}', '{"key": "a-1", "value": "x", "sender": "s"}',
        '{"key": 5, "value": null}',
    ],
    "EventsFilter": [
        '{"filter": {"resource": {"labels": {"a": 5, "b": ["x", 1]}}}}',
        '{"filter": {"resource": {"labels": {"a": "x", "b": ["x"]}, "distinct": "yes"}}}',
        '{"filter": {"occurred": null, "order": "X"}, "limit": 51}',
        '{"filter": {"order": "ASC"}, "limit": -1}',
        '{"filter": {"resource": {"labels": {"a": null, "b": []}}}}',
        '{"filter": {"zz": 1}}',
        '{"filter": {"occurred": {"since": "2024-01-02", "until": "x"}, "id": null}}',
        '{"filter": {"occurred": {"since": null, "until": null}}}',
        f'{{"filter": {{"id": {{"id": ["{ID}"]}}, "event": {{"prefix": ["a"], "exclude_prefix": [], "name": null, "exclude_name": [5]}}}}}}',
        '{"filter": {"id": {"id": null}, "event": {"prefix": ["a"], "exclude_prefix": [], "name": null, "exclude_name": ["b"]}}}',
        '{"filter": {"text": {"query": 5}, "event": {"zz": 1}}}',
        '{"filter": {"related": null, "any_resource": null, "resource": {"distinct": null}}}',
        '{"filter": {"related": {"id": ["a"], "role": null, "resources_in_roles": [["a", "b"]], "labels": {"a": "b"}}}}',
        '{"filter": {"related": [{"id": ["a"]}, {"role": ["b"]}], "any_resource": [{"id_prefix": ["a"]}]}}',
        '{"filter": {"related": [], "any_resource": {"labels": {"a": []}}}}',
        '{"filter": {"related": 5, "any_resource": [5]}}',
        '{"filter": {"related": {"resources_in_roles": [[], [1], [1, 2, 3], ["a", "b", "c"], "ab", {}, null, ["a", 5]]}}}',
    ],
    "Lease": [
        '{"names": [], "slots": 0}', '{"names": ["a"], "slots": 1, "mode": "x", "lease_duration": 59}',
        '{"names": ["a"], "slots": 1, "mode": null, "lease_duration": "86401"}',
        '{"names": ["a"], "slots": "1", "mode": "rate_limit", "lease_duration": 60}',
        f'{{"names": ["a"], "slots": 1, "holder": {{"type": "x", "id": "{ID}"}}}}',
        f'{{"names": ["a"], "slots": 1, "holder": {{"type": "task_run", "id": "{ID}", "zz": 1}}}}',
    ],
}


def dependants(routes):
    """All routes of an application, with what they read."""
    for route in routes:
        if isinstance(route, routing._IncludedRouter):
            yield from dependants(route.effective_candidates())
        elif hasattr(route, "dependant"):
            for method in route.methods:
                yield f"{method} {route.path}", (route.dependant, route._embed_body_fields)


def body_fields(dependant):
    """The parameters in the order in which problems are told: those of
    dependencies (the limit) come first."""
    fields = []
    for inner in dependant.dependencies:
        fields += body_fields(inner)
    return fields + dependant.body_params


async def verdict(dependant, embed, body):
    try:
        value = json.loads(body.encode()) if body else None
    except json.JSONDecodeError as e:
        problem = {"type": "json_invalid", "loc": ["body", e.pos], "msg": "JSON decode error", "input": {}, "ctx": {"error": e.msg}}
        return {"detail": [problem]}
    try:
        values, errors = await utils.request_body_to_args(body_fields(dependant), value, embed)
    except Exception as e:
        return {"crash": repr(e)}
    if errors:
        return {"detail": jsonable_encoder(errors)}
    return {"value": jsonable_encoder(values)}


async def main():
    known = dict(dependants(create_api_app().routes))
    lines = []
    for name, body in bodies():
        answer = await verdict(*known[ROUTES[name]], body)
        lines.append(json.dumps({"type": name, "body": body, **answer}, ensure_ascii=False))
    print("[\n" + ",\n".join(lines) + "\n]")


asyncio.run(main())
