#!/usr/bin/env python3
"""How much of translator/, softmmu/ and cpu-model/ the tests run: builds the preset `coverage`, runs ctest there, and prints
lines for each file and the functions that were never called.

Usage: tests/coverage.py [CTEST_OPTION...], for example: tests/coverage.py -LE long; without options all but the long tests.
With -n nothing is built or run: it prints what earlier runs have counted.
"""
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "coverage"
FOLDERS = ("translator", "softmmu", "cpu-model")


def count():
    """{file: {line: times}}, {file: {function: times}}, over all object files that have counters."""
    lines, functions = {}, {}
    for data in BUILD.rglob("*.gcda"):
        output = subprocess.run(["gcov", "--json-format", "--stdout", data], cwd=BUILD, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, check=True).stdout
        for report in output.splitlines():
            for file in json.loads(report)["files"]:
                path = pathlib.Path(BUILD, file["file"]).resolve()
                if ROOT not in path.parents:
                    continue
                name = str(path.relative_to(ROOT))
                if not name.startswith(FOLDERS):
                    continue
                for line in file["lines"]:
                    known = lines.setdefault(name, {})
                    known[line["line_number"]] = known.get(line["line_number"], 0) + line["count"]
                for function in file["functions"]:
                    known = functions.setdefault(name, {})
                    known[function["name"]] = known.get(function["name"], 0) + function["execution_count"]
    return lines, functions


def main():
    arguments = sys.argv[1:]
    if arguments[:1] != ["-n"]:
        subprocess.run(["cmake", "--preset", "coverage"], cwd=ROOT, check=True)
        subprocess.run(["cmake", "--build", BUILD], check=True)
        for data in BUILD.rglob("*.gcda"):
            data.unlink()
        subprocess.run(["ctest", "--test-dir", BUILD, *arguments], check=False)
    lines, functions = count()
    for folder in FOLDERS:
        ran = total = 0
        for name in sorted(lines):
            if not name.startswith(folder + "/"):
                continue
            covered = sum(1 for times in lines[name].values() if times)
            ran, total = ran + covered, total + len(lines[name])
            never = sorted(function for function, times in functions.get(name, {}).items() if not times)
            print(f"{covered * 100 / len(lines[name]):6.1f} % of {len(lines[name]):4} lines  {name}" +
                  (f"  never: {' '.join(never)}" if never else ""))
        if total:
            print(f"{ran * 100 / total:6.1f} % of {total:4} lines  {folder}/\n")


if __name__ == "__main__":
    main()
