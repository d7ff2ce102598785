# In network and mount namespaces of its own, as root: a redirected user, a gate, an API at an address.
# Arguments: folder, python, the project's root. Writes what curl got, in each state, into the folder.
set -eu
ip link set lo up
ip address add 192.0.2.1/32 dev lo
printf '127.0.0.1 localhost\n192.0.2.1 api.openai.com other.example\n' >"$1/hosts"
mount --bind "$1/hosts" /etc/hosts
mount -t tmpfs none /mnt
"$2" "$3/tests/e2e/transparent_api.py" "$1" &
api=$!
trap 'kill $api ${gate:-} 2>/dev/null || true' EXIT
while [ ! -e "$1/api.ready" ]; do sleep 0.1; done
"$2" -m callgate serve --listen 127.0.0.1:0 --console off --transparent 127.0.0.1:8443 \
  --upstream-ca "$1/api-ca.pem" ${4:-} >"$1/gate.ready" 2>"$1/gate.log" &
gate=$!
while ! grep -q '^callgate ready' "$1/gate.ready"; do kill -0 $gate; sleep 0.1; done
cat "$CALLGATE_HOME/ca/callgate-ca.pem" "$1/api-ca.pem" >/mnt/roots.pem
chmod 755 /mnt; chmod 644 /mnt/roots.pem

ask() { # NAME HOST: as a user who knows nothing of proxies
  setpriv --reuid 65534 --regid 65534 --clear-groups env -i PATH="$PATH" \
    curl -sS -m 60 --cacert /mnt/roots.pem -o /dev/null \
    -w '%{http_code} %header{callgate-mode}' "https://$2/v1/models" >"$1" 2>&1 || true
}

ask "$1/before" api.openai.com
"$3/scripts/redirect" on nobody 8443
ask "$1/gated" api.openai.com
ask "$1/other" other.example
"$2" - >"$1/quic" <<'PROGRAM'
import os
import socket

os.setgroups([])
os.setgid(65534)
os.setuid(65534)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
    udp.connect(("192.0.2.1", 443))
    try:
        udp.send(b"x")
        udp.send(b"x")
        print("sent")
    except OSError:
        print("refused")
PROGRAM
"$3/scripts/redirect" off
ask "$1/after" api.openai.com
kill $gate
wait $gate
