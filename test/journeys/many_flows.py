"""Flows that run one after the other for a while all end well, whatever happens to the
server meanwhile, and it has every state and log of theirs."""

import logging

from journey import client, eventually, finished_task_runs, flow_run_of, named
from prefect import flow, get_run_logger, task
from prefect.client.schemas.filters import LogFilter

FLOWS, TASKS = 12, 4


@task
def step(n):
    get_run_logger().info("step %d", n)
    return n


@flow(name=named("many"))
def steps():
    return sum(step.submit(n).result() for n in range(TASKS))


def logs_of(run):
    chosen = LogFilter.model_validate({"flow_run_id": {"any_": [run.id]}, "level": {"ge_": logging.INFO}})
    with client() as c:
        return {log.message for log in c.read_logs(log_filter=chosen) if log.message.startswith("step ")}


runs = []
for _ in range(FLOWS):
    state = steps(return_state=True)
    assert state.is_completed(), state
    assert state.result() == sum(range(TASKS))
    runs.append(flow_run_of(state))
for run in runs:
    assert all(t.state_name == "Completed" for t in finished_task_runs(run.id, TASKS))
    with client() as c:
        assert [s.name for s in c.read_flow_run_states(run.id)] == ["Pending", "Running", "Completed"]
    eventually("the logs", lambda: logs_of(run) == {f"step {n}" for n in range(TASKS)})
