#!/bin/sh
# Installs what the tests need from Debian when this is root on Debian; otherwise names it, and the tests that need it are skipped.
set -eu
packages="redis-server faketime chromium prometheus prometheus-alertmanager"

missing=""
for package in $packages; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "installing$missing" >&2
    # No service is started: the tests start their own servers on private sockets.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
    fi
    apt-get update -qq >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null
else
    echo "not installed:$missing (the tests that need it are skipped; on Debian: apt-get install$missing)" >&2
fi
