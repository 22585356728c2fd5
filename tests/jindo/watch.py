"""A dashboard in Python, on nats-py alone: watches the bucket and asks the service. Prints a JSON line for each thing it learns.

    watch.py URL DASHBOARD_SEED_FILE
"""
import asyncio, json, sys

import nats


async def main(url, seed_file):
    seed = open(seed_file).read().strip()
    client = await nats.connect(url, nkeys_seed_str=seed, max_reconnect_attempts=-1)
    bucket = await client.jetstream().key_value("PROGRESS")
    watcher = await bucket.watchall()
    print(json.dumps({"watching": True}), flush=True)

    async def ask():
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            subject, question = line.rstrip("\n").split(" ", 1)
            answer = await client.request(subject, question.encode(), timeout=30)
            code = (answer.headers or {}).get("Nats-Service-Error-Code")
            print(json.dumps({"answer": answer.data.decode(), "code": code}), flush=True)

    asking = asyncio.create_task(ask())
    while not asking.done():
        try:
            update = await watcher.updates(timeout=1)
        except nats.errors.TimeoutError:
            continue
        if update is not None:
            # As text: Python would round its numbers.
            print(json.dumps({"key": update.key, "value": update.value.decode()}), flush=True)
    await client.close()


asyncio.run(main(*sys.argv[1:]))
