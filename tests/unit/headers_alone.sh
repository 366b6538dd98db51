#!/bin/sh
# Description: a program includes one header of crew, in C or C++, and gets a warning or an error.
#
# headers_alone.sh INCLUDE CC CXX; CXX is "" if there is none.

. "$(dirname "$0")/tap.sh"
include=$1 cc=$2 cxx=$3
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
plan
