#!/bin/sh
# Programs that some tests need and pip cannot bring: a browser, a NATS server, Node.js.
# Installed where we may (root, with apt); elsewhere those tests skip, and say what they lack.
missing=""
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
command -v nats-server >/dev/null 2>&1 || missing="$missing nats-server"
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing$missing, for the tests"
    export DEBIAN_FRONTEND=noninteractive
    # One after the other: a package that is not to be had costs its own tests only.
    apt-get update -qq >/dev/null 2>&1
    for package in $missing; do
        apt-get install -y -qq --no-install-recommends "$package" >/dev/null 2>&1 ||
            echo "$package could not be installed; tests that need it skip"
    done
else
    echo "without$missing some tests skip; on Debian: apt-get install$missing"
fi
exit 0
