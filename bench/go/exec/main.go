// SPDX-License-Identifier: MIT

// Run a command for each line of standard input, with so many goroutines: exec WORKERS COMMAND.
// What the command writes is kept and forgotten, as by leat.
package main

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"sync"
)

func main() {
	workers, _ := strconv.Atoi(os.Args[1])
	lines := make(chan string, workers)
	var group sync.WaitGroup
	for i := 0; i < workers; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for line := range lines {
				exec.Command(os.Args[2], line).Output()
			}
		}()
	}
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		lines <- input.Text()
	}
	close(lines)
	group.Wait()
}
