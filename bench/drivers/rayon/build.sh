#!/bin/sh
# bench/drivers/rayon/build.sh SOURCE PRIVATE SPIN.c OUTPUT COMPILER... - builds the rayon driver from
# Debian's crates alone, without a network; COMPILER (with its flags) compiles the body of the tasks.
set -eu
source=$(realpath "$1") private=$2 spin=$(realpath "$3") output=$(realpath -m "$4")
shift 4

mkdir -p "$private/crate"
private=$(realpath "$private")
cp -r "$source/Cargo.toml" "$source/src" "$private/crate/"
"$@" -c "$spin" -o "$private/spin.o"
cd "$private/crate"
CARGO_HOME="$private/home" CARGO_TARGET_DIR="$private/target" \
RUSTFLAGS="-C link-arg=$private/spin.o" \
    cargo build --release --offline --quiet \
        --config 'source.crates-io.replace-with="debian"' \
        --config 'source.debian.directory="/usr/share/cargo/registry"'
cp "$private/target/release/bench-rayon" "$output"
