#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# leat load from outside: what it sends, what it says of it, its reports. No latency is asserted, and whether a run was
# valid is the machine's business; that it says so truly is in tests/cli/load.c.

setup() {
    : "${LEAT:=$PWD/build/leat}"
    unset LEAT_WORKERS
    cd "$BATS_TEST_TMPDIR"
}

# load ARGUMENT…: its exit code in $code, what it wrote in the files out and err.
load() {
    code=0
    "$LEAT" load "$@" >out 2>err </dev/null || code=$?
    cat err
}

told() {
    grep -qF -- "$1" err || {
        echo "not told: $1"
        return 1
    }
}

# agrees FILE: exit code, validity and the line on standard error say the same.
agrees() {
    [ "$(jq .exit "$1")" -eq "$code" ]
    if [ "$(jq .valid "$1")" = true ]; then
        [ "$code" -eq 0 ]
        ! grep -q INVALID err || return 1
    else
        [ "$code" -eq 1 ]
        told "leat: INVALID: $(jq -r .invalid_because "$1")"
    fi
}

@test "fill: exactly so many messages, the same ones as gen: makes" {
    load queue:jobs --fill 12345 --size 100 --seed 7 --report load.json
    [ "$code" -eq 0 ]
    told 'leat: 12345 in = 12345 delivered + 0 filtered + 0 failed + 0 returned'
    told 'leat: load: 12345 sent, 12345 confirmed, 0 failed'
    [ "$(jq -r '[.fill, .sent, .confirmed, .failed, .returned, .valid, has("latency")] | join(" ")' load.json)" = \
        '12345 12345 12345 0 0 true false' ]
    [ "$(jq '.confirmed_rate > 0 and .steady_rate >= 0' load.json)" = true ]
    "$LEAT" -q queue:jobs : - >got
    "$LEAT" -q 'gen:?count=12345&size=100&seed=7' : - >wanted
    cmp got wanted
}

@test "a report that cannot be written is found out before anything is sent" {
    load queue:jobs --fill 10 --report nowhere/load.html
    [ "$code" -eq 3 ]
    told 'leat: --report: nowhere/load.html: No such file or directory'
    [ ! -e jobs ]
}

@test "by the clock: every message that is due is sent, none before its time" {
    load sent.ndjson --rate 500/s --for 2s --size 10 --stamp due --report load.json
    agrees load.json
    [ "$(wc -l <sent.ndjson)" -eq 1000 ]
    [ "$(jq -s 'map(.n) == [range(1; 1001)]' sent.ndjson)" = true ]
    # 2 ms apart, as whole microseconds: the stamps have more digits than jq's numbers
    [ "$(sed -E 's/.*"due":([0-9]+)[0-9]{3}.*/\1/' sent.ndjson | awk 'NR > 1 && ($1 - last < 1999 || $1 - last > 2001) { bad++ } { last = $1 } END { print bad + 0 }')" -eq 0 ]
    [ "$(jq '.seconds >= 1.998' load.json)" = true ]
    [ "$(jq -r '[.sent, .confirmed, .failed, .rate, .poisson] | join(" ")' load.json)" = '1000 1000 0 500 false' ]
    [ "$(jq '[.timeline[].confirmed] | add' load.json)" -eq 1000 ]
    [ "$(jq '.latency | .p50 <= .p90 and .p90 <= .p95 and .p95 <= .p99 and .p99 <= ."p99.9" and ."p99.9" <= .max and .max > 0' load.json)" = true ]
    [ "$(jq '.lag | .p50 <= .p99 and .p99 <= .max' load.json)" = true ]
    told 'leat: latency: p50 '
    told "leat: generator's lag: p50 "
}

@test "a target that stalls: nothing is left out, and the waiting is in the latencies" {
    mkfifo pipe
    # From when the pipe is open the reader takes nothing for three seconds, and then all.
    (sleep 3 && cat) <pipe >got 3>&- &
    reader=$!
    load pipe --rate 2000 --for 1s --size 1000 --report load.json
    wait "$reader"
    [ "$(jq .confirmed load.json)" -eq 2000 ]
    [ "$(wc -l <got)" -eq 2000 ]
    # The pipe holds 64 KiB and the messages on their way some more; all later ones waited for the reader.
    [ "$(jq '.latency.max >= 0.5' load.json)" = true ]
    agrees load.json
}

@test "more than the machine can do is INVALID, exit code 1, and still all of it is sent" {
    load null: --rate 100M --for 5ms --size 1 --report load.json
    [ "$code" -eq 1 ]
    [ "$(jq .valid load.json)" = false ]
    [ "$(jq .sent load.json)" -eq 500000 ]
    agrees load.json
}

@test "random gaps: about as many, and the seed decides" {
    load null: --rate 1000 --for 500ms --poisson --report one.json
    load null: --rate 1000 --for 500ms --poisson --report same.json
    load null: --rate 1000 --for 500ms --poisson --seed 2 --report other.json
    [ "$(jq .sent one.json)" -eq "$(jq .sent same.json)" ]
    [ "$(jq '.sent > 350 and .sent < 650 and .poisson' one.json)" = true ]
    [ "$(jq .sent one.json)" -ne "$(jq .sent other.json)" ]
}

@test "exit-when: ends with 1 when a percentile is above its limit, and only then" {
    mkfifo pipe
    (sleep 3 && cat) <pipe >got 3>&- & # what is sent meanwhile is confirmed late
    load pipe --rate 2000 --for 1m --size 1000 --exit-when 'p50>1ms' --report load.json
    wait
    [ "$code" -eq 1 ]
    told 'leat: load: ended by --exit-when: p50 is '
    [ "$(jq '.ended_early and .sent < 120000 and .sent == .confirmed and .latency.p50 > 0.001' load.json)" = true ]
    load null: --rate 200 --for 1s --exit-when 'max>1h' --report load.json
    [ "$(jq '.ended_early == false and .sent == 200' load.json)" = true ]
    agrees load.json
}

@test "bodies from files: lines in turn, or whole" {
    printf 'one\n\n{"a":1}' >first
    printf 'two\n' >second
    load - --fill 6 --body first --body second
    [ "$code" -eq 0 ]
    printf 'one\n\n{"a":1}\ntwo\none\n\n' | cmp - out
    load - --fill 2 --body second --stamp at
    [ "$(jq -s 'length == 2 and all(.line == "two" and (.at | type) == "number")' out)" = true ]
    zstd -q first -o first.zst
    load queue:whole --fill 3 --body first.zst --body second --whole
    [ "$code" -eq 0 ]
    "$LEAT" -q queue:whole : - -0 | tr '\0' '#' >got
    printf 'one\n\n{"a":1}#two\n#one\n\n{"a":1}#' | cmp - got
    : >empty
    load - --fill 1 --body empty
    [ "$code" -eq 2 ]
    told 'leat: empty: there is no line in it'
    load - --fill 1 --body nowhere
    [ "$code" -eq 3 ]
    told 'leat: nowhere: No such file or directory'
    load - --fill 2 --body empty --whole
    [ "$code" -eq 0 ]
    [ "$(wc -c <out)" -eq 2 ]
}

@test "what makes no sense is refused before anything is opened" {
    refused() {
        load "${@:2}"
        [ "$code" -eq 2 ]
        told "leat: $1"
        [ ! -e to ]
    }
    refused 'load needs --fill N, or --rate RATE and --for TIME' to
    refused 'load: where the messages go is missing' --fill 3
    refused '--rate needs --for TIME, or --forever' to --rate 3
    refused '--fill is as fast as possible and --rate is not: one of them' to --rate 3 --for 1s --fill 3
    refused '--for belongs to --rate' to --fill 3 --for 3s
    refused '--poisson belongs to --rate' to --fill 3 --poisson
    refused '--whole is about the files of --body' to --fill 3 --whole
    refused '--exit-when takes "empty" or a percentile' to --rate 3 --for 1s --exit-when p98\>1s
    refused '--exit-when takes "empty" or a percentile' to --rate 3 --for 1s --exit-when p99\>
    refused '--exit-when p99>1s: with --fill there are no latencies' to --fill 3 --exit-when p99\>1s
    refused '--exit-when empty: to cannot tell when others have taken everything' to --fill 3 --exit-when empty
    refused '":" is one word too many after "to"' to --fill 3 : match x=y : null:
    refused 'unknown option "--ratte" (did you mean "--rate"?)' to --ratte 3
    refused '"gen:" can only be read from' gen: --fill 3
}

@test "flags of TO stand among the options, and options before TO as well" {
    printf 'first\n' >to
    load --fill 2 --body to to --append --sync
    [ "$code" -eq 0 ]
    printf 'first\nfirst\nfirst\n' | cmp - to
}

@test "a signal ends it; what was sent is accounted for" {
    "$LEAT" load null: --rate 100 --forever --stats --report load.json >out 2>err </dev/null 3>&- &
    pid=$!
    for _ in $(seq 1000); do
        grep -q 'delivered' err && break
        sleep 0.02
    done
    kill -TERM "$pid"
    code=0
    wait "$pid" || code=$?
    cat err
    [ "$code" -eq 143 ]
    [ "$(jq '.sent == .confirmed and .exit == 143' load.json)" = true ]
}

@test "reports: an SVG, and a page that needs nothing from outside" {
    load null: --rate 1000 --for 300ms --report load.svg
    load null: --rate 1000 --for 300ms --report load.html
    load null: --fill 1000 --report fill.html
    python3 - load.svg load.html fill.html <<'PYTHON'
import re, sys, xml.etree.ElementTree as tree
for name in sys.argv[1:]:
    text = open(name, encoding="utf-8").read()
    body = re.sub(r"^<!DOCTYPE html>\n", "", text)
    body = body.replace('<meta charset="utf-8">', '<meta charset="utf-8"/>')
    root = tree.fromstring(body)
    for element in root.iter():
        for attribute, value in element.attrib.items():
            assert attribute not in ("href", "src", "action", "{http://www.w3.org/1999/xlink}href"), (name, attribute)
    assert re.findall(r"https?://[^\"]*", text) in ([], 3 * ["http://www.w3.org/2000/svg"], 2 * ["http://www.w3.org/2000/svg"]), name
    assert "url(" not in text and "@import" not in text and "<script" not in text, name
    drawn = [e for e in root.iter() if e.tag.endswith(("path", "polyline"))]
    assert len(drawn) == (0 if name.startswith("fill") else 4), (name, len(drawn))
    assert "null:" in text and "nan" not in text and "inf" not in text.replace("information", ""), name
PYTHON
}

@test "a line each second says what came in, what went out and what is under way" {
    load null: --rate 100 --for 3s --stats
    grep -qE '^leat: [0-9]+ s: [0-9]+ of 300 \([0-9]+%\) in, .*/s, .*B/s; [0-9]+ delivered, .*/s, .*B/s; 0 failed, [0-9]+ unacked, [0-9]+ unconfirmed; p50 .*s, p99 .*s.* \| .*load [0-9]+% ' err
    load null: --rate 100 --for 1500ms --stats -q
    [ ! -s err ] || [ "$(grep -vc INVALID err)" -eq 0 ]
}

@test "a line of JSON each second has every member that the manual lists, of its type" {
    load null: --rate 200 --for 2500ms --stats-json -q
    grep '^{' err >long # a machine that is busy also makes it say INVALID
    "$LEAT" 'gen:?count=1000' : match 'x=\d' : where .nothing : null: -q --stats-json 2>short
    cat short
    [ "$(wc -l <short)" -ge 1 ]
    [ "$(jq -s 'last | [.in, .filtered, .unacked, .unconfirmed] == [1000, 1000, 0, 0]' short)" = true ]
    [ "$(jq -s 'last | [.in, .delivered] == [500, 500]' long)" = true ]
    [ "$(wc -l <long)" -ge 3 ]
    python3 - "$BATS_TEST_DIRNAME/../../docs/manual.md" long short <<'PYTHON'
import json, re, sys
number, text, flag = (int, float), str, bool
manual = open(sys.argv[1], encoding="utf-8").read()
section = manual[manual.index("`--stats-json`:"):]
section = section[:section.index("\n## ")]
listed = {}
for names, kind in re.findall(r"^\| ((?:`\w+`,? ?)+) \| (\w+) \|", section, re.M):
    for name in re.findall(r"`(\w+)`", names):
        listed[name] = {"number": number, "text": text, "flag": flag, "object": dict, "list": list}[kind]
parts = {"name": text, "workers": number, "most_workers": number, "items": number, "bytes": number, "rate": number, "cpu": number,
         "queued": number, "queue_capacity": number, "busy": number, "input": number, "output": number, "outside": number,
         "throttled": number}
def check(value, schema):
    assert value.keys() == schema.keys(), (value.keys() ^ schema.keys())
    for name, kind in schema.items():
        assert isinstance(value[name], kind) and (kind is flag or not isinstance(value[name], bool)), (name, value[name])
for name in sys.argv[2:]:
    before = None
    for line in open(name, encoding="utf-8"):
        now = json.loads(line)
        check(now, listed)
        for part in now["parts"]:
            check(part, parts)
            assert abs(sum(part[s] for s in ("busy", "input", "output", "outside", "throttled")) - 1) < 0.01
        done = now["delivered"] + now["filtered"] + now["failed"] + now["returned"]
        assert now["in"] - done == now["unacked"] >= now["unconfirmed"] >= 0 or now["unacked"] == 0, now
        if before:
            assert now["seconds"] > before["seconds"] and now["in"] >= before["in"]
        before = now
PYTHON
}
