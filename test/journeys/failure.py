"""A task raises, its flow fails, and what depends on it does not run; a crash is told from a failure."""

from journey import eventually, finished_task_runs, flow_run_named, flow_run_of, named, task_runs_of
from prefect import flow, task


@task
def broken():
    raise ValueError("no such customer")


@task
def after(value):
    return value


@flow(name=named("failing"))
def failing():
    after.submit(broken.submit()).wait()
    broken()


def by_task(run_id):
    found = {}
    for t in task_runs_of(run_id):
        found.setdefault(t.task_key.split("-")[0], []).append(t)
    return found


state = failing(return_state=True)
assert state.is_failed()
run = flow_run_of(state)
assert run.state_type == "FAILED" and "no such customer" in run.state.message, run.state
finished_task_runs(run.id, 2)
tasks = eventually("the task run that waits", lambda: by_task(run.id) if "after" in by_task(run.id) else None)
assert [t.state_type for t in tasks["broken"]] == ["FAILED"] * 2
assert "no such customer" in tasks["broken"][0].state.message
(waiting,) = tasks["after"]
assert waiting.state_name == "NotReady" and waiting.start_time is None, waiting


@flow(name=named("interrupted"), flow_run_name=named("interrupted-run"))
def interrupted():
    raise KeyboardInterrupt


try:
    interrupted()
    raise SystemExit("the flow went on")
except KeyboardInterrupt:
    pass
run = flow_run_named(named("interrupted-run"))
assert run.state_type == "CRASHED" and run.end_time, run.state
