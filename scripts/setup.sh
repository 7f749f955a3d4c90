#!/bin/sh
# Installs what is missing for the given purposes: build, test, cluster, lint, fuzz. Quick when nothing is.
set -eu

PATH="$HOME/.cargo/bin:$PATH:/usr/sbin:/sbin"
export PATH

has() { command -v "$1" >/dev/null 2>&1; }

# Adds the package $2 to the list if there is no command $1.
packages=""
want() { has "$1" || packages="$packages $2"; }

for purpose in "$@"; do
    case "$purpose" in
    build)
        want cc gcc
        want python3 python3
        ;;
    test)
        want ip iproute2
        want iptables-nft-save iptables
        want nft nftables
        want ipset ipset
        want conntrack conntrack
        want sysctl procps
        want tcpdump tcpdump
        want unshare util-linux
        want containerd containerd
        want runc runc
        ;;
    cluster)
        want containerd containerd
        want runc runc
        want openssl openssl
        want nsenter util-linux
        ;;
    lint | fuzz) ;;
    *)
        echo "setup: no such purpose: $purpose" >&2
        exit 2
        ;;
    esac
done

if [ -n "$packages" ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "setup: not root, so left out:$packages" >&2
    elif ! has apt-get; then
        echo "setup: no apt-get; install by hand:$packages" >&2
        exit 1
    else
        echo "setup: installing$packages"
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq
        # shellcheck disable=SC2086 # a list
        apt-get install -y -qq --no-install-recommends $packages >/dev/null
    fi
fi

if ! has cargo; then
    echo "setup: no cargo; Rust is installed by rustup, see https://rustup.rs" >&2
    exit 1
fi
for component in rustfmt clippy; do
    case "$component" in
    rustfmt) cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt ;;
    clippy) cargo clippy --version >/dev/null 2>&1 || rustup component add clippy ;;
    esac
done

for purpose in "$@"; do
    case "$purpose" in
    # Without optimisation: it runs for a second, and builds for minutes less.
    lint) cargo deny --version >/dev/null 2>&1 || cargo install --quiet --locked --debug cargo-deny ;;
    fuzz) cargo fuzz --version >/dev/null 2>&1 || cargo install --quiet --locked --debug cargo-fuzz ;;
    esac
done
