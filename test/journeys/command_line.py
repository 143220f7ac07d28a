"""The prefect command lists, inspects and deletes what ran."""

import json

from journey import flow_run_named, flow_run_of, named, prefect
from prefect import flow


@flow(name=named("seen"), flow_run_name=named("seen-run"))
def seen(x=1):
    return x


run = flow_run_of(seen(x=4, return_state=True))
assert named("seen") in prefect("flow", "ls", "--limit", "200")
assert str(run.id) in prefect("flow-run", "ls", "--limit", "200")
assert str(run.id) in prefect("flow-run", "ls", "--flow-name", named("seen"), "--state", "Completed")
inspected = json.loads(prefect("flow-run", "inspect", str(run.id), "--output", "json"))
assert inspected["parameters"] == {"x": 4} and inspected["state_type"] == "COMPLETED", inspected
prefect("--no-prompt", "flow-run", "delete", str(run.id))
assert flow_run_named(named("seen-run")) is None
