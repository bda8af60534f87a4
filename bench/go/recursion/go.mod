module leat/bench/recursion

go 1.18
