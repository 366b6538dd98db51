"""bench/drivers/cpython_queue.py - the peer CPython: multiprocessing.Queue from this process to another.

Speaks as driver.h says: "queue COUNT SIZE"."""
import multiprocessing
import sys
import time


def partner(queue, answers):
    while True:
        count = queue.get()
        if count == 0:
            return
        for _ in range(count):
            queue.get()
        answers.put(count)


def serve():
    queue, answers = multiprocessing.Queue(), multiprocessing.Queue()
    process = multiprocessing.Process(target=partner, args=(queue, answers), daemon=True)
    process.start()
    for line in sys.stdin:
        name, count, size, _ = line.split()
        if name != "queue":
            sys.exit(f"no such command: {name}")
        message = b"7" * int(size)
        begun = time.perf_counter_ns()
        queue.put(int(count))
        for _ in range(int(count)):
            queue.put(message)
        answers.get()
        print(time.perf_counter_ns() - begun, flush=True)
    queue.put(0)
    process.join()


if __name__ == "__main__":
    serve()
