# deps.sh - finds what a script needs, and installs what is missing. Sourced by run and test.
#
#     need PROGRAM DEBIAN-PACKAGE          a program in PATH
#     need_library NAME DEBIAN-PACKAGE     a library that pkg-config knows
#     need_header NAME DEBIAN-PACKAGE      a header that the C compiler finds
#     need_file PATTERN DEBIAN-PACKAGE     a file
#     wish_library NAME DEBIAN-PACKAGE     as need_library, but the build can do without
#     install_missing                      installs what the calls before it missed
#
# What is only wished for and can't be installed is tried once: $build/without-DEBIAN-PACKAGE says so.
# Nothing is missing: no network, no root, a few milliseconds.

missing=
wished=

say()
{
    printf '%s\n' "$*" >&2
}

die()
{
    say "$0: $*"
    exit 1
}

miss()
{
    case " $missing " in
    *" $1 "*) ;;
    *) missing="$missing${missing:+ }$1" ;;
    esac
}

need()
{
    command -v "$1" >/dev/null 2>&1 || miss "$2"
}

need_library()
{
    pkg-config --exists "$1" 2>/dev/null || miss "$2"
}

wish_library()
{
    pkg-config --exists "$1" 2>/dev/null || [ -e "$build/without-$2" ] ||
        wished="$wished${wished:+ }$2"
}

need_header()
{
    echo "#include <$1>" | cc -E - >/dev/null 2>&1 || miss "$2"
}

need_file()
{
    for file in $1; do
        [ ! -e "$file" ] || return 0
    done
    miss "$2"
}

# Names the packages of other systems for the Debian packages in $missing.
other_system()
{
    case " $ID $ID_LIKE " in
    *" fedora "* | *" rhel "*)
        tool='dnf install'
        table='gcc:gcc libc6-dev:glibc-devel meson:meson ninja-build:ninja-build
            pkg-config:pkgconf-pkg-config libprimesieve-dev:primesieve-devel check:check-devel
            clang:clang clang-tidy:clang-tools-extra g++:gcc-c++ python3:python3
            libclang-rt-14-dev:compiler-rt libsndfile1-dev:libsndfile-devel
            libsodium-dev:libsodium-devel spin:spin'
        ;;
    *" arch "*)
        tool='pacman -S'
        table='gcc:gcc libc6-dev:glibc meson:meson ninja-build:ninja pkg-config:pkgconf
            libprimesieve-dev:primesieve check:check clang:clang clang-tidy:clang g++:gcc
            python3:python libclang-rt-14-dev:compiler-rt libsndfile1-dev:libsndfile
            libsodium-dev:libsodium spin:spin'
        ;;
    *" suse "* | *" opensuse "*)
        tool='zypper install'
        table='gcc:gcc libc6-dev:glibc-devel meson:meson ninja-build:ninja pkg-config:pkgconf
            libprimesieve-dev:primesieve-devel check:check-devel clang:clang clang-tidy:clang-tools
            g++:gcc-c++ python3:python3 libclang-rt-14-dev:clang libsndfile1-dev:libsndfile-devel
            libsodium-dev:libsodium-devel spin:spin'
        ;;
    *" alpine "*)
        tool='apk add'
        table='gcc:gcc libc6-dev:musl-dev meson:meson ninja-build:samurai pkg-config:pkgconf
            libprimesieve-dev:primesieve-dev check:check-dev clang:clang
            clang-tidy:clang-extra-tools g++:g++ python3:python3 libclang-rt-14-dev:compiler-rt
            libsndfile1-dev:libsndfile-dev libsodium-dev:libsodium-dev'
        ;;
    *)
        say "$0: install what these Debian packages hold, then call this again:"
        say "    $missing${wished:+ $wished}"
        exit 1
        ;;
    esac
    names=
    for package in $missing $wished; do
        for pair in $table; do
            [ "${pair%%:*}" != "$package" ] || names="$names ${pair#*:}"
        done
    done
    say "$0: install these packages, then call this again:"
    say "    $tool$names"
    exit 1
}

# Goes on without what was only wished for.
do_without()
{
    mkdir -p "$build"
    for package in $wished; do
        : >"$build/without-$package"
    done
    say "going on without: $wished"
    wished=
}

# Runs one apt-get command, quietly.
apt_quietly()
{
    DEBIAN_FRONTEND=noninteractive $sudo apt-get -qq -o Acquire::Retries=3 \
        -o DPkg::Lock::Timeout=120 "$@" </dev/null >>"$log" 2>&1
}

# The same; on failure shows the end of what it said, and that is the end.
apt()
{
    apt_quietly "$@" && return
    tail -n 15 "$log" >&2
    say
    rm -f "$log"
    die "apt-get $1 failed; is there a network?"
}

install_missing()
{
    [ -n "$missing$wished" ] || return 0
    ID=unknown
    ID_LIKE=
    [ ! -r /etc/os-release ] || . /etc/os-release
    case " $ID $ID_LIKE " in
    *" debian "* | *" ubuntu "*) installer=$(command -v apt-get) || installer= ;;
    *) installer= ;;
    esac
    [ -n "$installer" ] || [ -z "$missing" ] || other_system

    sudo=
    [ "$(id -u)" -eq 0 ] || sudo=$(command -v sudo) || installer=
    if [ -z "$installer" ] && [ -z "$missing" ]; then
        do_without
        return
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if [ -z "$sudo" ]; then
            say "$0: packages are missing, and neither root nor sudo is there. Ask for:"
            say "    apt-get install --no-install-recommends $missing${wished:+ $wished}"
            exit 1
        fi
        sudo='sudo DEBIAN_FRONTEND=noninteractive'
    fi
    say "installing: $missing${missing:+${wished:+ }}$wished"
    log=$(mktemp "${TMPDIR:-/tmp}/crew-apt.XXXXXX") || exit 1
    # update succeeds without a network; then it is install that fails.
    apt_quietly update || [ -z "$missing" ] || apt update
    # shellcheck disable=SC2086 # one word for each package
    [ -z "$missing" ] || apt install -y --no-install-recommends $missing
    # shellcheck disable=SC2086
    [ -z "$wished" ] || apt_quietly install -y --no-install-recommends $wished || do_without
    rm -f "$log"
    missing=
    wished=
}
