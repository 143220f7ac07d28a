"""A flow maps a task over a list; every task run is recorded, and depends on what it depends on."""

from journey import client, finished_task_runs, flow_run_of, named
from prefect import flow, task


@task
def numbers():
    return list(range(20))


@task(tags=["journey"])
def square(n):
    return n * n


@task
def total(values):
    return sum(values)


@flow(name=named("mapped"), flow_run_name="squares-{label}", version="7")
def squares(label="x"):
    return total(square.map(numbers()))


state = squares("of twenty", return_state=True)
assert state.result() == sum(n * n for n in range(20))

run = flow_run_of(state)
assert run.name == "squares-of twenty" and run.flow_version == "7"
assert run.parameters == {"label": "of twenty"}
assert run.state_type == "COMPLETED" and run.run_count == 1
assert run.start_time and run.end_time and run.total_run_time.total_seconds() > 0

tasks = finished_task_runs(run.id, 22)
assert len(tasks) == 22 and {t.state_name for t in tasks} == {"Completed"}
assert sum("journey" in t.tags for t in tasks) == 20
(last,) = [t for t in tasks if t.task_key.startswith("total")]
assert len(last.task_inputs["values"]) == 20, last.task_inputs
with client() as api:
    states = api.read_flow_run_states(run.id)
assert [s.type.value for s in states] == ["PENDING", "RUNNING", "COMPLETED"], states
