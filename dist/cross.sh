# Tools for other platforms, for tests/targets/run and dist/make; to be sourced. `$work` is a folder to write to.
# `$target` is cargo's target folder.
# shellcheck shell=bash

# Whether a command is there, or can be installed as one of these Debian packages.
has() {
    local command=$1
    shift
    command -v "$command" > /dev/null && return
    [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null || return 1
    { apt-get install -y -qq "$@" || { apt-get update -qq && apt-get install -y -qq "$@"; }; } > "$work/apt.log" 2>&1
    command -v "$command" > /dev/null
}

# Whether the standard library of a target is there or can be had.
has_target() {
    [ -d "$(rustc --print sysroot)/lib/rustlib/$1/lib" ] ||
        { command -v rustup > /dev/null && rustup target add "$1" > "$work/rustup.log" 2>&1; }
}

# Finds zig, the C compiler for every target but Windows and this machine's own: sets `$zig`.
has_zig() {
    [ -z "${zig:-}" ] || return 0
    for zig in "${ZIG:-zig}" 'python3 -m ziglang' "env PYTHONPATH=$work/zig python3 -m ziglang"; do
        [[ $zig != env* ]] ||
            pip install --quiet --disable-pip-version-check --target "$work/zig" ziglang > "$work/pip.log" 2>&1 || true
        if $zig version > /dev/null 2>&1; then return 0; fi
    done
    zig=
    return 1
}

# Lets cargo build for a target of Linux with musl, or check for one of macOS. zig knows other names for targets than
# cc, by whose names it is called. Rust brings musl's start files and library along, and its own linker binds them.
with_zig() {
    local rust=$1 zigs upper
    case $rust in
        armv7-*) zigs=arm-linux-musleabihf ;;
        riscv64gc-*) zigs=riscv64-linux-musl ;;
        *-apple-darwin) zigs=${rust%%-*}-macos ;;
        *) zigs=${rust%%-*}-linux-musl ;;
    esac
    # In one place, so that a build goes on from the last.
    local tools=$target/cross
    mkdir -p "$tools"
    # Without -fno-sanitize, zig checks for undefined behavior where it does not optimize.
    cat > "$tools/cc-$rust" <<CC
#!/bin/sh
skip=
for word do
  shift
  case \$skip\$word in
    --target=* | skip*) skip= ;;
    -arch) skip=skip ;;
    *) set -- "\$@" "\$word" ;;
  esac
done
exec $zig cc -target $zigs "\$@" -fno-sanitize=undefined
CC
    printf '#!/bin/sh\nexec %s ar "$@"\n' "$zig" > "$tools/ar"
    chmod +x "$tools/cc-$rust" "$tools/ar"
    export "CC_${rust//-/_}=$tools/cc-$rust" "AR_${rust//-/_}=$tools/ar"
    upper=$(tr 'a-z-' 'A-Z_' <<< "$rust")
    [[ $rust = *-apple-darwin ]] || export "CARGO_TARGET_${upper}_LINKER=rust-lld"
}
