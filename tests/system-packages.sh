#!/bin/sh
# Programs that some tests need and pip cannot bring: a browser, a NATS server, Node.js, curl.
# Installed as root with apt. Elsewhere, and where that fails, those tests skip and name the program.
# It ends with success in any case. PATIENCE: seconds to wait for a busy package manager.
PATIENCE=${PATIENCE:-120}
LIMIT=300 # seconds for one call of apt-get, which a dead mirror can hold up for long
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

missing=""
for pair in chromium:chromium nats-server:nats-server node:nodejs curl:curl; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "system-packages: tests that need$missing skip: there is no apt-get to install them with"
    exit 0
fi
if [ "$(id -u)" != 0 ]; then
    echo "system-packages: tests that need$missing skip: only root can install them:"
    echo "    sudo apt-get install$missing"
    exit 0
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
deadline=$(($(date +%s) + PATIENCE))
told=""

# Run apt-get, again while another process holds its locks. A failure shows apt-get's own errors.
apt() {
    while :; do
        status=0
        DEBIAN_FRONTEND=noninteractive LC_ALL=C timeout -k 10 "$LIMIT" \
            apt-get -qq "$@" >"$log" 2>&1 </dev/null || status=$?
        [ "$status" != 0 ] || return 0
        grep -qi 'could not get lock\|unable to lock\|unable to acquire the dpkg' "$log" || break
        [ "$(date +%s)" -lt "$deadline" ] || break
        [ -n "$told" ] || echo "system-packages: waiting for a busy package manager, up to $PATIENCE s"
        told=yes
        sleep 1
    done
    [ "$status" != 124 ] || echo "E: apt-get took longer than $LIMIT s" >>"$log"
    # Its errors and warnings; its last lines where it names none.
    { grep '^[EW]: \|^dpkg: ' "$log" || tail -n 15 "$log"; } | head -n 15 | sed 's/^/    /'
    return 1
}

echo "system-packages: installing$missing"
apt update || echo "system-packages: the package lists may be old: apt-get update failed"
# One after the other: a package that is not to be had costs its own tests only.
for package in $missing; do
    apt install -y --no-install-recommends "$package" ||
        echo "system-packages: $package is not installed; tests that need it skip"
done
exit 0
