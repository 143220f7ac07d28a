"""Tasks and flows that fail at first are tried again, and the server counts it."""

from journey import finished_task_runs, flow_run_of, named
from prefect import flow, task

tries = {"task": 0, "flow": 0}


@task(retries=2, retry_delay_seconds=0.1)
def third_time_lucky():
    tries["task"] += 1
    if tries["task"] < 3:
        raise RuntimeError("again")


@flow(name=named("task-retries"))
def with_retried_task():
    third_time_lucky()


@flow(name=named("flow-retries"), retries=1)
def second_time_lucky():
    tries["flow"] += 1
    if tries["flow"] < 2:
        raise RuntimeError("again")


state = with_retried_task(return_state=True)
assert state.is_completed() and tries["task"] == 3
(task_run,) = finished_task_runs(flow_run_of(state).id, 1)
assert task_run.run_count == 3 and task_run.state_name == "Completed"

state = second_time_lucky(return_state=True)
assert state.is_completed() and tries["flow"] == 2
run = flow_run_of(state)
assert run.run_count == 2 and run.empirical_policy.retries == 1
