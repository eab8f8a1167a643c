#!/usr/bin/env python3
"""A Partenza module in Python, standard library alone, level 0.

It owns the module's side of the contract of chapters 4.1 and 7.2: it checks that the orchestrator holds the
launch secret, proves its own, becomes ready, answers health checks and stops when asked. It refuses to speak
to an orchestrator that cannot prove itself: exit status 76.
"""
import hashlib
import hmac
import json
import os
import secrets
import signal
import socket
import sys

EX_PROTOCOL = 76


def main() -> int:
    wire = socket.socket(fileno=int(os.environ["PARTENZA_FD"]))
    secret_fd = int(os.environ["PARTENZA_SECRET_FD"])
    # The pipe is filled before the launch and its write end is closed, so this reads the whole key or nothing.
    with os.fdopen(secret_fd, "rb") as pipe:
        key = bytes.fromhex(pipe.read().decode("ascii").strip())
    lines = wire.makefile("rb")

    def send(message: dict) -> bytes:
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        wire.sendall(line)
        return line

    def mac(label: bytes, *transcript: bytes) -> str:
        return hmac.new(key, label + b"".join(transcript), hashlib.sha256).hexdigest()

    # L1 and L2: the offer and what we take of it. The raw lines are kept, because the proofs cover their bytes.
    hello = lines.readline()
    offer = json.loads(hello)
    if offer.get("method") != "hello":
        return EX_PROTOCOL
    if "1.0" not in offer["params"]["versions"]:
        error = {"code": -32001, "message": "no common version", "data": {"supported": ["1.0"]}}
        send({"jsonrpc": "2.0", "id": offer["id"], "error": error})
        return EX_PROTOCOL
    answer = send({
        "jsonrpc": "2.0",
        "id": offer["id"],
        "result": {
            "version": "1.0",
            "provides": ["example/clock@1.0"],
            "features": ["health"],
            "nonce": secrets.token_hex(32),
        },
    })

    # L3: the orchestrator proves itself first. A module never answers one that cannot.
    prove = lines.readline()
    proof = json.loads(prove)
    expected = mac(b"partenza/1 orchestrator\n", hello, answer)
    if not hmac.compare_digest(expected, proof["params"]["mac"]):
        return EX_PROTOCOL

    # L4 and L5: our own proof; then we are live.
    send({"jsonrpc": "2.0", "id": proof["id"], "result": {"mac": mac(b"partenza/1 module\n", hello, answer, prove)}})
    del key
    live = json.loads(lines.readline())
    if live.get("method") != "live":
        return EX_PROTOCOL
    print("live as", os.environ["PARTENZA_MODULE"], "generation", os.environ["PARTENZA_GENERATION"], flush=True)
    send({"jsonrpc": "2.0", "method": "ready"})

    for line in lines:
        request = json.loads(line)
        method, number = request.get("method"), request.get("id")
        if number is None:
            continue  # A notification that we do not know is ignored.
        if method == "health.check":
            send({"jsonrpc": "2.0", "id": number, "result": {"state": "ready"}})
        elif method == "shutdown":
            print("asked to stop:", request["params"]["reason"], flush=True)
            send({"jsonrpc": "2.0", "id": number, "result": {}})
            return 0
        else:
            send({"jsonrpc": "2.0", "id": number, "error": {"code": -32601, "message": "unknown method"}})
    return EX_PROTOCOL  # The orchestrator hung up without asking us to stop.


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        sys.exit(main())
    except (KeyError, ValueError, OSError) as problem:
        print("not a Partenza launch:", problem, file=sys.stderr)
        sys.exit(EX_PROTOCOL)
