#!/bin/sh
# Programs that we did not write and test against. Root installs the missing ones from Debian; others use what is there
# (their tests are skipped with the name of what is missing, and with CI=true that is a failure). With "bench" as the
# argument: what the benchmarks compare with.
set -u
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0
missing=
pairs="ip:iproute2 udhcpc:udhcpc dhcpcd:dhcpcd5 dhclient:isc-dhcp-client dhcrelay:isc-dhcp-relay atftp:atftp tftp:tftp-hpa curl:curl setpriv:util-linux nmap:nmap perfdhcp:kea-admin strace:strace openssl:openssl chromium:chromium systemd-analyze:systemd sipp:sip-tester sipsak:sipsak baresip:baresip-core nft:nftables mosquitto:mosquitto minisign:minisign xmllint:libxml2-utils"
[ "${1:-}" = bench ] && pairs="ip:iproute2 kea-dhcp4:kea-dhcp4-server dhcpd:isc-dhcp-server dnsmasq:dnsmasq-base in.tftpd:tftpd-hpa \
  nginx:nginx-light wrk:wrk gcc:gcc sipp:sip-tester"
for pair in $pairs; do
  command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
done
[ "${1:-}" = bench ] || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
if [ "${1:-}" != bench ]; then
  command -v kamailio >/dev/null || missing="$missing kamailio kamailio-utils-modules kamailio-extra-modules"
  command -v sipp >/dev/null || missing="$missing sip-tester"
  command -v baresip >/dev/null || missing="$missing baresip-core"
fi
[ -n "$missing" ] || exit 0
echo "installing:$missing"
# Debian starts the services of what it installs; a policy of 101 keeps them from doing so on the test machine.
made=
[ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; made=1; }
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >/dev/null && apt-get install -y -q --no-install-recommends $missing >/dev/null
status=$?
# A name that this release does not have must not keep the others away; what is missing then is named by its tests.
[ $status = 0 ] || for package in $missing; do apt-get install -y -q --no-install-recommends "$package" >/dev/null 2>&1; done
status=0
[ -n "$made" ] && rm -f /usr/sbin/policy-rc.d
exit $status
