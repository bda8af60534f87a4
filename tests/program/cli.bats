#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The program as its users meet it: help, refusals, exit codes, signals, what goes to which stream.

setup() {
    : "${LEAT:=$PWD/build/leat}"
    unset LEAT_WORKERS
    cd "$BATS_TEST_TMPDIR"
    printf '{"a":"x1"}\n{"a":"y"}\n{"a":"z22"}\n' >in.ndjson
}

# told TEXT: TEXT is in what went to standard error.
told() {
    grep -qF -- "$1" err || {
        echo "not told: $1"
        cat err
        return 1
    }
}

# leat ARGUMENT…: run it; its exit code in $code, what it wrote in the files out and err.
leat() {
    code=0
    "$LEAT" "$@" >out 2>err </dev/null || code=$?
}

# never COMMAND…: it must fail ("!" alone does not fail a test).
never() {
    if "$@"; then
        return 1
    fi
}

# balanced: the last line's numbers add up.
balanced() {
    sed -n -E 's/^leat: ([0-9]+) in = ([0-9]+) delivered \+ ([0-9]+) filtered \+ ([0-9]+) failed( \([^)]*\))? \+ ([0-9]+) returned, in .*/\1 \2 \3 \4 \6/p' err >numbers
    cat err
    [ "$(wc -l <numbers)" -eq 1 ]
    read -r in delivered filtered failed returned <numbers
    [ "$in" -eq $((delivered + filtered + failed + returned)) ]
}

# until_told TEXT: wait until TEXT is in err.
until_told() {
    for _ in $(seq 5000); do
        grep -qF -- "$1" err && return 0
        sleep 0.02
    done
    told "$1"
}

# until_exists FILE: wait until it exists and is not empty.
until_exists() {
    for _ in $(seq 5000); do
        [ -s "$1" ] && return 0
        sleep 0.02
    done
    false
}

@test "help goes to standard output and says everything there is" {
    leat --help
    [ "$code" -eq 0 ]
    [ ! -s err ]
    for word in FROM STAGE TO match where read rate exec coproc dir: queue: gen: null: --workers --errors --deadline 128+N; do
        grep -qF -- "$word" out
    done
    cp out long
    leat -h
    cmp out long
    leat help
    cmp out long
}

@test "every topic of the help has a page" {
    for topic in match where read rate exec coproc path - dir queue gen null run check show man bash zsh fish; do
        leat help "$topic"
        echo "$topic: $code"
        [ "$code" -eq 0 ]
        [ -s out ]
        [ ! -s err ]
    done
    leat in.ndjson : match -h
    [ "$code" -eq 0 ]
    grep -q '^match ' out
    grep -q -- --field out
    leat match --help
    grep -q '^match ' out
}

@test "an unknown topic is refused with a suggestion" {
    leat help mtach
    [ "$code" -eq 2 ]
    [ ! -s out ]
    [ "$(cat err)" = 'leat: there is no help on "mtach" (did you mean "match"?)' ]
}

@test "the examples of the help are right" {
    leat --help
    sed -n -E 's/^  leat (run )?(.*)$/\2/p' out | sed -e '/^FROM/,$d' -e '/^load /d' -e 's/^bench \(.*\) --sweep .*/\1/' >examples
    [ "$(wc -l <examples)" -ge 5 ]
    printf 'from: in.ndjson\n' >pipeline.yaml
    while IFS= read -r example; do
        echo "$example"
        eval "\"\$LEAT\" check $example"
    done <examples
}

@test "the YAML file of the help is right" {
    leat help run
    sed -n '/^from:/,/^$/p' out | sed '$d' >pipeline.yaml
    leat check pipeline.yaml
    cat out err
    [ "$code" -eq 0 ]
    [ "$(cat out)" = "pipeline.yaml: ok (from, 2 steps, to)" ]
}

@test "the man page has no fault that mandoc knows" {
    leat help man
    mandoc -Tlint out >lint 2>&1 || true
    cat lint
    [ ! -s lint ]
    mandoc -Tutf8 out | sed "s/.$(printf '\b')//g" >page # without overstrikes
    grep -qF -- '--keep-order' page
    grep -qF "emails='[\\w.+-]+@[\\w-]+\\.\\w+'" page
}

@test "bash completes from the same tables" {
    PATH=$(dirname "$LEAT"):$PATH
    cat >complete.bash <<'EOF'
source <("$LEAT" help bash)
complete_line() {
    COMP_LINE=$1 COMP_POINT=${#1}
    COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2))
    _leat 2>/dev/null
    echo "${COMPREPLY[*]}"
}
complete_line 'leat in : mat' leat in : mat
complete_line 'leat in : match --fi' leat in : match --fi
complete_line 'leat in --stop d' leat in --stop d
complete_line 'leat que' leat que
complete_line 'leat in : - --kee' leat in : - --kee
EOF
    bash complete.bash >completed
    cat completed
    [ "$(sed -n 1p completed)" = match ]
    [ "$(sed -n 2p completed)" = --field ]
    [ "$(sed -n 3p completed)" = "drain drop" ]
    [ "$(sed -n 4p completed)" = "queue: queue" ]
    [ "$(sed -n 5p completed)" = --keep-order ]
}

@test "no option has two meanings where it stands" {
    leat help complete -- in : match --
    [ "$(cut -f1 out | sort | uniq -d)" = "" ]
    for end in path dir:. queue:x gen:; do
        leat help complete -- "$end" --
        grep -q -- --workers out
        [ "$(cut -f1 out | sort | uniq -d)" = "" ]
    done
}

@test "mistakes are refused in one line, with exit code 2, before anything happens" {
    refused() {
        local message=$1
        shift
        leat "$@"
        cat err
        [ "$code" -eq 2 ]
        [ ! -s out ]
        [ "$(head -1 err)" = "leat: $message" ]
        [ ! -e made ]
    }
    refused 'unknown stage "mtach" (did you mean "match"?)' in.ndjson : mtach x=y : made
    refused 'unknown option "--wrokers" (did you mean "--workers"?)' in.ndjson : made --wrokers 3
    refused 'unknown kind of end "qeue:" (did you mean "queue"?)' qeue:x : made
    refused '"null:" can only be written to' null: : made
    refused '"gen:" can only be read from' in.ndjson : gen:
    refused 'match: unknown option "--feild" (did you mean "--field"?)' in.ndjson : match --feild .a x=y : made
    refused '--deadline: "soon" is not a duration (write 500ms, 30s, 5m, 1h30m; plain means seconds)' in.ndjson : made --deadline soon
    refused 'where the items come from is missing'
    [ "$(sed -n 2p err)" = "leat: see leat --help" ]
    refused 'match: x: missing closing parenthesis at offset 1: (' in.ndjson : match 'x=(' : made
    refused 'an end without a name: ""' in.ndjson : ''
    refused 'an end without a name: ""' '' : made
    refused '--dead: an end without a name: ""' in.ndjson : made --dead ''
    refused '--errors: the name of a file is missing' in.ndjson : made --errors ''
    refused 'gen:?rate=0/s: "0/s" is no value for rate' 'gen:?rate=0/s' : made
    refused '--rate: "0" is not a rate (write 100, 100/s, 6k/m or 10/h)' gen: --rate 0 : made
}

@test "check tells what is wrong with a stage's words without touching the ends" {
    leat check in.ndjson : match 'x=(' : made
    [ "$code" -eq 2 ]
    told 'leat: command line: match: x: missing closing parenthesis'
    leat check nowhere.ndjson : match x=y : made
    [ "$code" -eq 0 ]
    [ "$(cat out)" = "command line: ok (from, 1 step, to)" ]
    [ ! -e made ]
}

@test "check tells what is wrong with an end's words" {
    for from in 'gen:?count=x' 'gen:?rate=0/s' 'dir:.?bogus=1' 'dir:.?type=x' 'dir:.?glob=[' 'queue:' 'queue:q#a/b'; do
        leat check "$from" : null:
        [ "$code" -eq 2 ]
        told "leat: command line: $from: "
    done
    for to in null:x 'queue:q#a!b'; do
        leat check in.ndjson : "$to"
        [ "$code" -eq 2 ]
        told "leat: command line: $to: "
    done
    leat check in.ndjson : null: --dead null:x
    [ "$code" -eq 2 ]
    told "leat: command line: null:x: "
    leat check 'dir:nowhere?glob=*.c' : queue:nowhere/q
    [ "$code" -eq 0 ]
}

@test "what cannot be opened is exit code 3" {
    leat nowhere.ndjson : made
    [ "$code" -eq 3 ]
    told 'nowhere.ndjson'
    [ ! -s out ]
}

@test "a YAML file is refused by line and column" {
    printf 'from: in.ndjson\nsteps:\n  - match:\n      feild: .a\n' >bad.yaml
    leat run bad.yaml
    [ "$code" -eq 2 ]
    [ "$(cat err)" = 'leat: bad.yaml:4:7: unknown key "feild" in match (did you mean "field"?)' ]
    leat check bad.yaml
    [ "$code" -eq 2 ]
    printf 'from: in.ndjson\nsteps:\n  - where: .a\n  - match: x=(\nto: made\n' >bad.yaml
    for verb in run check; do
        leat $verb bad.yaml
        [ "$code" -eq 2 ]
        [ "$(cat err)" = 'leat: bad.yaml:4:5: match: x: missing closing parenthesis at offset 1: (' ]
    done
    printf 'from: in.ndjson\nto: null\n' >bad.yaml
    leat run bad.yaml
    [ "$code" -eq 2 ]
    told 'leat: bad.yaml:2:5: to: null is no place'
    printf 'from: in.ndjson\nto: ""\n' >bad.yaml
    leat check bad.yaml
    [ "$code" -eq 2 ]
    told 'leat: bad.yaml:2:5: an end without a name: ""'
    [ ! -e made ]
    [ ! -e null ]
}

@test "what stands alone after run is a file, whatever it is called" {
    printf 'from: in.ndjson\n' >pipeline
    leat run pipeline -q
    [ "$code" -eq 0 ]
    cmp out in.ndjson
    leat run in.ndjson
    [ "$code" -eq 2 ]
    [ ! -s out ]
    mv pipeline pipeline.yaml
    leat run pipeline.yaml : made
    [ "$code" -eq 2 ]
    told 'leat: "pipeline.yaml" is a whole pipeline; without "run" it is the input of one'
    [ ! -e made ]
    leat pipeline.yaml : - -q
    cmp out pipeline.yaml
    leat run gen:?count=1 -q
    [ "$code" -eq 0 ]
    [ "$(wc -l <out)" -eq 1 ]
    leat run - -q
    [ "$code" -eq 0 ]
}

@test "show and run: the same pipeline twice" {
    leat -k in.ndjson : match -f .a "digits=\d" "letters=[a-z']" : where .digits : - -j 2
    [ "$code" -eq 0 ]
    mv out first
    [ "$(wc -l <first)" -eq 2 ]
    leat show -k in.ndjson : match -f .a "digits=\d" "letters=[a-z']" : where .digits : - -j 2
    [ "$code" -eq 0 ]
    mv out pipeline.yaml
    leat run pipeline.yaml
    [ "$code" -eq 0 ]
    cmp out first
    leat show pipeline.yaml
    cmp out pipeline.yaml
}

@test "--set and the command line change a file's pipeline" {
    printf 'from: in.ndjson\nsteps:\n  - match: {field: .a, args: {x: %s}}\nto: made\n' "'\\d'" >pipeline.yaml
    leat run pipeline.yaml --set to=other --set 'steps.0.match.args.x=[xy]' -k -q
    cat err
    [ "$code" -eq 0 ]
    [ ! -e made ]
    [ "$(grep -c '"x":\["[xy]"\]' other)" -eq 2 ]
}

@test "variables and files in a YAML file, and none of their values in what show prints" {
    echo 'z\d+' >secret
    printf "from: \${IN}\nsteps:\n  - match: {field: .a, args: {x: '\${file:secret}'}}\n" >pipeline.yaml
    IN=in.ndjson leat run pipeline.yaml
    [ "$code" -eq 0 ]
    grep -qF '"x":["z22"]' out
    IN=in.ndjson leat show pipeline.yaml
    grep -qF '${file:secret}' out
    never grep -qF 'z\d' out
    leat run pipeline.yaml
    [ "$code" -eq 2 ]
    told 'pipeline.yaml:1:7: ${IN}: there is no such variable'
}

@test "data goes to standard output, everything else to standard error" {
    leat in.ndjson : match -f .a x=. : - --progress always --stats -v
    [ "$code" -eq 0 ]
    [ "$(wc -l <out)" -eq 3 ]
    jq -e .x out >/dev/null
    told 'leat: 3 in = 3 delivered + 0 filtered + 0 failed + 0 returned, in '
}

@test "quiet is quiet" {
    leat -q in.ndjson : -
    [ "$code" -eq 0 ]
    [ ! -s err ]
    cmp out in.ndjson
    LEAT_QUIET=1 leat in.ndjson : -
    [ ! -s err ]
}

@test "the last line balances, and failures are exit code 1" {
    printf '{"a":"1"}\n{broken\n{"a":"b"}\n[]\n' >mixed
    leat mixed : match -f .a 'x=\d' : where .x : - --errors bad.jsonl
    [ "$code" -eq 1 ]
    told 'leat: 4 in = 1 delivered + 1 filtered + 2 failed (bad.jsonl) + 0 returned, in '
    [ "$(jq -s length bad.jsonl)" -eq 2 ]
    leat mixed : match -f .a 'x=\d' : null:
    [ "$code" -eq 1 ]
    told ' 2 failed (--errors FILE keeps them) '
    balanced
}

@test "the verdict names the bottleneck" {
    leat gen:?count=50 : rate 100/s --burst 1 : null: -j 1
    [ "$code" -eq 0 ]
    grep -q '^leat: bottleneck: .*rate' err
}

@test "a field that is no path is a mistake in the command, not in every item" {
    leat in.ndjson : queue:q
    for stage in "match -f .a[x] x=a" "read -f .a[x]" "exec -f .a[x] cat" "coproc -f .a[x] cat" "where .a[x]"; do
        for verb in check run; do
            # shellcheck disable=SC2086
            leat $verb queue:q : $stage : null:
            [ "$code" -eq 2 ]
            told 'is not a path like .name, .a.b or .a[0]'
        done
    done
    leat queue:q : match -f '.a[0]' x=a : null:
    [ "$code" -eq 1 ]
    balanced
}

@test "where does not take == for a comparison with =" {
    for test in '.a==x1' '.a!==x1'; do
        leat check in.ndjson : where "$test" : -
        [ "$code" -eq 2 ]
        told 'one "=" compares'
    done
    leat in.ndjson : where '.a=x1' : -
    [ "$code" -eq 0 ]
    [ "$(cat out)" = '{"a":"x1"}' ]
}

@test "the report holds the same numbers" {
    leat gen:?count=1000 : match 'x=\d' : where .nothing : null: --report report.json
    [ "$code" -eq 0 ]
    balanced
    [ "$(jq -r '[.in, .delivered, .filtered, .failed, .returned] | join(" ")' report.json)" = "$(cat numbers)" ]
    [ "$(jq -r .filtered report.json)" -eq 1000 ]
    [ "$(jq -r .outcome report.json)" = finished ]
    [ "$(jq '.parts | length' report.json)" -eq 3 ]
    [ "$(jq .exit report.json)" -eq 0 ]
    leat gen:?count=1 : made --report nowhere/report.json
    [ "$code" -eq 3 ]
    [ ! -e made ]
    told 'leat: --report: nowhere/report.json: No such file or directory'
}

@test "standard output that is full is an error, not a success" {
    code=0
    "$LEAT" gen:?count=1000 : - >/dev/full 2>err || code=$?
    cat err
    [ "$code" -eq 1 ]
    told 'No space left on device'
    balanced
    code=0
    "$LEAT" --help >/dev/full 2>err || code=$?
    [ "$code" -eq 1 ]
    told 'leat: standard output: No space left on device'
}

@test "when the reader goes away the program goes, quietly, with 141" {
    code=0
    { "$LEAT" gen:?count=1e9 : - 2>err && echo 0 >code || echo $? >code; } | head -1 >/dev/null
    [ "$(cat code)" -eq 141 ]
    cat err
    [ ! -s err ]
}

@test "the deadline ends a run with 5, and the counts balance" {
    leat gen:?count=1e9 : rate 100/s : null: --deadline 1s
    [ "$code" -eq 5 ]
    balanced
    [ "$in" -gt 0 ]
}

# start ARGUMENT…: run it in the background, until its sink has something; its number in $pid.
start() {
    "$LEAT" "$@" >out 2>err </dev/null &
    pid=$!
    until_exists out
}

@test "the first signal drains: all that was read is delivered, exit code 128 + 15" {
    start gen:?count=1e9 : rate 2000/s : -
    kill -TERM "$pid"
    code=0
    wait "$pid" || code=$?
    [ "$code" -eq 143 ]
    told 'leat: stopping: finishing'
    balanced
    [ "$returned" -eq 0 ]
    [ "$delivered" -gt 0 ]
    [ "$(wc -l <out)" -eq "$delivered" ]
}

@test "--stop drop gives back what is not delivered, and the counts balance" {
    start gen:?count=1e9 : rate 200/s : - --stop drop --batch 100
    kill -TERM "$pid"
    code=0
    wait "$pid" || code=$?
    [ "$code" -eq 143 ]
    told 'leat: stopping: giving back'
    balanced
    [ "$returned" -gt 0 ]
    [ "$(wc -l <out)" -eq "$delivered" ]
}

@test "SIGINT counts too, unless whoever started the program had it ignored" {
    env --default-signal=INT "$LEAT" gen:?count=1e9 : rate 2000/s : - >out 2>err </dev/null &
    pid=$!
    until_exists out
    kill -INT "$pid"
    code=0
    wait "$pid" || code=$?
    [ "$code" -eq 130 ]
    balanced
    [ "$returned" -eq 0 ]
    env --ignore-signal=INT "$LEAT" gen:?count=300 --rate 1000/s : - >out 2>err </dev/null &
    pid=$!
    until_exists out
    kill -INT "$pid"
    wait "$pid"
    told 'leat: 300 in = 300 delivered'
}

@test "the second signal drops" {
    start gen:?count=1e9 --rate 100/s : rate 2/s : - --batch 50
    sleep 0.5
    kill -TERM "$pid"
    until_told 'finishing'
    kill -TERM "$pid"
    code=0
    wait "$pid" || code=$?
    [ "$code" -eq 143 ]
    told 'leat: stopping: giving back'
    balanced
    [ "$returned" -gt 0 ]
    [ "$(wc -l <out)" -eq "$delivered" ]
}

# stuck ARGUMENT…: run into a pipe that nobody reads, until nothing moves; $pid, and $reader, which holds the pipe open.
stuck() {
    mkfifo pipe
    sleep 600 <>pipe 3>&- &
    reader=$!
    "$LEAT" gen:?count=1e9 : pipe --stats "$@" >out 2>err </dev/null 3>&- &
    pid=$!
    until_told ' 0/s, 0 B/s'
}

@test "the third signal ends at once" {
    stuck
    kill -TERM "$pid"
    until_told 'finishing'
    kill -TERM "$pid"
    until_told 'giving back'
    kill -TERM "$pid"
    code=0
    wait "$pid" || code=$?
    kill "$reader"
    [ "$code" -eq 143 ]
    told 'leat: exit at once; '
}

@test "a stop that cannot end ends after its grace, says what is held, and exits with 5" {
    stuck --grace 200ms
    kill -TERM "$pid"
    code=0
    wait "$pid" || code=$?
    kill "$reader"
    cat err
    [ "$code" -eq 5 ]
    told 'still held'
    told 'pipe'
    told 'leat: '
    grep -q '^leat: [0-9]* in = ' err
}

@test "a queue between two runs: what is delivered leaves it, what failed stays to be looked at" {
    printf '{"a":"1"}\n{broken\n{"a":"b"}\n' >mixed
    leat mixed : queue:jobs
    [ "$code" -eq 0 ]
    told 'leat: 3 in = 3 delivered'
    leat queue:jobs : match -f .a 'x=\d' : where .x : -
    [ "$code" -eq 1 ]
    told 'leat: 3 in = 1 delivered + 1 filtered + 1 failed '
    [ "$(cat out)" = '{"a":"1","x":["1"]}' ]
    leat queue ls jobs --json
    [ "$code" -eq 0 ]
    [ "$(jq -s '[.[] | .. | .ready? // empty] | add' out)" -eq 0 ]
    [ "$(jq -s '[.[] | .. | .dead? // empty] | add' out)" -eq 1 ]
    leat queue ls
    [ "$code" -eq 2 ]
    leat queue ls nowhere
    [ "$code" -eq 3 ]
    leat queue:nowhere : -
    cat err
    [ "$code" -eq 3 ]
}

@test "a trace tells where the time of an item went: by position, by id, every Nth" {
    leat 'gen:?count=1000' : match -n find x=y : queue:q --trace 1/100
    [ "$code" -eq 0 ]
    [ "$(grep -c '^leat: trace: item [0-9]*00 (id [0-9a-f]\{16\}, with [0-9]* others) delivered: ' err)" -eq 10 ]
    grep '^leat: trace: item 700 ' err | grep -q 'in find [0-9.]* ms, .*in queue:q [0-9.]* ms, .* ms since it was read$'
    id=$(sed -n 's/^leat: trace: item 700 (id \([0-9a-f]*\),.*/\1/p' err)
    for wanted in 700 "$id"; do
        leat 'gen:?count=1000' : where .nothing : null: --trace "$wanted"
        [ "$(grep -c '^leat: trace: ' err)" -eq 1 ]
        grep -q "^leat: trace: item 700 (id $id, with [0-9]* others) filtered: " err
    done
    for wrong in x 1/0 0 1/ -1 1/x 123456789012345678901234567890; do
        leat 'gen:?count=1' : null: --trace "$wrong"
        [ "$code" -eq 2 ]
    done
}

@test "progress is a matter of terminals" {
    leat gen:?count=1000 --rate 1000/s : null:
    [ "$(tr -cd '\r' <err | wc -c)" -eq 0 ]
    TERM=xterm script -qec "'$LEAT' 'gen:?count=1000' --rate 1000/s : null:" typescript >terminal </dev/null
    tr '\r' '\n' <terminal | grep -q '^[0-9]* of 1000 ('
    tr '\r' '\n' <terminal | grep -q 'leat: 1000 in = 1000 delivered'
    TERM=dumb script -qec "'$LEAT' 'gen:?count=1000' --rate 1000/s : null:" typescript >terminal </dev/null
    tr '\r' '\n' <terminal >lines
    never grep -q '^[0-9]* of 1000 (' lines
    TERM=xterm script -qec "'$LEAT' -q 'gen:?count=1000' --rate 1000/s : null:" typescript >terminal </dev/null
    [ ! -s terminal ]
    TERM=xterm COLUMNS=40 script -qec "'$LEAT' 'gen:?count=1000' --rate 1000/s : null:" typescript >terminal </dev/null
    tr '\r' '\n' <terminal | grep '^[0-9]* of 1000' | sed 's/\x1b\[K//' >lines
    [ -s lines ]
    [ "$(awk 'length > 39' lines | wc -l)" -eq 0 ]
}

@test "the version is the library's" {
    leat --version
    [ "$code" -eq 0 ]
    [[ "$(cat out)" =~ ^leat\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}
