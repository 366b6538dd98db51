# tap.sh - test points of a shell script, for meson (protocol: 'tap'). Sourced.
#
#     holds "A SENTENCE" COMMAND...    a point that passes if the command does; else what it said
#     skip "A SENTENCE" REASON
#     plan                             last

set -u
ulimit -c 0
points=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

holds()
{
    points=$((points + 1))
    sentence=$1
    shift
    if "$@" >"$scratch/output" 2>&1 </dev/null; then
        echo "ok $points - $sentence"
    else
        echo "not ok $points - $sentence"
        echo "# failed: $*"
        sed 's/^/# /' "$scratch/output"
    fi
}

skip()
{
    points=$((points + 1))
    echo "ok $points - $1 # SKIP $2"
}

plan()
{
    echo "1..$points"
}
