"""Holds thousands of connections to an HTTP server open and is no client to be proud of.

siege.py HOST PORT CONNECTIONS: a third say nothing, a third drip a request head, a third drip a request body, a byte a second.
Whoever is cut off comes back five seconds later. Says "ready" once each of them was begun, and what happened so far, as JSON, for each line on
its standard input; ends with it.
"""

import errno
import json
import os
import resource
import selectors
import socket
import sys
import time

HEAD = b"GET /v1/indicators HTTP/1.1\r\nHost: ledger\r\nX-Drip: "
BODY = (
    b"POST /v1/reports HTTP/1.1\r\nHost: ledger\r\nContent-Type: application/cloudevents+json\r\n"
    b"Content-Length: 50000\r\n\r\n"
)
host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
selector = selectors.DefaultSelector()
told = {"opened": 0, "cut off": 0, "answered": 0, "refused by the system": 0, "held at most": 0}
held = 0
coming_back = []
dripping = []


def begin(kind):
    client = socket.socket()
    client.setblocking(False)
    outcome = client.connect_ex((host, port))
    if outcome not in (0, errno.EINPROGRESS):
        told["refused by the system"] += 1
        client.close()
        coming_back.append((time.monotonic() + 5, kind))
        return
    selector.register(client, selectors.EVENT_WRITE, [kind, False])


def opened(client, state):
    global held
    state[1] = True
    held += 1
    told["opened"] += 1
    told["held at most"] = max(told["held at most"], held)
    selector.modify(client, selectors.EVENT_READ, state)
    if state[0] != 0:
        client.send(HEAD if state[0] == 1 else BODY)
        dripping.append(client)


def ended(client, state):
    global held
    selector.unregister(client)
    client.close()
    if state[1]:
        held -= 1
        told["cut off"] += 1
    coming_back.append((time.monotonic() + 5, state[0]))


def ready(client, state):
    try:
        if not state[1]:
            failed = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            return ended(client, state) if failed else opened(client, state)
        if client.recv(65536):
            told["answered"] += 1
        else:
            ended(client, state)
    except OSError:
        ended(client, state)


def drip():
    global dripping
    still = []
    for client in dripping:
        try:
            client.send(b"x")
            still.append(client)
        except OSError:
            # Gone, or its bytes are not taken: the selector tells which.
            if client.fileno() >= 0:
                still.append(client)
    dripping = still


for number in range(count):
    begin(number % 3)
os.set_blocking(0, False)
selector.register(0, selectors.EVENT_READ, None)
print("ready", flush=True)
last = time.monotonic()
while True:
    for key, _ in selector.select(0.1):
        if key.data is None:
            if not os.read(0, 4096):
                sys.exit(0)
            print(json.dumps({**told, "held": held}), flush=True)
        else:
            ready(key.fileobj, key.data)
    now = time.monotonic()
    back = [kind for due, kind in coming_back if due <= now]
    coming_back = [(due, kind) for due, kind in coming_back if due > now]
    for kind in back:
        begin(kind)
    if now - last >= 1:
        last = now
        drip()
