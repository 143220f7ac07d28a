"""Log records of a flow and its tasks reach the server, in order and with their levels."""

import logging

from journey import client, eventually, flow_run_of, named, prefect
from prefect import flow, get_run_logger, task
from prefect.client.schemas.filters import LogFilter
from prefect.client.schemas.sorting import LogSort


@task
def talking_task():
    get_run_logger().warning("from a task: schön 你好")


@flow(name=named("talking"), log_prints=True)
def talking():
    for n in range(40):
        get_run_logger().info("line %02d", n)
    print("printed")
    talking_task()
    get_run_logger().error("two\nlines")


run = flow_run_of(talking(return_state=True))


def read():
    with client() as api:
        found = api.read_logs(LogFilter(flow_run_id={"any_": [run.id]}), limit=200, sort=LogSort.TIMESTAMP_ASC)
    messages = [r.message for r in found]
    wanted = {"line 39", "printed", "from a task: schön 你好", "two\nlines"}
    return found if wanted <= set(messages) else None


found = eventually("the log records", read)
assert [r.message for r in found if r.message.startswith("line")] == [f"line {n:02d}" for n in range(40)]
(warning,) = [r for r in found if "from a task" in r.message]
assert warning.level == logging.WARNING and warning.task_run_id
with client() as api:
    errors = api.read_logs(LogFilter(flow_run_id={"any_": [run.id]}, level={"ge_": logging.ERROR}))
assert [r.message for r in errors] == ["two\nlines"]

printed = prefect("flow-run", "logs", str(run.id))
assert printed.index("line 00") < printed.index("line 39") < printed.index("printed")
assert "line 39" not in prefect("flow-run", "logs", str(run.id), "--head", "--num-logs", "10")
