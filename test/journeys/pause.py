"""A flow pauses until somebody gives it the input it asks for."""

import threading

from journey import eventually, flow_run_named, named
from prefect import flow
from prefect.flow_runs import pause_flow_run, resume_flow_run
from prefect.input import RunInput

NAME = named("waits")


class Decision(RunInput):
    who: str
    amount: int


@flow(name=named("pausing"), flow_run_name=NAME)
def pausing():
    decision = pause_flow_run(wait_for_input=Decision, timeout=120, poll_interval=1)
    return f"{decision.who} gives {decision.amount}"


result = []
thread = threading.Thread(target=lambda: result.append(pausing()), daemon=True)
thread.start()
run = eventually("the pause", lambda: (r := flow_run_named(NAME)) and r.state_type == "PAUSED" and r)
assert run.state_name == "Paused" and run.state.state_details.pause_timeout

try:
    resume_flow_run(run.id, run_input={"who": "eve", "amount": "much"})
    raise SystemExit("input that does not fit was taken")
except Exception as refused:
    assert "amount" in str(refused), refused
resume_flow_run(run.id, run_input={"who": "ada", "amount": 5})
thread.join(90)
assert result == ["ada gives 5"], result
run = flow_run_named(NAME)
assert run.state_type == "COMPLETED" and run.run_count == 2, run
