module exec

go 1.18
