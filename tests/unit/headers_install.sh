#!/bin/sh
# Description: crew is installed, and a program can't be built with what was installed.
#
# headers_install.sh BUILD SOURCE CC: installs under a folder of its own, and builds the example of
# the README there, as a user would.

. "$(dirname "$0")/tap.sh"
build=$1 source=$2 cc=$3
root=$scratch/root

pc()
{
    PKG_CONFIG_PATH=$(dirname "$(find "$root" -name crew.pc)") pkg-config "$@" crew
}

install_all()
{
    meson install -C "$build" --no-rebuild --quiet --destdir "$root"
}

# example "c" or "text": the first block of that language in the README.
example()
{
    awk -v fence="$(printf '\140\140\140')" -v language="$1" '
        $0 == fence { if (inside) exit }
        inside { print }
        $0 == fence language { inside = 1 }' "$source/README.md"
}

# builds NAME FLAGS...: the example, with what pkg-config told.
builds()
{
    program=$scratch/$1
    shift
    example c >"$scratch/example.c"
    # shellcheck disable=SC2046,SC2086 # lists of flags
    $cc -std=c17 -Wall -Wextra -Wpedantic -Werror $(pc --cflags) -o "$program" \
        "$scratch/example.c" "$@"
}

answers()
{
    example text >"$scratch/expected"
    [ -s "$scratch/expected" ] && "$@" >"$scratch/told" && diff -u "$scratch/expected" "$scratch/told"
}

every_header()
{
    for header in "$source"/include/crew.h "$source"/include/crew/*.h; do
        cmp "$header" "$(pc --variable=includedir)/${header#"$source"/include/}" || return
    done
}

holds "install succeeds" install_all
holds "every header is installed" every_header
holds "crew.pc tells the version of the headers" sh -c "grep -q 'CREW_VERSION \"$(pc --modversion)\"' \
    '$source/include/crew/base.h'"
libdir=$(pc --variable=libdir)
# shellcheck disable=SC2046 # lists of flags
holds "the README's example builds with the shared library" builds shared $(pc --libs)
holds "and needs libcrew.so.0" sh -c "readelf -d '$scratch/shared' | grep 'NEEDED.*libcrew.so.0'"
holds "and prints what the README says" answers env LD_LIBRARY_PATH="$libdir" "$scratch/shared"
# shellcheck disable=SC2046
holds "the README's example builds with the static library" builds static "$libdir/libcrew.a" \
    $(pc --static --libs-only-other) $(pc --static --libs-only-l | sed 's/-lcrew\b//')
holds "and prints what the README says" answers "$scratch/static"
plan
