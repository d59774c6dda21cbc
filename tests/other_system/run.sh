#!/bin/bash
# Every test as on Windows (sitecustomize.py takes away what it lacks), a directory after the other; with arguments only those files.
# A file opened in the machine's own encoding is an error in cjlib, and nobody's business elsewhere.
set -u
cd "$(dirname "$0")/../.."
export PYTHONPATH="$PWD/tests/other_system:$PWD" PYTHONUTF8=0 PYTHONIOENCODING=cp1252 OMP_NUM_THREADS=1
rules=$'error\nignore::EncodingWarning\nerror::EncodingWarning:cjlib'
[ $# -gt 0 ] || set -- tests/agents tests/analyses tests/delivery tests/shared tests/show tests/sources tests/views tests/test_*.py
# As root a browser starts only if it is told so; here nobody is root, as on Windows, so nobody tells it.
printed=tests/delivery/test_paper.py::test_each_report_is_printed_beside_its_page_and_goes_with_the_next_one
failed=0
for part in "$@"; do
    "${PYTHON:-.venv/bin/python}" -X warn_default_encoding -m pytest -q -o "filterwarnings=$rules" --deselect "$printed" ${OPTIONS:-} "$part" || failed=1
done
exit $failed
