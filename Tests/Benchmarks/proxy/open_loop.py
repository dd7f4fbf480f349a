"""Open-loop load: requests are due at fixed times, and their latency counts from then, sent late or not.

Closed-loop tools (wrk, and hey -q, whose workers wait for their answers) send later when the server is slow, and so
hide the wait. This one has a fixed schedule and enough connections that a slow answer does not delay the next.
"""

import asyncio
import time


async def _worker(port, request, due, latencies, errors):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (moment := await due.get()) is not None:
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            await reader.readexactly(length)
            if not head.startswith(b"HTTP/1.1 200"):
                errors.append(head.split(b"\r\n")[0].decode())
            latencies.append(time.perf_counter() - moment)
        except (OSError, asyncio.IncompleteReadError, StopIteration) as error:
            errors.append(repr(error))
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()


async def _run(port, request, rate, seconds, connections):
    due, latencies, errors = asyncio.Queue(), [], []
    workers = [asyncio.create_task(_worker(port, request, due, latencies, errors)) for _ in range(connections)]
    start = time.perf_counter() + 0.2
    for number in range(int(rate * seconds)):
        moment = start + number / rate
        wait = moment - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        due.put_nowait(moment)
    for _ in workers:
        due.put_nowait(None)
    await asyncio.gather(*workers)
    return latencies, errors


def measure(port, path, body, rate=500, seconds=20, connections=64):
    request = (f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer sk-bench\r\n"
               f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body
    latencies, errors = asyncio.run(_run(port, request, rate, seconds, connections))
    latencies.sort()

    def at(share):
        return round(latencies[min(len(latencies) - 1, int(share * len(latencies)))] * 1e3, 3) if latencies else None

    return {"sent": int(rate * seconds), "ok": len(latencies), "errors": len(errors), "p50Ms": at(0.5),
            "p99Ms": at(0.99), "maxMs": at(1)}
