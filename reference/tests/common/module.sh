#!/bin/sh
# A module in plain shell: the handshake, readiness, health and shutdown. Its first argument says what else it does.
sha() { sha256sum | cut -c1-64; }
# Writes hex digits as bytes, each combined with $2, without a process per byte.
raw() {
    h=$1 f=
    while [ -n "$h" ]; do
        v=$((0x${h%"${h#??}"} ^ ${2:-0})) h=${h#??}
        f="$f\\0$((v / 64))$((v / 8 % 8))$((v % 8))"
    done
    printf %b "$f"
}
hmac() {
    p="$1"0000000000000000000000000000000000000000000000000000000000000000
    i=$({ raw "$p" 0x36; cat; } | sha)
    { raw "$p" 0x5c; raw "$i"; } | sha
}
say() { printf '%s\n' "$1" >&3; }

read -r key <&4
exec 4<&-
read -r l1 <&3
nonce=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
l2='{"jsonrpc":"2.0","id":1,"result":{"version":"1.0","nonce":"'$nonce'"}}'
say "$l2"
read -r l3 <&3
want=$({ printf 'partenza/1 orchestrator\n'; printf '%s\n' "$l1" "$l2"; } | hmac "$key")
case $l3 in *'"mac":"'"$want"'"'*) ;; *) exit 76 ;; esac
mac=$({ printf 'partenza/1 module\n'; printf '%s\n' "$l1" "$l2" "$l3"; } | hmac "$key")
unset key
[ "$1" = liar ] && mac=$nonce
say '{"jsonrpc":"2.0","id":2,"result":{"mac":"'$mac'"}}'
read -r l5 <&3 || exit 1

case $1 in
escape) # A grandchild that leaves the session, the parent and every signal behind.
    (setsid sh -c 'trap "" TERM HUP; echo "$$" >"$PARTENZA_RUNTIME_DIR/escaped"; while :; do sleep 1000; done' \
        3<&- &) 3<&-
    while [ ! -s "$PARTENZA_RUNTIME_DIR/escaped" ]; do :; done
    echo "escaped $(cat "$PARTENZA_RUNTIME_DIR/escaped")"
    ;;
environ) env | sort ;;
chatter) yes "a line that nobody asked for" 3<&- & ;;
flood) yes '{"jsonrpc":"2.0","method":"alive","params":{}}' >&3 & ;;
esac
say '{"jsonrpc":"2.0","method":"ready"}'
echo "serving"
while read -r line <&3; do
    id=${line#*'"id":'} id=${id%%[,\}]*}
    case $line in
    *'"method":"shutdown"'*) [ "$1" = deaf ] || { say '{"jsonrpc":"2.0","id":'"$id"',"result":{}}'; exit 0; } ;;
    *'"method":"health.check"'*) say '{"jsonrpc":"2.0","id":'"$id"',"result":{"state":"ready"}}' ;;
    esac
done
