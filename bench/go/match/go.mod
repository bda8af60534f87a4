module leat/bench/match

go 1.18
