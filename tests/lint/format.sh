#!/bin/sh
# clang-format must have nothing to change. Usage: format.sh ROOT. To mend: format.sh ROOT --fix
set -eu
cd "$1"
mode="--dry-run -Werror"
[ "${2-}" = --fix ] && mode=-i
# .def files are tables whose columns are aligned by hand.
find translator cpu-model softmmu devices frontend-sdl tests benchmarks -name '*.[ch]' -print0 |
    sort -z | xargs -0 -r clang-format $mode --style=file
