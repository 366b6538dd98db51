#!/bin/sh
# Description: a program includes one header of crew, in C or C++, and gets a warning or an error; or
# what a header shows under "Use" can't be used.
#
# headers_alone.sh INCLUDE CC CXX GCC; CXX and GCC are "" if there is none.

. "$(dirname "$0")/tap.sh"
include=$1 cc=$2 cxx=$3 gcc=$4
warnings='-Wall -Wextra -Wpedantic -Werror'

# compiles COMPILER... : the source on top, alone, without optimisation.
compiles()
{
    language=$1
    shift
    printf '%s\n' "$source" >"$scratch/alone.$language"
    # shellcheck disable=SC2086 # a list
    "$@" $warnings -I"$include" -fsyntax-only "$scratch/alone.$language"
}

# The lines under "Use" in the comment of a header; what they leave open ("...") is left out.
shown()
{
    awk '/^ \* Use$/ { inside = 1; next }
        inside && (/^ \* [^ ]/ || /\*\/$/) { exit }
        inside { sub(/^ \*/, ""); print }' "$1" | sed '/^ *\.\.\. /d'
}

# They may define a function and then call it: gcc takes both inside another function.
use_compiles()
{
    {
        echo '#include <crew.h>'
        echo '#include <stdio.h>'
        echo 'extern crew_pool *pool;'
        echo 'extern crew_function cube;'
        echo 'extern double *x, *y;'
        echo 'extern size_t n;'
        echo 'extern struct data { uint64_t count; } *data;'
        echo 'void mend(struct data *);'
        echo 'bool step(struct data *), is_filled(void *);'
        echo 'void fill(struct data *), take(struct data *);'
        echo 'extern crew_lock *lock;'
        echo '#include <poll.h>'
        echo '#include <unistd.h>'
        echo 'extern crew_future *f;'
        echo 'extern crew_event *stop;'
        echo 'void handle(const struct crew_wait *);'
        echo 'int prepare(void *);'
        echo 'int use(void);'
        echo 'int use(void) {'
        shown "$1" | sed 's/^ *static //'
        echo 'return 0; }'
    } >"$scratch/use.c"
    cat "$scratch/use.c"
    "$gcc" -std=gnu17 -Wall -Wextra -Werror -I"$include" -fsyntax-only "$scratch/use.c"
}

includes_all()
{
    for header in "$include"/crew/*.h; do
        grep -q "^#include <crew/${header##*/}>$" "$include/crew.h" || {
            echo "crew.h lacks ${header##*/}"
            return 1
        }
    done
}

for header in "$include"/crew.h "$include"/crew/*.h; do
    name=${header#"$include"/}
    source="#include <$name>
#include <$name>
int main(void) { return 0; }"
    # shellcheck disable=SC2086 # a compiler may be several words
    for standard in c11 c17 gnu17; do
        holds "$name alone is $standard" compiles c $cc -std=$standard
    done
    if [ -n "$cxx" ]; then
        # shellcheck disable=SC2086
        holds "$name alone is c++17" compiles cc $cxx -std=c++17
    else
        skip "$name alone is c++17" "no C++ compiler"
    fi
done
holds "crew.h includes every header" includes_all
for header in "$include"/crew/*.h; do
    [ -n "$(shown "$header")" ] || continue
    if [ -n "$gcc" ]; then
        holds "what crew/${header##*/} shows under Use compiles" use_compiles "$header"
    else
        skip "what crew/${header##*/} shows under Use compiles" "no gcc, which nests functions"
    fi
done
plan
