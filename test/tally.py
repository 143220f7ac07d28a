"""Count what `go test -json` reports: tests and subtests that passed and failed.

    go test -json ./... | tally.py FILE

Prints a line for each package, the output of what failed, and why a test was
skipped; the counts go to FILE, as two numbers.
"""

import json
import sys
from collections import defaultdict


def main():
    passed = failed = 0
    output = defaultdict(list)
    blamed = set()  # packages with a failed test
    for line in sys.stdin:
        try:
            event = json.loads(line)
        except ValueError:
            print(line, end="")
            continue
        action, package, test = event.get("Action"), event.get("Package") or event.get("ImportPath"), event.get("Test")
        key = (package, test)
        if action in ("output", "build-output"):
            output[key].append(event["Output"])
        elif action == "pass" and test:
            passed += 1
            output.pop(key, None)
        elif action == "fail" and test:
            failed += 1
            blamed.add(package)
            print("".join(output.pop(key, [])), end="")
        elif action in ("fail", "build-fail"):
            if package not in blamed and action == "fail":
                failed += 1
            for unfinished in [k for k in output if k[0] == package and k[1]]:
                print("".join(output.pop(unfinished)), end="")  # a panic or the time limit
            print("".join(output.pop(key, [])), end="")
        elif action == "skip" and test:
            print("".join(output.pop(key, [])[1:]), end="")
        elif action in ("pass", "skip") and not test:
            print("".join(output.pop(key, [])[-1:]), end="")
    sys.stdout.flush()
    with open(sys.argv[1], "w") as out:
        print(passed, failed, file=out)


if __name__ == "__main__":
    main()
