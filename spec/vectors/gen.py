#!/usr/bin/env python3
"""Writes the test vectors of chapters 6.1 and 7.2: `handshake.json` and `framing.json`.

Python's standard library and nothing else, so that neither an orchestrator nor its judge made the numbers by which
both are measured. The output depends on this file alone: keys and nonces are hashes of fixed texts.

    gen.py            writes both files beside itself
    gen.py --check    writes nothing, and exits 1 when a file differs from what would be written

`handshake.json`
    labels    the texts that begin the input of each MAC
    cases     complete handshakes. `l1` to `l4` are the lines as text, with their LF. The MACs are over their UTF-8
              bytes: `orchestrator_mac` over l1 l2, `module_mac` over l1 l2 l3, `session_key` over l1 l2 l3 l4.
    refusals  second and fourth lines that an orchestrator refuses. `base` names a case. An `l2` or `l4` stands in
              the place of that case's line, and `failure` says what kind of failure it is: auth, protocol or version.

`framing.json`
    split     how a byte stream becomes lines. `reads` are the bytes as they arrive, in hex; `limit` is the longest
              line with its LF. `lines` are the lines that come out, with their LF, `rest` the bytes still waiting at
              the end. With `refusal` oversize, the lines before it come out and the connection ends.
    parse     what one line means. `line` is in hex, with its LF; `depth` is the deepest nesting allowed. `refusal` is
              null, or one of utf8, json, object, duplicate, depth, batch. A line can have several faults; any of the
              names in `also` is as good a reason.
"""
import hashlib
import hmac
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
LABELS = {
    "orchestrator": "partenza/1 orchestrator\n",
    "module": "partenza/1 module\n",
    "session": "partenza/1 session\n",
}


def seed(text: str) -> bytes:
    """32 bytes that belong to a text."""
    return hashlib.sha256(b"partenza vector: " + text.encode()).digest()


def mac(key: bytes, label: str, *lines: str) -> str:
    return hmac.new(key, "".join((LABELS[label], *lines)).encode(), hashlib.sha256).hexdigest()


def compact(message: dict) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")) + "\n"


def hello(name: str, **changed) -> dict:
    """The params of a hello."""
    module = changed.get("module", "web")
    return {
        "versions": ["1.0"],
        "orchestrator": "partenza/0.1.0",
        "boot": "2b9f7d0e-5f0a-4c4e-9d52-6f1c1b3a8e01",
        "module": module,
        "generation": 1,
        "manifest": "sha256:" + seed(name + " manifest").hex(),
        "grants": [],
        "extensions": [],
        "nonce": seed(name + " orchestrator nonce").hex(),
        **changed,
    }


def handshake(name, about, l2, *, key=None, offer=None, ids=(1, 2), l4='{"jsonrpc":"2.0","id":%d,"result":{"mac":"%s"}}\n'):
    """One complete handshake. `l2` is a text in which NONCE stands for the module's nonce."""
    key = key or seed(name + " key")
    l1 = compact({"jsonrpc": "2.0", "id": ids[0], "method": "hello", "params": hello(name, **(offer or {}))})
    l2 = l2.replace("NONCE", seed(name + " module nonce").hex())
    first = mac(key, "orchestrator", l1, l2)
    l3 = compact({"jsonrpc": "2.0", "id": ids[1], "method": "prove", "params": {"mac": first}})
    second = mac(key, "module", l1, l2, l3)
    l4 = l4 % (ids[1], second)
    return {
        "name": name,
        "about": about,
        "key": key.hex(),
        "l1": l1,
        "l2": l2,
        "l3": l3,
        "l4": l4,
        "orchestrator_mac": first,
        "module_mac": second,
        "session_key": mac(key, "session", l1, l2, l3, l4),
    }


def handshakes() -> dict:
    full = (
        '{"jsonrpc":"2.0","id":1,"result":{"version":"1.0","provides":["log/basic@1.0"],"features":["health"],'
        '"extensions":[],"nonce":"NONCE"}}\n'
    )
    minimal = '{"jsonrpc":"2.0","id":1,"result":{"version":"1.0","nonce":"NONCE"}}\n'
    cases = [
        handshake("plain", "Every member is there and nothing is unusual.", full),
        handshake("minimal", "The shortest second line: absent lists are empty.", minimal),
        handshake(
            "odd-spacing",
            "Spaces, a tab, a carriage return and another order of members: the MAC is over the bytes as they came.",
            ' { "result" : {\t"nonce" : "NONCE" ,  "version":"1.0" } , "id" : 1 , "jsonrpc" : "2.0" }  \r\n',
            l4='{"id":%d,"jsonrpc":"2.0",  "result": {"mac": "%s"} }\r\n',
        ),
        handshake(
            "non-ascii",
            "Text beyond ASCII in both lines, raw and escaped: the MAC is over the UTF-8 bytes and over the escapes.",
            '{"jsonrpc":"2.0","id":1,"result":{"version":"1.0","nonce":"NONCE","x-motto":"pronto — 準備完了 \\u00e9"}}\n',
            offer={"orchestrator": "partença/0.1.0", "grants": ["journal/größe"]},
        ),
        handshake(
            "third-generation",
            "A later launch of the same boot: another key, another nonce, another proof.",
            full,
            offer={"generation": 3},
        ),
        handshake(
            "two-versions",
            "The orchestrator offers two versions and the module takes the older one.",
            minimal,
            offer={"versions": ["1.1", "1.0"], "extensions": ["journal/structured@1.0"], "grants": ["registry.lookup"]},
        ),
        handshake(
            "unknown-members",
            "Members of a later edition in both lines are ignored and covered by the proofs.",
            '{"jsonrpc":"2.0","id":1,"result":{"version":"1.0","nonce":"NONCE","later":{"a":[1,2.5,true,null]}}}\n',
            offer={"later": [{"b": "c"}]},
        ),
        handshake(
            "key-of-zeros",
            "A key of 32 zero bytes: every byte of a key counts, also the zero.",
            minimal,
            key=bytes(32),
            offer={"module": "a"},
        ),
        handshake(
            "high-key-and-ids",
            "A key of 32 bytes 0xff, and the largest ids that a request can have.",
            minimal.replace('"id":1,', '"id":2147483646,'),
            key=b"\xff" * 32,
            ids=(2147483646, 2147483647),
            offer={"module": "m" * 64, "generation": 4294967295},
        ),
    ]
    plain = cases[0]
    key = bytes.fromhex(plain["key"])

    def l4(proof) -> str:
        return compact({"jsonrpc": "2.0", "id": 2, "result": proof})

    def l2(**result) -> str:
        honest = {"version": "1.0", "nonce": seed("plain module nonce").hex()}
        return compact({"jsonrpc": "2.0", "id": 1, "result": {**honest, **result}})

    other = mac(seed("another key"), "module", plain["l1"], plain["l2"], plain["l3"])
    swapped = mac(key, "orchestrator", plain["l1"], plain["l2"], plain["l3"])
    without = mac(key, "module", plain["l1"], plain["l2"])
    stripped = mac(key, "module", *(plain[n].rstrip("\n") for n in ("l1", "l2", "l3")))
    lines = [
        ("wrong-key", "The proof was made with another key.", l4({"mac": other}), "auth"),
        ("reflected", "The orchestrator's own proof comes back.", l4({"mac": plain["orchestrator_mac"]}), "auth"),
        ("wrong-label", "The right lines under the orchestrator's label.", l4({"mac": swapped}), "auth"),
        ("shorter-transcript", "The third line is not in the proof.", l4({"mac": without}), "auth"),
        ("without-line-feeds", "The lines are in the proof without their LF.", l4({"mac": stripped}), "auth"),
        ("truncated", "The first half of the right proof.", l4({"mac": plain["module_mac"][:32]}), "auth"),
        ("upper-case", "The right proof in upper case.", l4({"mac": plain["module_mac"].upper()}), "auth"),
        ("empty", "An empty text for a proof.", l4({"mac": ""}), "auth"),
        ("missing", "A result without a proof.", l4({}), "auth"),
        ("not-text", "A number for a proof.", l4({"mac": 0}), "auth"),
        ("wrong-id", "The right proof as the reply to another request.", plain["l4"].replace('"id":2', '"id":1'), "protocol"),
        ("error-reply", "An error where the proof belongs.",
         compact({"jsonrpc": "2.0", "id": 2, "error": {"code": -32603, "message": "no"}}), "protocol"),
    ]
    seconds = [
        ("own-nonce", "The module sends the orchestrator's nonce back.", l2(nonce=hello("plain")["nonce"]), "protocol"),
        ("short-nonce", "A nonce of 31 bytes.", l2(nonce="ab" * 31), "protocol"),
        ("upper-case-nonce", "A nonce in upper case.", l2(nonce=seed("plain module nonce").hex().upper()), "protocol"),
        ("version-not-offered", "The module takes a version that was not offered.", l2(version="2.0"), "version"),
        ("no-common-version", "The module says that it supports none of them.", compact({"jsonrpc": "2.0", "id": 1, "error": {
            "code": -32001, "message": "no common version", "data": {"supported": ["2.0"]}}}), "version"),
    ]
    refusals = [{"name": n, "about": a, "base": "plain", "l2": line, "failure": f} for n, a, line, f in seconds]
    refusals += [{"name": n, "about": a, "base": "plain", "l4": line, "failure": f} for n, a, line, f in lines]
    return {"format": 1, "labels": LABELS, "cases": cases, "refusals": refusals}


def split(reads, limit):
    """The lines of a stream, and what is left or refused."""
    lines, rest = [], b""
    for read in reads:
        rest += read
        while True:
            end = rest.find(b"\n")
            # A line without its end that already fills the limit can only become too long.
            if end >= limit or (end < 0 and len(rest) >= limit):
                return lines, b"", "oversize"
            if end < 0:
                break
            lines.append(rest[: end + 1])
            rest = rest[end + 1 :]
    return lines, rest, None


def splits() -> list:
    a, b = b'{"a":1}\n', b'{"b":2}\n'

    def padded(size: int) -> bytes:
        """A valid line of exactly this many bytes."""
        return b'{"p":"' + b"x" * (size - 9) + b'"}\n'

    umlaut = '{"ü":1}\n'.encode()
    cases = [
        ("one-line", "One line in one read.", 4096, [a]),
        ("two-lines-in-one-read", "Two lines that arrive together are two lines.", 4096, [a + b]),
        ("bytewise", "A line that arrives byte by byte is one line.", 4096, [a[i : i + 1] for i in range(len(a))]),
        ("split-between-lines", "The end of one line and the start of the next arrive together.", 4096, [a[:3], a[3:] + b[:2], b[2:]]),
        ("partial", "A line without its LF is not a line yet.", 4096, [a, b[:-1]]),
        ("split-inside-a-character", "A read may end in the middle of a character.", 4096, [umlaut[:3], umlaut[3:]]),
        ("carriage-return", "CR is part of the line: JSON counts it as spacing.", 4096, [b'{"a":1}\r\n' + b]),
        ("carriage-return-alone", "CR ends no line.", 4096, [b'{"a":1}\r{"b":2}\n']),
        ("empty-line", "An LF alone is a line of one byte; parsing refuses it.", 4096, [b"\n" + a]),
        ("nul", "A NUL byte ends no line; parsing refuses it.", 4096, [b'{"a":\x00}\n' + a]),
        ("exactly-the-limit", "A line of 4096 bytes with its LF fits.", 4096, [padded(4096)]),
        ("one-too-long", "A line of 4097 bytes does not.", 4096, [padded(4097)]),
        ("limit-without-end", "4096 bytes without an LF are refused at once, without waiting for more.", 4096, [b"x" * 4096]),
        ("below-limit-without-end", "4095 bytes without an LF may still become a line.", 4096, [b"x" * 4095]),
        ("good-line-then-oversize", "What came before an oversize line still counts.", 64, [a, padded(65)]),
        ("many-reads-oversize", "The limit holds over reads.", 16, [b"0123456", b"789abcd", b"ef\n"]),
        ("limit-is-per-line", "Many short lines may be longer than the limit together.", 16, [a + b + a + b]),
    ]
    out = []
    for name, about, limit, reads in cases:
        lines, rest, refusal = split(reads, limit)
        out.append({
            "name": name,
            "about": about,
            "limit": limit,
            "reads": [r.hex() for r in reads],
            "lines": [line.hex() for line in lines],
            "rest": rest.hex(),
            "refusal": refusal,
        })
    return out


def parses() -> list:
    def nested(depth: int, opening="[", closing="]") -> str:
        """A message whose deepest value is `depth` deep: the message is 1, its params are 2."""
        return ('{"jsonrpc":"2.0","method":"log","params":{"p":%s0%s}}\n' % (opening * (depth - 2), closing * (depth - 2)))

    note = '{"jsonrpc":"2.0","method":"alive","params":{}}'
    cases = [
        ("notification", "A notification.", note + "\n", None),
        ("spacing", "Spaces, tabs and CR between the parts mean nothing.", '\t{ "jsonrpc":"2.0" ,"method": "alive" }\r\n', None),
        ("any-order", "Members may come in any order.", '{"params":{},"method":"alive","jsonrpc":"2.0"}\n', None),
        ("escaped-line-feed", "An escaped LF is text and ends nothing.", '{"jsonrpc":"2.0","method":"log","params":{"level":"info","message":"a\\nb"}}\n', None),
        ("escaped-nul", "An escaped NUL is text.", '{"jsonrpc":"2.0","method":"log","params":{"level":"info","message":"\\u0000"}}\n', None),
        ("same-name-at-two-depths", "The same name in two objects is no duplicate.", '{"jsonrpc":"2.0","method":"log","params":{"params":{"params":1}}}\n', None),
        ("depth-16", "Sixteen deep is allowed.", nested(16), None),
        ("depth-16-objects", "Objects and arrays count alike.", nested(16, '{"o":', "}"), None),
        ("brackets-in-text", "Brackets inside a text do not nest.", '{"jsonrpc":"2.0","method":"log","params":{"p":"%s"}}\n' % ("[{" * 20), None),
        ("depth-17", "Seventeen deep is not.", nested(17), "depth"),
        ("depth-17-objects", "Nor is it with objects.", nested(17, '{"o":', "}"), "depth"),
        ("depth-1000", "However deep: refused, and nothing overflows.", nested(1000), "depth", "json"),
        ("duplicate-member", "The same name twice in one object.", '{"jsonrpc":"2.0","method":"alive","method":"log"}\n', "duplicate"),
        ("duplicate-by-escape", "The same name twice, once escaped.", '{"jsonrpc":"2.0","method":"alive","\\u006dethod":"log"}\n', "duplicate"),
        ("duplicate-inside", "The same name twice, further in.", '{"jsonrpc":"2.0","method":"log","params":{"a":{"b":1,"b":1}}}\n', "duplicate"),
        ("batch", "An array of messages.", "[" + note + "]\n", "batch", "object"),
        ("empty-batch", "An array of none.", "[]\n", "batch", "object"),
        ("text", "A JSON text that is no object.", '"alive"\n', "object"),
        ("null", "null is no object.", "null\n", "object"),
        ("empty", "A line of nothing.", "\n", "json"),
        ("two-values", "Two messages on one line.", note + note + "\n", "json"),
        ("trailing-comma", "A comma too many.", '{"jsonrpc":"2.0","method":"alive",}\n', "json"),
        ("truncated", "A message without its end.", note[:-1] + "\n", "json"),
        ("comment", "A comment.", note + "//\n", "json"),
        ("not-a-number", "NaN is no JSON.", '{"jsonrpc":"2.0","method":"extend","params":{"ms":NaN}}\n', "json"),
        ("single-quotes", "Single quotes are no JSON.", "{'jsonrpc':'2.0','method':'alive'}\n", "json"),
        ("byte-order-mark", "A byte order mark before the message.", "\ufeff" + note + "\n", "json"),
        ("raw-tab-in-text", "A raw control character inside a text.", '{"jsonrpc":"2.0","method":"a\tb"}\n', "json"),
        ("lone-surrogate", "Half a surrogate pair stands for no character.", '{"jsonrpc":"2.0","method":"log","params":{"message":"\\ud800"}}\n', "json", "utf8"),
        ("raw-nul", "A raw NUL.", note[:-1] + "\x00}\n", "json"),
        ("raw-nul-in-text", "A raw NUL inside a text.", '{"jsonrpc":"2.0","method":"a\x00b"}\n', "json"),
        ("invalid-utf8", "A byte that UTF-8 never uses.", b'{"jsonrpc":"2.0","method":"\xff"}\n', "utf8", "json"),
        ("overlong-utf8", "A slash written with two bytes.", b'{"jsonrpc":"2.0","method":"\xc0\xaf"}\n', "utf8", "json"),
        ("utf8-surrogate", "A surrogate written as UTF-8.", b'{"jsonrpc":"2.0","method":"\xed\xa0\x80"}\n', "utf8", "json"),
        ("truncated-utf8", "A character without its last byte.", b'{"jsonrpc":"2.0","method":"\xe2\x82"}\n', "utf8", "json"),
    ]
    out = []
    for name, about, line, refusal, *also in cases:
        data = line if isinstance(line, bytes) else line.encode()
        out.append({"name": name, "about": about, "depth": 16, "line": data.hex(), "refusal": refusal, "also": also})
    return out


def main() -> int:
    files = {"handshake.json": handshakes(), "framing.json": {"format": 1, "split": splits(), "parse": parses()}}
    texts = {name: json.dumps(content, ensure_ascii=False, indent=1) + "\n" for name, content in files.items()}
    if sys.argv[1:] == ["--check"]:
        stale = [n for n, text in texts.items() if not (HERE / n).is_file() or (HERE / n).read_bytes() != text.encode()]
        for name in stale:
            print(f"{name} is not what gen.py writes: run it and commit the result", file=sys.stderr)
        return 1 if stale else 0
    if sys.argv[1:]:
        print(__doc__, file=sys.stderr)
        return 64
    for name, text in texts.items():
        (HERE / name).write_bytes(text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
