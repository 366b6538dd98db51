#!/bin/sh
# Description: libcrew lacks a function that a header promises, or takes a name that none does and a
# program may have; or its version differs from the headers'.
#
# headers_symbols.sh INCLUDE CC LIBCREW.SO LIBCREW.A VERSION

. "$(dirname "$0")/tap.sh"
include=$1 cc=$2 library=$3 archive=$4 version=$5

# The functions that are marked CREW_API: one declaration a line, the attributes taken off.
declared()
{
    echo '#include <crew.h>' |
        $cc -I"$include" -E -P - |
        tr '\n' ' ' | tr ';{}' '\n\n\n' |
        sed -n '/visibility("default")/{
            s/__attribute__((visibility("default")))//
            s/__attribute__((warn_unused_result))//
            s/^[^(]*\(crew_[a-z0-9_]*\) *(.*/\1/p
        }' | sort -u
}

exported()
{
    nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | sort -u
}

same_functions()
{
    declared >"$scratch/declared"
    exported | sed 's/@.*//' >"$scratch/exported"
    [ -s "$scratch/declared" ] && diff -u "$scratch/declared" "$scratch/exported"
}

same_in_archive()
{
    nm -g --defined-only "$archive" | awk 'NF == 3 { print $3 }' | sort -u >"$scratch/archived"
    diff -u "$scratch/declared" "$scratch/archived"
}

all_versioned()
{
    ! exported | grep -v '@@CREW_0\.[0-9]*$'
}

dynamic()
{
    readelf -W -d "$library" | grep -- "$1"
}

# A library that comes late finds room for a few hundred bytes of thread-local storage.
little_for_each_thread()
{
    size=$(readelf -W -l "$library" | awk '$1 == "TLS" { print $6 }')
    echo "${size:-0x0} bytes"
    [ "$((${size:-0}))" -le 256 ]
}

version_told()
{
    told=$(echo 'CREW_VERSION CREW_VERSION_MAJOR CREW_VERSION_MINOR CREW_VERSION_PATCH' |
        $cc -I"$include" -include crew/base.h -E -P - | tail -n 1)
    echo "$told"
    [ "$told" = "\"$version\" $(echo "$version" | tr . ' ')" ]
}

holds "the library exports what the headers declare, and nothing else" same_functions
holds "the static library has the same names, and takes no other" same_in_archive
holds "the library can be loaded by dlopen: it has little for each thread" little_for_each_thread
holds "every exported function carries a version" all_versioned
holds "the soname is libcrew.so.0" dynamic 'SONAME.*\[libcrew\.so\.0\]'
holds "relocations are read-only once it is loaded" dynamic 'BIND_NOW\|FLAGS.*NOW'
holds "it has no relocations in its code" sh -c "! readelf -W -d '$library' | grep TEXTREL"
holds "its stack is not executable" sh -c "! readelf -W -l '$library' | grep 'GNU_STACK.*E '"
holds "the headers tell the version of the build" version_told
plan
