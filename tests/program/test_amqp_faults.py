#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""RabbitMQ in trouble: kills, restarts, cut, reset and silent connections, alarms. Whatever happens, every message that
was in the input is in the output (at least once), or dead, or still in the input.

AMQP_SEED changes the moments, AMQP_ITEMS the number of messages; AMQP_HEAVY=1 also kills the broker itself.
"""
import itertools
import json
import os
import pathlib
import random
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "servers"))
from amqp import Client
from program import end, leat, run_tests, start
from proxy import Proxy
from rabbitmq import Broker

BROKER = Broker()
SEED = int(os.environ.get("AMQP_SEED", "20240229"))
ITEMS = int(os.environ.get("AMQP_ITEMS", "3000"))
KILLS = 20
CONFIRM_SELECT_OK = b"\0\x55\0\x0b"  # the last answer of a sink's start
MATCH = ("match", "-f", ".t", r"m=\w+@\w+\.\w+")


def connect():
    return Client(BROKER.port)


def body(number):
    return b'{"n":%d,"t":"x%d@example.org"}' % (number, number)


def number_of(message):
    item = json.loads(message.body)
    assert item == {"n": item["n"], "t": f"x{item['n']}@example.org", "m": [f"x{item['n']}@example.org"]}, item
    return item["n"]


def fill(client, kind, count=ITEMS):
    for queue in ("in", "out"):
        client.declare(queue, x_queue_type=kind)
        client.purge(queue)
    client.publish("in", map(body, range(count)))


def complete(client, count=ITEMS, found=(), lost=False):
    """All of them in the output, or taken from there before; none in the input. `lost`: a connection or the program ended
    without a word, so what is in the output may be in the input again. Returns how many are in the output twice."""
    found = [*found, *map(number_of, client.drain("out"))]
    missing = set(range(count)) - set(found)
    assert not missing, f"{len(missing)} are lost, such as {sorted(missing)[:10]}"
    assert set(found) == set(range(count))
    again = client.left("in")
    assert lost or not again, f"{len(again)} are in the input again"
    assert {json.loads(message.body)["n"] for message in again} <= set(found)
    for queue in ("in", "out"):
        client.delete(queue)
    return len(found) - count


def wait_for(condition, what="waited for too long"):
    end_of_patience = time.monotonic() + 100
    while not condition():
        assert time.monotonic() < end_of_patience, what
        time.sleep(0.02)


def url(proxy):
    return f"amqp://guest@127.0.0.1:{proxy.port}/?queue="


def test_kill():
    """kill -9 at 20 random moments: every message is in the output"""
    generator = random.Random(SEED)
    with connect() as client:
        fill(client, "quorum", 6000)
        words = ("amqp:in", ":", "rate", "2k/s", ":", *MATCH, ":", "amqp:out", "-j", 2)
        for kill in range(KILLS):
            process, before = start(*words), client.ready("out")
            if kill % 4:  # some die before they are connected
                wait_for(lambda: client.ready("out") > before or process.poll() is not None)
            time.sleep(generator.random() * 0.1)
            process.kill()
            run = end(process)
            assert run.code == -signal.SIGKILL, f"kill {kill} came too late: {run}"
        leat("amqp:in", ":", *MATCH, ":", "amqp:out").check(0)
        print(f"# {complete(client, 6000, lost=True)} delivered again after {KILLS} kills")


def trouble(which, make_trouble, kind="quorum", more=()):
    """A run with a proxy at one end (or both), into which trouble comes; then it must end by itself."""
    proxy = Proxy(BROKER.port)
    with connect() as client:
        fill(client, kind)
        source = url(proxy) + "in" if "source" in which else "amqp:in"
        sink = url(proxy) + "out" if "sink" in which else "amqp:out"
        process = start(source, *more, ":", "rate", "2k/s", ":", *MATCH, ":", sink, *more, "-v", "--batch", 100)
        wait_for(lambda: client.ready("out") > ITEMS // 10)
        make_trouble(proxy)
        run = end(process, 150).check(0)
        twice = complete(client, lost=True)
        print(f"# {which}: {twice} delivered again")
    proxy.close()
    return run


def test_cut():
    """connections that are closed or reset in mid-run, at either end, are made again; nothing is lost"""
    for which in ("source", "sink", "source and sink"):
        for reset in (False, True):
            run = trouble(which, lambda proxy: proxy.cut(reset))
            assert run.err.count("reconnects 1") == which.count("s") - which.count("sink and"), run
            assert run.err.count("; trying again for 60 s\n") == run.err.count(": connected again\n") == which.count(" and ") + 1, run


def test_silence():
    """a server that goes silent without closing is found out by its missing heartbeats"""
    def fall_silent(proxy):
        proxy.silent = True
        before = proxy.connections
        proxy.refuse = False
        wait_for(lambda: proxy.connections > before)
        proxy.silent = False

    for which in ("source", "sink"):
        run = trouble(which, fall_silent, more=("--heartbeat", "1s", "--connect-timeout", "1s"))
        assert "reconnects 0, blocked" not in run.err or which == "source", run


def test_give_up():
    """a server that stays away: the run ends within --reconnect, says so, and what was not delivered is in the queue"""
    for which in ("source", "sink"):
        proxy = Proxy(BROKER.port)
        with connect() as client:
            fill(client, "classic")
            source = url(proxy) + "in" if which == "source" else "amqp:in"
            sink = url(proxy) + "out" if which == "sink" else "amqp:out"
            process = start(source, "--reconnect", "500ms", ":", "rate", "2k/s", ":", *MATCH, ":", sink, "--reconnect",
                            "500ms", "--batch", 100)
            wait_for(lambda: client.ready("out") > ITEMS // 10)
            proxy.refuse = True
            proxy.cut()
            run = end(process).check(1, "gave up after")
            wait_for(lambda: client.ready("in") > 0)
            leat("amqp:in", ":", *MATCH, ":", "amqp:out").check(0)
            complete(client, lost=True)
            assert run.counts["delivered"] < ITEMS, run
        proxy.close()


def test_ended_at_once():
    """a server that ends every connection once it is made: the attempts become rarer all the same"""
    proxy = Proxy(BROKER.port, last=CONFIRM_SELECT_OK)
    with connect() as client:
        client.declare("out")
        run = leat("gen:?count=10", ":", url(proxy) + "out&reconnect=3s", "-q").check(1, "gave up after 3 s")
        assert 1 <= proxy.connections <= 12, f"{proxy.connections} connections: {run}"
        assert run.err.count("\n") == 1, f"-q, and yet it tells of each loss: {run}"
        client.delete("out")
    proxy.close()


def test_dead_end_gives_up():
    """a dead end whose server stays away: the run ends, and what it could not take is returned, not lost"""
    proxy = Proxy(BROKER.port)
    with connect() as client:
        client.declare("dead")
        client.declare("in")
        client.publish("in", [b"1"])
        process = start("amqp:in", ":", "match", "-f", ".t", "m=x", ":", "null:", "--forever", "--dead",
                        url(proxy) + "dead&reconnect=300ms", "--errors", "errors")
        wait_for(lambda: client.ready("dead") == 1)
        proxy.refuse = True
        proxy.cut()
        client.publish("in", [b"2", b"3"])
        run = end(process).check(1, "gave up after").balanced()
        # The first one, too, may have been waiting for its confirmation still.
        assert run.counts["failed"] <= 1 and run.counts["delivered"] == 0, run
        wait_for(lambda: client.ready("in") == 3 - run.counts["failed"])
        client.delete("in")
        client.delete("dead")
    proxy.close()


def test_pieces():
    """frames that arrive in pieces of any size, and several at once"""
    generator = random.Random(SEED)
    for pieces in (itertools.repeat(1), itertools.repeat(7), iter(lambda: generator.randrange(1, 5000), 0)):
        proxy = Proxy(BROKER.port, pieces)
        with connect() as client:
            fill(client, "classic", 60)
            leat(url(proxy) + "in", ":", *MATCH, ":", url(proxy) + "out").check(0).counted(delivered=60)
            assert complete(client, 60) == 0
        proxy.close()


def test_alarm():
    """the server's memory alarm stops publishing and nothing else; when it is over the run goes on"""
    with connect() as client:
        fill(client, "classic")
        BROKER.ctl("set_vm_memory_high_watermark", "0.00001")
        process = start("amqp:in", ":", *MATCH, ":", "amqp:out")
        wait_for(lambda: "blocked" in BROKER.ctl("list_connections", "state").split())
        assert process.poll() is None and client.ready("out") < ITEMS
        BROKER.ctl("set_vm_memory_high_watermark", "0.4")
        run = end(process, 100).check(0).counted(delivered=ITEMS)
        assert "bottleneck: the broker: " in run.err and "it blocked publishers (an alarm of memory or disk)" in run.err, run
        assert complete(client) == 0


def set_state(queue, state):
    """As if the node of a queue were down: the queue exists and cannot be reached."""
    BROKER.ctl("eval", f'rabbit_misc:execute_mnesia_transaction(fun() -> rabbit_amqqueue:update(rabbit_misc:r(<<"/">>, queue, '
               f'<<"{queue}">>), fun(Q) -> amqqueue:set_state(Q, {state}) end) end), ok.')


def test_unreachable_queue():
    """a queue that exists and cannot be reached for a while is no reason to give up"""
    proxy, late, found = Proxy(BROKER.port), 100, []
    with connect() as client:
        fill(client, "classic", ITEMS - late)
        process = start(url(proxy) + "in", "--forever", "--reconnect", "5m", ":", *MATCH, ":", "amqp:out")
        wait_for(lambda: client.ready("out") > ITEMS // 10)
        set_state("in", "crashed")
        before = proxy.connections
        proxy.cut()
        wait_for(lambda: process.poll() is not None or proxy.connections >= before + 2)  # so one of them was refused
        set_state("in", "live")
        client.publish("in", map(body, range(ITEMS - late, ITEMS)))

        def all_there():
            found.extend(map(number_of, client.drain("out")))
            return process.poll() is not None or len(set(found)) == ITEMS

        wait_for(all_there)
        process.terminate()
        end(process).check(143)
        complete(client, found=found, lost=True)
    proxy.close()


def test_restart():
    """the server restarts in mid-run"""
    late = 100  # come after the restart, so that both ends must be connected again
    with connect() as client:
        fill(client, "classic", ITEMS - late)
    process = start("amqp:in", "--forever", ":", "rate", "1k/s", ":", *MATCH, ":", "amqp:out", "-v", "--reconnect", "5m",
                    "--batch", 100)
    with connect() as client:
        wait_for(lambda: client.ready("out") > ITEMS // 10)
    if os.environ.get("AMQP_HEAVY"):
        BROKER.stop(signal.SIGKILL)
        BROKER.start()
    else:
        BROKER.ctl("stop_app")
        BROKER.ctl("start_app")
    with connect() as client:
        client.publish("in", map(body, range(ITEMS - late, ITEMS)))
        found = []

        def all_there():  # how many there are says nothing: some come twice after the restart
            found.extend(map(number_of, client.drain("out")))
            return len(set(found)) == ITEMS

        wait_for(all_there)
        process.terminate()
        run = end(process, 150).check(143)
        assert "reconnects 0" not in run.err, run
        print(f"# {complete(client, found=found, lost=True)} delivered again")


def delete_output(client, kind, *more):
    """A run whose output queue is deleted in the middle."""
    fill(client, kind)
    process = start("amqp:in", ":", "rate", "2k/s", ":", *MATCH, ":", "amqp:out", *more, "--batch", 100)
    wait_for(lambda: client.ready("out") > ITEMS // 10)
    client.delete("out")
    return end(process)


def test_output_deleted():
    """the output queue is deleted in mid-run: the run ends, and what it had not delivered is in the input"""
    with connect() as client:
        run = delete_output(client, "classic").check(1, "no queue 'out' in vhost '/'").counted(failed=0)
        left = [json.loads(message.body)["n"] for message in client.left("in")]
        assert len(set(left)) == len(left) == ITEMS - run.counts["delivered"] > 0, run
        client.delete("in")


def test_output_declared_again():
    """the same with --declare: the queue is made again, and the run goes on"""
    with connect() as client:
        run = delete_output(client, "quorum", "--declare", "quorum").check(0).counted(delivered=ITEMS)
        assert client.drain("out") and not client.left("in"), run
        for queue in ("in", "out"):
            client.delete(queue)


def test_input_deleted():
    """the input queue is deleted in mid-run: the run ends and says so; what it had is delivered"""
    with connect() as client:
        fill(client, "classic")
        process = start("amqp:in", "--prefetch", 100, ":", "rate", "2k/s", ":", *MATCH, ":", "amqp:out", "--batch", 50)
        wait_for(lambda: client.ready("out") > ITEMS // 10)
        client.delete("in")
        run = end(process).check(1, "no queue 'in' in vhost '/'")
        assert len(client.drain("out")) == run.counts["delivered"], run


if __name__ == "__main__":
    with BROKER:
        os.environ["AMQP_URL"] = BROKER.url()
        CODE = run_tests(sys.modules[__name__])
    sys.exit(CODE)
