#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""RabbitMQ at both ends: what arrives, what is set aside, how a run ends, and what it says when it cannot."""
import itertools
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "servers"))
from amqp import Client, properties_of
from prediction import compare
from program import end, leat, run_tests, start, write
from proxy import Proxy
from rabbitmq import Broker, free_ports

BROKER = Broker(tls=True)
MATCH = ("match", "-f", ".t", r"m=\w+@\w+\.\w+")
FRAME = 131072


def connect():
    return Client(BROKER.port)


def body(number):
    return b'{"n":%d,"t":"x%d@example.org"}' % (number, number)


def result(number):
    return b'{"n":%d,"t":"x%d@example.org","m":["x%d@example.org"]}' % (number, number, number)


def numbers(messages):
    return sorted(json.loads(message.body)["n"] for message in messages)


def wait_for(condition):
    end_of_patience = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end_of_patience, "waited for too long"
        time.sleep(0.02)


def test_flow():
    """from a queue through match to a queue: every message once, exactly, persistent; the input is empty"""
    for kind in ("classic", "quorum"):
        with connect() as client:
            client.declare("flow.in", x_queue_type=kind)
            client.publish("flow.in", map(body, range(3000)))
            run = leat("amqp:flow.in", ":", *MATCH, ":", "amqp:flow.out", "--declare", kind, "-j", 2, "-v").check(0)
            run.counted(**{"in": 3000, "delivered": 3000})
            assert "confirmed 3000, unconfirmed 0, returned 0" in run.err and "unacked 0, depth 0" in run.err, run
            messages = client.drain("flow.out")
            assert sorted(message.body for message in messages) == sorted(map(result, range(3000)))
            assert all(message.properties == {"content_type": "application/json", "delivery_mode": 2} for message in messages)
            assert client.left("flow.in") == []
            leat("amqp:flow.in", ":", "null:").check(0).counted(**{"in": 0})
            client.delete("flow.in")
            client.delete("flow.out")


def test_order():
    """with -k messages leave in the order in which they came"""
    with connect() as client:
        client.declare("order.in")
        client.declare("order.out")
        client.publish("order.in", map(body, range(2000)))
        leat("amqp:order.in", ":", *MATCH, ":", "amqp:order.out", "-k", "-j", 4).check(0).counted(delivered=2000)
        assert [message.body for message in client.drain("order.out")] == list(map(result, range(2000)))


def test_nothing_taken_before_the_start():
    """a run that cannot start takes no message: a quorum queue would count it as a delivery, and drop after too many"""
    with connect() as client:
        for kind, limit in (("quorum", {"x_delivery_limit": 2}), ("classic", {})):
            client.declare("start.in", x_queue_type=kind, **limit)
            client.publish("start.in", map(body, range(50)))
            for words, code in ((("amqp:nowhere",), 3), (("match", "a=(", ":", "null:"), 2), (("amqp:x", "--key", "y"), 2),
                                (("null:", "--errors", "/nowhere/x"), 3), (("/nowhere/x",), 3)):
                leat("amqp:start.in", ":", *words).check(code)
            first = client.get("start.in")
            assert not first.redelivered and not first.properties.get("headers", {}).get("x-delivery-count"), first.properties
            client.reject(first.tag)
            wait_for(lambda: client.ready("start.in") == 50)
            leat("amqp:start.in", ":", "null:").check(0).counted(delivered=50)
            client.delete("start.in")


def test_properties():
    """properties travel with the message; those of its delivery do not"""
    with connect() as client:
        client.declare("properties.in")
        client.declare("properties.out")
        carried = dict(content_type="text/plain", content_encoding="utf-8", priority=3, correlation_id="c-1", reply_to="r",
                       message_id="m-1", timestamp=1700000000, type="kind", app_id="app")
        headers = {"a": "b", "n": 5, "t": True, "inner": {"x": "y"}}
        left_out = {"x-death": "many", "x-delivery-count": 7, "CC": ["elsewhere"], "x-first-death-queue": "q"}
        client.publish("properties.in", [b"plain"], headers={**headers, **left_out}, expiration="600000", user_id="guest",
                       delivery_mode=1, **carried)
        leat("amqp:properties.in", ":", "amqp:properties.out").check(0).counted(delivered=1)
        message, = client.drain("properties.out")
        assert message.body == b"plain"
        assert message.properties == {**carried, "headers": headers, "delivery_mode": 2}, message.properties
        client.publish("properties.in", [b'"'], content_type="text/plain", content_encoding="gzip")
        leat("amqp:properties.in", ":", "match", "a=x", ":", "amqp:properties.out", "--transient").check(0)
        message, = client.drain("properties.out")
        assert message.body == rb'{"message":"\"","a":[]}' and message.properties == {
            "content_type": "application/json", "delivery_mode": 1}, (message.body, message.properties)
        leat("-", ":", "amqp:properties.out", "--content-type", "text/csv", data=b"1;2\n").check(0)
        message, = client.drain("properties.out")
        assert message.properties == {"content_type": "text/csv", "delivery_mode": 2}, message.properties


def test_sizes():
    """messages of no byte, of a frame, and of many frames come out as they went in"""
    sizes = [0, 1, FRAME - 9, FRAME - 8, FRAME - 7, 2 * (FRAME - 8), 700001]
    bodies = [bytes((at * 7 + size) % 251 for at in range(size)) for size in sizes]
    with connect() as client:
        client.declare("sizes.in")
        client.declare("sizes.out")
        client.publish("sizes.in", bodies)
        leat("amqp:sizes.in", ":", "amqp:sizes.out").check(0).counted(delivered=len(sizes))
        assert [message.body for message in client.drain("sizes.out")] == bodies


def test_large_properties():
    """a message whose properties no longer fit into a frame, once the result's are added, fails alone"""
    room = FRAME - 8 - 12 - len(properties_of({"delivery_mode": 2, "headers": {"x": ""}}))
    with connect() as client:
        client.declare("large.in")
        client.declare("large.out")
        client.publish("large.in", [b'{"n":0,"t":"a"}'])
        client.publish("large.in", [b'{"n":1,"t":"b"}'], headers={"x": "x" * room})
        client.publish("large.in", [b'{"n":2,"t":"c"}'])
        run = leat("amqp:large.in", ":", "match", "-f", ".t", "a=x", ":", "amqp:large.out").check(1, "its properties take 131")
        run.counted(delivered=2, failed=1)
        assert numbers(client.drain("large.out")) == [0, 2]


def test_keys():
    """an exchange with routing keys made of the item's fields; what cannot have a key is set aside"""
    with connect() as client:
        client.exchange("keys", "topic")
        for country in ("de", "fr"):
            client.declare(f"keys.{country}")
            client.bind(f"keys.{country}", "keys", f"mail.{country}.1")
        items = b'{"c":"de","n":1}\n{"c":"fr","n":1}\n{"n":1}\n{"c":"' + b"x" * 300 + b'","n":1}\n'
        run = leat("-", ":", "amqp:", "--exchange", "keys", "--key", "mail.{c}.{.n}", data=items).check(1)
        run.counted(delivered=2, failed=2)
        assert [message.body for message in client.drain("keys.de")] == [b'{"c":"de","n":1}']
        assert [message.body for message in client.drain("keys.fr")] == [b'{"c":"fr","n":1}']


def test_all_without_a_key():
    """items that fail in the sink wake whoever waits for them: nothing comes from the server then, not even a heartbeat"""
    BROKER.ctl("eval", "application:set_env(rabbit, heartbeat, 0).")
    try:
        with connect() as client:
            client.exchange("keyless", "topic")
        for words in (("load", "--fill", 5), ("gen:?count=5000", ":")):
            run = leat(words[0], *words[1:], "amqp:", "--exchange", "keyless", "--key", "a.{nothing}", "--heartbeat", "1h")
            run.check(1).counted(failed=run.counts["in"], delivered=0)
    finally:
        BROKER.ctl("eval", "application:set_env(rabbit, heartbeat, 60).")


def test_not_allowed():
    """what the server does not let us do it will not let us do later: the run ends, and the source keeps all"""
    BROKER.ctl("add_user", "reader", "reader")
    BROKER.ctl("set_permissions", "reader", "", "", ".*")
    environment = dict(os.environ, AMQP_PASSWORD="reader")
    with connect() as client:
        client.declare("allowed.in")
        client.declare("allowed.out")
        client.publish("allowed.in", map(body, range(100)))
        run = leat("amqp:allowed.in", ":", f"amqp://reader@127.0.0.1:{BROKER.port}/?queue=allowed.out", "-v", env=environment)
        run.check(1, "ACCESS_REFUSED").counted(delivered=0, failed=0)
        assert "blocked" in run.err and run.err.count("reconnects 0") == 2, run
        wait_for(lambda: client.ready("allowed.in") == 100)
        BROKER.ctl("set_permissions", "reader", "", ".*", "")
        run = leat(f"amqp://reader@127.0.0.1:{BROKER.port}/?queue=allowed.in", ":", "null:", env=environment)
        run.check(1, "ACCESS_REFUSED").counted(**{"in": 0})
        assert "trying again" not in run.err and numbers(client.left("allowed.in")) == list(range(100)), run


def test_returned():
    """a message that no queue takes is set aside with the server's reason, its neighbours are delivered"""
    with connect() as client:
        client.declare("returned.here")
        client.declare("returned.in", x_dead_letter_exchange="", x_dead_letter_routing_key="returned.dead")
        client.declare("returned.dead")
        client.publish("returned.in", [b'{"to":"returned.%s","n":%d}' % (b"here" if n % 3 else b"nowhere", n) for n in range(300)])
        run = leat("amqp:returned.in", ":", "amqp:?key={to}", "--errors", "errors.jsonl", "-v").check(1, "returned 100,")
        run.counted(delivered=200, failed=100)
        assert numbers(client.drain("returned.here")) == [n for n in range(300) if n % 3]
        wait_for(lambda: client.ready("returned.dead") == 100)
        assert numbers(client.drain("returned.dead")) == [n for n in range(300) if n % 3 == 0]
        reasons = {json.loads(line)["reason"] for line in open("errors.jsonl", encoding="utf-8")}
        assert reasons == {'the server returned it: 312 NO_ROUTE (exchange "", routing key "returned.nowhere")'}, reasons
        leat("-", ":", "amqp:?key={to}&optional", data=b'{"to":"nowhere"}\n').check(0).counted(delivered=1)


def test_failed_items():
    """what a stage sets aside is rejected: its queue's dead-letter exchange gets it, and it does not come back"""
    for kind in ("classic", "quorum"):
        with connect() as client:
            client.exchange("failed.exchange", "fanout")
            client.declare("failed.dead")
            client.bind("failed.dead", "failed.exchange", "")
            leat("-", ":", "amqp:failed.in", "--declare", kind, "--dead-letter", "failed.exchange", data=b"").check(0)
            client.publish("failed.in", [body(n) if n % 10 else b'{"n":%d}' % n for n in range(500)])
            run = leat("amqp:failed.in", ":", *MATCH, ":", "null:", "-j", 2, "-q", "--errors", "errors").check(1)
            wait_for(lambda: client.ready("failed.dead") == 50)  # the broker moves them in its own time
            assert numbers(client.drain("failed.dead")) == list(range(0, 500, 10)), run
            assert client.left("failed.in") == []
            client.publish("failed.in", [b"bad"])
            leat("amqp:failed.in", ":", *MATCH, ":", "null:", "--dead", "amqp:failed.dead").check(1)
            wait_for(lambda: client.ready("failed.dead") == 2)
            assert [message.body for message in client.drain("failed.dead")] == [b"bad", b"bad"]
            client.delete("failed.in")


def test_last_words():
    """many small batches, all rejected or all acknowledged: a quorum queue has heard of each when the run ends"""
    with connect() as client:
        for words, code in ((("null:",), 0), ((*MATCH, ":", "null:", "--errors", "errors"), 1)):
            client.declare("last", x_queue_type="quorum")
            for _ in range(3):
                client.publish("last", [b"x"] * 2000)
                run = leat("amqp:last", ":", *words, "--batch", 5, "-q").check(code)
                assert client.left("last") == [], run
            client.delete("last")


def test_example():
    """the example: from queue to queue by the library alone; what is no JSON is rejected"""
    with connect() as client:
        client.exchange("example.exchange", "fanout")
        client.declare("example.dead")
        client.bind("example.dead", "example.exchange", "")
        client.declare("example.in", x_dead_letter_exchange="example.exchange")
        client.declare("example.out")
        client.publish("example.in", [b'{"n":%d,"content":"to a%d@b.example"}' % (n, n) for n in range(3000)] + [b"bad"] * 3)
        example = pathlib.Path(os.environ["LEAT_BUILD"], "examples", "example-rabbitmq")
        subprocess.run([example, str(BROKER.port), "example.in", "example.out"], check=True, timeout=100)
        found = [json.loads(message.body) for message in client.drain("example.out")]
        found = sorted((item["n"], *item["emails"]) for item in found)
        assert found == [(n, f"a{n}@b.example") for n in range(3000)]
        wait_for(lambda: client.ready("example.dead") == 3)
        assert client.ready("example.in") == 0
        failed = subprocess.run([example, str(BROKER.port), "example.in", "example.nowhere"], capture_output=True, timeout=100)
        assert failed.returncode == 1 and b"No such file" in failed.stderr, failed


def test_poison():
    """--max-deliveries sets aside what keeps coming back; a quorum queue counts, a classic one tells a second time"""
    with connect() as client:
        client.declare("poison.quorum", x_queue_type="quorum")
        client.declare("poison.classic")
        for queue, times, most in (("poison.quorum", 3, 3), ("poison.classic", 1, 1)):
            client.publish(queue, [b"poison"])
            for _ in range(times):
                client.reject(client.get(queue).tag)
                wait_for(lambda: client.ready(queue) == 1)
            client.publish(queue, [b"fresh"])
            run = leat(f"amqp:{queue}", "--max-deliveries", most, ":", "null:").check(1, "it was given out")
            run.counted(delivered=1, failed=1)


def test_refused():
    """a full queue that rejects is back-pressure: everything arrives once there is room"""
    with connect() as client:
        client.declare("refused", x_max_length=50, x_overflow="reject-publish")
        client.publish("refused", [b"old"] * 50)
        process = start("gen:?count=200&size=20", ":", "amqp:refused", "-v")
        messages = []
        while len(messages) < 250 and process.poll() is None:
            messages += client.drain("refused")
            time.sleep(0.02)
        run = end(process).check(0).counted(delivered=200)
        messages += client.drain("refused")
        assert len([message for message in messages if message.body != b"old"]) == 200, len(messages)
        assert len({message.body for message in messages}) == 201
        assert "refused 0," not in run.err, run
        client.purge("refused")
        client.publish("refused", [b"old"] * 40)
        run = leat("gen:?count=200&size=20", ":", "amqp:refused", "--reconnect", "300ms").check(1, "refused it for")
        run.balanced()
        assert run.counts["delivered"] + 40 == client.ready("refused") and run.counts["delivered"] >= 10, run


def test_max_length_of_nothing():
    """a window and a prefetch of one"""
    with connect() as client:
        client.declare("one.in")
        client.declare("one.out")
        client.publish("one.in", map(body, range(50)))
        leat("amqp:one.in", "--prefetch", 1, ":", "amqp:one.out", "--window", 1).check(0).counted(delivered=50)
        assert [message.body for message in client.drain("one.out")] == list(map(body, range(50)))


def stop(how, kind):
    with connect() as client:
        client.declare("stop.in", x_queue_type=kind)
        client.declare("stop.out", x_queue_type=kind)
        client.publish("stop.in", map(body, range(5000)))
        process = start("amqp:stop.in", "--prefetch", 5000, ":", "rate", "2k/s", ":", "amqp:stop.out", "--stop", how,
                        "--batch", 100, "--forever")
        wait_for(lambda: client.ready("stop.out") > 100 and client.ready("stop.in") == 0)
        process.send_signal(signal.SIGTERM)
        run = end(process).check(128 + signal.SIGTERM)
        messages, left = client.drain("stop.out"), client.left("stop.in")
        assert len(messages) == run.counts["delivered"], run
        assert numbers([*messages, *left]) == list(range(5000)), f"{len(messages)} + {len(left)}: {run}"
        client.delete("stop.in")
        client.delete("stop.out")


def test_stop():
    """SIGTERM with 5000 not acknowledged: drained or given back, and the server's counts are ours"""
    for how, kind in itertools.product(("drain", "drop"), ("classic", "quorum")):
        stop(how, kind)


def test_verdict():
    """what limits the run: the broker where it is slow to deliver or to confirm, also for load; else what else it is"""
    proxy = Proxy(BROKER.port, delay=0.05)
    slow = f"amqp://guest@127.0.0.1:{proxy.port}/?queue=verdict."
    with connect() as client:
        for queue in ("verdict.in", "verdict.out"):
            client.declare(queue)
        client.publish("verdict.in", map(body, range(6000)))
        run = leat("amqp:verdict.in", ":", *MATCH, ":", slow + "out", "--batch", 100).check(0).counted(delivered=6000)
        assert "bottleneck: the broker: " in run.err and f"is waiting for {slow}out to confirm" in run.err, run
        run = leat("load", slow + "in", "--fill", 6000).check(0)
        assert "bottleneck: the broker: " in run.err and f"is waiting for {slow}in to confirm" in run.err, run
        run = leat(slow + "in", ":", "null:").check(0).counted(delivered=6000)
        assert f"bottleneck: the broker: {slow}in waits for it " in run.err, run
        client.publish("verdict.in", map(body, range(300)))
        run = leat("amqp:verdict.in", ":", "rate", "100/s", ":", "amqp:verdict.out").check(0)
        assert "bottleneck: the rate you set: " in run.err, run
        process = start("amqp:verdict.in", ":", "amqp:verdict.out", "--forever")
        client.publish("verdict.in", map(body, range(10)))
        time.sleep(2)
        process.send_signal(signal.SIGTERM)
        run = end(process).check(128 + signal.SIGTERM).counted(delivered=10)
        assert "bottleneck: the source: amqp:verdict.in has nothing " in run.err, run
    proxy.close()


def test_prediction():
    """where the broker confirms slowly one more worker brings nothing"""
    proxy = Proxy(BROKER.port, delay=0.02)
    with connect() as client:
        client.declare("prediction.in")
        client.declare("prediction.out", x_max_length=10)
        compare(("amqp:prediction.in", ":", *MATCH, ":", f"amqp://guest@127.0.0.1:{proxy.port}/?queue=prediction.out", "--batch", 50),
                2, "the broker: ", None, 1, prepare=lambda: client.publish("prediction.in", map(body, range(4000))))
    proxy.close()


def test_load_until_empty():
    """load --exit-when empty waits until consumers have taken everything, and no longer; a signal ends the waiting"""
    with connect() as client:
        client.declare("drained")
        process = start("load", "amqp:drained", "--fill", 2000, "--exit-when", "empty", "--report", "load.json")
        wait_for(lambda: client.ready("drained") == 2000)
        assert process.poll() is None
        assert len(client.drain("drained")) == 2000
        end(process).check(0, "leat: load: amqp:drained was empty ").counted(delivered=2000)
        with open("load.json", encoding="utf-8") as report:
            assert json.load(report)["emptied"] > 0
        process = start("load", "amqp:drained", "--fill", 10, "--exit-when", "empty")
        wait_for(lambda: client.ready("drained") == 10)
        process.send_signal(signal.SIGTERM)
        run = end(process).check(128 + signal.SIGTERM).counted(delivered=10)
        assert "was empty" not in run.err, run
        leat("load", "amqp:?key=drained", "--fill", 1, "--exit-when", "empty").check(2, "names no queue")
        assert client.ready("drained") == 10


def test_forever():
    """--forever waits for more, and hands over what comes at once"""
    with connect() as client:
        client.declare("forever.in")
        client.declare("forever.out")
        process = start("amqp:forever.in", ":", "amqp:forever.out", "--forever")
        for number in range(20):
            client.publish("forever.in", [body(number)])
            wait_for(lambda: client.ready("forever.out") == number + 1)
        process.send_signal(signal.SIGTERM)
        end(process).check(128 + signal.SIGTERM).counted(delivered=20)


def test_two_consumers():
    """two runs share a queue: everything once, and both end"""
    with connect() as client:
        client.declare("shared.in")
        client.declare("shared.out")
        client.publish("shared.in", map(body, range(2000)))
        both = [start("amqp:shared.in", "--prefetch", 50, ":", *MATCH, ":", "amqp:shared.out") for _ in range(2)]
        runs = [end(one).check(0) for one in both]
        assert sum(run.counts["delivered"] for run in runs) == 2000
        assert numbers(client.drain("shared.out")) == list(range(2000))


def test_cannot_start():
    """what is wrong at the start is one line, exit code 2 or 3, and no secret in it"""
    secret = "amqp://guest:geheim@127.0.0.1:"
    dead, = free_ports(1)
    missing = dict(os.environ)
    del missing["AMQP_URL"]
    for words, url, code, said in (
            (("amqp:x", ":", "null:"), secret + str(dead), 3, "Connection refused"),
            (("gen:", ":", "amqp:x"), secret + str(dead), 3, "Connection refused"),
            (("amqp:x", ":", "null:"), secret + str(BROKER.port), 3, "ACCESS_REFUSED"),
            (("amqp:nowhere", ":", "null:"), None, 3, "no queue 'nowhere' in vhost '/'"),
            (("gen:", ":", "amqp:nowhere"), None, 3, "no queue 'nowhere' in vhost '/'"),
            (("gen:", ":", "amqp:?exchange=nowhere"), None, 3, "no exchange 'nowhere' in vhost '/'"),
            (("amqp:x", ":", "null:"), BROKER.url() + "/nowhere", 3, "vhost nowhere not found"),
            (("amqp:x", ":", "null:"), "", 2, "AMQP_URL"),
            (("amqp:x", ":", "null:"), "http://h:geheim@h", 2, "amqp://"),
            (("amqp:x", ":", "null:"), "amqp://u:geheim@h:port", 2, "port"),
            (("amqp://u:geheim@h?queue=x", ":", "null:"), None, 2, "password"),
            (("gen:", ":", "amqps://u:geheim@h?queue=x"), None, 2, "password"),
            (("gen:", ":", "null:", "--dead", "amqp://u:geheim@h?queue=x"), None, 2, "password"),
            (("amqp:", ":", "null:"), None, 2, "which queue"),
            (("bench", "amqp:x", ":", "null:"), None, 2, "each item once"),
            (("gen:", ":", "amqp:"), None, 2, "where to"),
            (("amqp:x", "--declare", "lazy", ":", "null:"), None, 2, "quorum or classic"),
            (("amqp:x", "--prefetch", "70000", ":", "null:"), None, 2, "prefetch"),
            (("gen:", ":", "amqp:x", "--exchange", "y"), None, 2, "not both"),
            (("gen:", ":", "amqp:?key={x"), None, 2, '--key "{x" has a brace without its counterpart'),
            (("gen:", ":", "amqp:?key=" + 256 * "x"), None, 2, "--key has 256 bytes"),
            (("amqp:x", ":", "null:"), "amqp://u:geheim/x@h", 2, "%2F, %3F, %23"),
            (("amqp:x", ":", "null:"), "amqp://u:geheim@h?heartbeat=5", 2, "settings belong into the pipeline"),
            (("amqps:x", ":", "null:"), secret + str(BROKER.port), 3, "does not speak TLS"),
            (("amqps:x?cacert=/nowhere", ":", "null:"), None, 2, '"/nowhere": No such file or directory'),
            (("amqp:x", ":", "null:", "--resume", "done"), None, 2, "--resume: amqp:x forgets by itself what is done"),
            (("check", "amqp:x", ":", "amqp:q", "--key", "y"), None, 2, "--key goes with --exchange"),
            (("check", "amqp:", ":", "null:"), None, 2, "which queue"),
            (("check", "gen:", ":", "null:", "--dead", "amqp:"), None, 2, "where to")):
        environment = dict(os.environ) if url is None else dict(missing, AMQP_URL=url) if url else missing
        run = leat(*words, env=environment).check(code, said)
        assert "geheim" not in run.err and run.err.count("\n") <= 2, run


def test_addresses():
    """the address written out, from a file, with the password from a file or the environment"""
    environment = dict(os.environ)
    del environment["AMQP_URL"]
    with connect() as client:
        client.declare("addresses")
        write("password", "guest\n")
        write("url", BROKER.url() + "/%2f\n")
        plain = f"amqp://guest@127.0.0.1:{BROKER.port}/?queue=addresses"
        for words, more in (((plain,), {}), ((plain, "--password-file", "password"), {"AMQP_PASSWORD": "wrong"}),
                            ((plain,), {"AMQP_PASSWORD": "guest"}), ((plain,), {"AMQP_PASSWORD_FILE": "password"}),
                            ((plain,), {"AMQP_PASSWORD_FILE": "", "AMQP_PASSWORD": "guest"}), (("amqp:addresses",), {"AMQP_URL_FILE": "url"})):
            leat("gen:?count=1", ":", *words, env={**environment, **more}).check(0).counted(delivered=1)
            leat(*words, ":", "null:", env={**environment, **more}).check(0).counted(delivered=1)
        leat(plain, ":", "null:", env={**environment, "AMQP_PASSWORD": "wrong"}).check(3, "ACCESS_REFUSED")
    for topic in ("amqp", "amqps", "man"):
        told = leat("help", topic).check(0).out
        for variable in (b"AMQP_URL", b"AMQP_URL_FILE", b"AMQP_PASSWORD", b"AMQP_PASSWORD_FILE"):
            assert re.search(rb"\$" + variable + rb"\b", told), (topic, variable)


def test_tls():
    """amqps: both ways with large messages; an unknown certificate or another host's name is refused"""
    certificate = BROKER.folder / "certificate.pem"
    bodies = [bytes((at * 7 + size) % 251 for at in range(size)) for size in (0, 1, 16384, 700001)] * 20
    with connect() as client:
        client.declare("tls.in")
        client.declare("tls.out")
        client.publish("tls.in", bodies)
        ends = [f"amqps://guest@localhost:{BROKER.tls_port}/?queue=tls.{end}&cacert={certificate}" for end in ("in", "out")]
        leat(ends[0], ":", ends[1]).check(0).counted(delivered=len(bodies))
        assert [message.body for message in client.drain("tls.out")] == bodies
        leat(ends[0].partition("&")[0], ":", "null:").check(3, "self-signed certificate")
        leat(ends[0].replace("localhost", "127.0.0.1"), ":", "null:").check(3, "mismatch")


if __name__ == "__main__":
    with BROKER:
        os.environ["AMQP_URL"] = BROKER.url()
        CODE = run_tests(sys.modules[__name__])
    sys.exit(CODE)
