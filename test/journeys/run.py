"""Run the journeys against a server, each as a program with settings of its own.

    run.py --api http://127.0.0.1:4200/api [JOURNEY ...]

The last line is "journeys passed X of Y"; the status is 0 when all did.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
NOT_JOURNEYS = {"run", "journey"}


def run(path, api, timeout):
    """Run one journey and say how it went; what it started ends with it."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="journey-", ignore_cleanup_errors=True) as home:
        env = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")} | {
            "PREFECT_API_URL": api,
            "PREFECT_HOME": home,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }
        program = subprocess.Popen(
            [sys.executable, str(path)], env=env, cwd=home, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )
        try:
            output, _ = program.communicate(timeout=timeout)
            problem = f"status {program.returncode}" if program.returncode else ""
        except subprocess.TimeoutExpired:
            os.killpg(program.pid, signal.SIGKILL)
            output, _ = program.communicate()
            problem = f"no end within {timeout} s"
        finally:
            try:
                os.killpg(program.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    print(f"{'FAIL' if problem else 'pass'}  {time.monotonic() - began:6.1f} s  {path.stem}  {problem}", flush=True)
    if problem:
        print("\n".join("      | " + line for line in output.splitlines()[-40:]), flush=True)
    return not problem


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--api", required=True, help="address of the API, ending in /api")
    p.add_argument("--jobs", type=int, default=2, help="journeys at a time")
    p.add_argument("--timeout", type=float, default=240, help="seconds for one journey")
    p.add_argument("journeys", nargs="*", help="names; all when none is given")
    args = p.parse_args()
    known = {f.stem: f for f in sorted(HERE.glob("*.py")) if f.stem not in NOT_JOURNEYS}
    for name in args.journeys:
        if name not in known:
            p.error(f"no journey {name}: there are {', '.join(known)}")
    paths = [known[name] for name in args.journeys or known]
    with ThreadPoolExecutor(args.jobs) as pool:
        passed = sum(pool.map(lambda path: run(path, args.api, args.timeout), paths))
    print(f"journeys passed {passed} of {len(paths)}")
    return 0 if passed == len(paths) else 1


if __name__ == "__main__":
    sys.exit(main())
