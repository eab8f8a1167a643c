#!/bin/sh
# A Partenza module in plain POSIX sh, level 0.
#
# It owns the module's side of the contract of chapters 4.1 and 7.2. The HMAC is built from SHA-256 with the printf
# builtin, because tools that take a key as an argument show it to every user in /proc. It needs od, tr, cut and
# sed, and one of sha256sum and openssl. It refuses an orchestrator that cannot prove itself: exit status 76.
set -u
exec 2>&1

fd=${PARTENZA_FD:?} secret_fd=${PARTENZA_SECRET_FD:?}
# POSIX shells redirect single-digit descriptors only, and the numbers come from the environment.
eval "send() { printf '%s\n' \"\$1\" >&$fd; }"
eval "receive() { IFS= read -r line <&$fd; }"
eval "IFS= read -r key <&$secret_fd; exec $secret_fd<&-"

if command -v sha256sum >/dev/null 2>&1; then sha() { sha256sum | cut -c1-64; }
else sha() { openssl dgst -sha256 -r | cut -c1-64; }
fi

# raw HEX [MASK]: the bytes of HEX, each xored with MASK, without a fork and without an argument vector.
raw() {
    h=$1 out=
    while [ -n "$h" ]; do
        byte=$((0x${h%"${h#??}"} ^ ${2:-0})) h=${h#??}
        out="$out\\0$((byte / 64))$((byte / 8 % 8))$((byte % 8))"
    done
    printf %b "$out"
}

# hmac KEY: HMAC-SHA256 of standard input under a 32-byte key in hex.
hmac() {
    padded="$1"0000000000000000000000000000000000000000000000000000000000000000
    inner=$( { raw "$padded" 0x36; cat; } | sha )
    { raw "$padded" 0x5c; raw "$inner"; } | sha
}

# field NAME LINE: the value of a member whose value holds no comma, brace or quote.
field() { printf '%s\n' "$2" | sed -n "s/.*\"$1\":\"\{0,1\}\([^,}\"]*\).*/\1/p"; }

receive || exit 76
l1=$line
case $l1 in *'"method":"hello"'*) ;; *) exit 76 ;; esac
nonce=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
l2='{"jsonrpc":"2.0","id":'$(field id "$l1")',"result":{"version":"1.0","features":["health"],"nonce":"'$nonce'"}}'
send "$l2"

receive || exit 76
l3=$line
want=$( { printf 'partenza/1 orchestrator\n'; printf '%s\n' "$l1" "$l2"; } | hmac "$key")
case $l3 in *'"mac":"'"$want"'"'*) ;; *) echo "the orchestrator does not hold the launch secret"; exit 76 ;; esac
mac=$( { printf 'partenza/1 module\n'; printf '%s\n' "$l1" "$l2" "$l3"; } | hmac "$key")
unset key
send '{"jsonrpc":"2.0","id":'"$(field id "$l3")"',"result":{"mac":"'"$mac"'"}}'

receive || exit 76
case $line in *'"method":"live"'*) ;; *) exit 76 ;; esac
echo "live as $PARTENZA_MODULE generation $PARTENZA_GENERATION"
send '{"jsonrpc":"2.0","method":"ready"}'

while receive; do
    id=$(field id "$line")
    case $line in
    *'"method":"health.check"'*) send '{"jsonrpc":"2.0","id":'"$id"',"result":{"state":"ready"}}' ;;
    *'"method":"shutdown"'*)
        echo "asked to stop: $(field reason "$line")"
        send '{"jsonrpc":"2.0","id":'"$id"',"result":{}}'
        exit 0 ;;
    *'"id":'*) send '{"jsonrpc":"2.0","id":'"$id"',"error":{"code":-32601,"message":"unknown method"}}' ;;
    esac
done
exit 76
