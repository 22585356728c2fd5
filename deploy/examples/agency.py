#!/usr/bin/env python3
"""An agency in Python: signs one event and publishes it. `pip install -r deploy/examples/requirements.txt`, then

    python3 agency.py nats://127.0.0.1:4222 keco.nk jindo.local/motie-2026 keco \
        charger.installed.v1 '{"region": "11", "class": "fast", "count": 12}'

The key file holds one NKey seed (`jindo keygen`), mode 0600. Beside it, `<key file>.chain` keeps the key's last number
and signature: every report names the one before it, so nobody can drop one unseen. One process per key: never a key that `jindo report` or another program signs with. A report
without an acknowledgement may be stored or not: ask `jindo.status` by the printed SHA-256 before sending it again.
"""
import asyncio, base64, datetime, fcntl, hashlib, json, os, stat, sys, uuid

import nats  # PyPI: nats-py
import nkeys  # PyPI: nkeys, on PyNaCl


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(pair, claims: dict) -> str:
    """A compact JWS (RFC 7515) with EdDSA."""
    header = {"alg": "EdDSA", "kid": pair.public_key.decode()}
    text = ".".join(b64(json.dumps(part, ensure_ascii=False).encode()) for part in (header, claims))
    return text + "." + b64(pair.sign(text.encode()))


async def main(url, key_file, origin, agency, kind, data):
    if stat.S_IMODE(os.stat(key_file).st_mode) != 0o600:
        sys.exit(f"{key_file} can be read by others: chmod 600 {key_file}")
    seed = open(key_file, "rb").read().strip()
    pair = nkeys.from_seed(bytearray(seed))
    chain_file = open(key_file + ".chain", "a+")
    fcntl.flock(chain_file, fcntl.LOCK_EX)
    chain_file.seek(0)
    chain = json.loads(chain_file.read() or '{"seq": 0}')
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    event = {"specversion": "1.0", "id": str(uuid.uuid4()), "source": f"/agencies/{agency}", "type": kind, "time": now,
             "datacontenttype": "application/json", "data": json.loads(data)}
    body = json.dumps(event, ensure_ascii=False).encode()
    subject, content_type = f"ledger.report.{agency}.{kind}", "application/cloudevents+json"
    claims = {"aud": origin, "sub": subject, "cty": content_type, "sha256": hashlib.sha256(body).hexdigest(),
              "seq": chain["seq"] + 1, "reported": now} | ({"prev": chain["prev"]} if "prev" in chain else {})
    jws = sign(pair, claims)
    digest = hashlib.sha256(jws.encode()).hexdigest()
    client = await nats.connect(url, nkeys_seed_str=seed.decode(), inbox_prefix=f"_INBOX_{agency}".encode())
    chain_file.truncate(0)  # before it is sent: a number is never given twice
    chain_file.write(json.dumps({"seq": claims["seq"], "prev": digest}))
    chain_file.flush(), os.fsync(chain_file.fileno())
    headers = {"Ledger-Signature": jws, "Content-Type": content_type}
    ack = await client.jetstream().publish(subject, body, headers=headers)
    print(json.dumps({"stream": ack.stream, "sequence": ack.seq, "id": event["id"], "sha256": digest}))
    await client.close()


if __name__ == "__main__":
    sys.exit(__doc__) if len(sys.argv) != 7 else asyncio.run(main(*sys.argv[1:]))
