#!/bin/sh
# run.sh TARGET FOUND CORPUS [LENGTH] - runs a fuzz target for 30 s; FOUND keeps the inputs that reached new code.
set -eu
target=$(readlink -f "$1")
mkdir -p "$2"
cd "$2"
exec "$target" -max_total_time=30 -max_len="${4:-250}" -print_final_stats=1 "$2" "$3"
