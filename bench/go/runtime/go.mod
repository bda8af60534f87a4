module leat/bench/runtime

go 1.18
