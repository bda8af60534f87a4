// SPDX-License-Identifier: MIT

// The rows of bench/*.c in Go, as one would write them: same numbers of tasks,
// values and capacities, one process a row. Threads come from GOMAXPROCS.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

func report(name string, value float64, unit string) {
	fmt.Printf("%s %.6g %s\n", name, value, unit)
}

func must(good bool, what string) {
	if !good {
		fmt.Fprintln(os.Stderr, "bench:", what)
		os.Exit(1)
	}
}

func yielding(name string) {
	const yielders, yields = 8, 500 * 1000
	var wg sync.WaitGroup
	begin := time.Now()
	wg.Add(yielders)
	for i := 0; i < yielders; i++ {
		go func() {
			for i := 0; i < yields; i++ {
				runtime.Gosched()
			}
			wg.Done()
		}()
	}
	wg.Wait()
	report(name, time.Since(begin).Seconds()*1e9/yielders/yields, "ns/switch")
}

func pingpong(name string) {
	const trips = 1000 * 1000
	there, back := make(chan int64), make(chan int64)
	go func() {
		for ball := range there {
			back <- ball
		}
	}()
	begin := time.Now()
	for i := int64(0); i < trips; i++ {
		there <- i
		must(<-back == i, "the ball")
	}
	report(name, time.Since(begin).Seconds()*1e9/trips, "ns/trip")
	close(there)
}

func traffic(capacity, producers, consumers int, values int64) func(string) {
	return func(name string) {
		share := values / int64(producers)
		var lock sync.Mutex
		var received, sum int64
		var producing, consuming sync.WaitGroup
		begin := time.Now()
		road := make(chan int64, capacity)
		producing.Add(producers)
		consuming.Add(consumers)
		for i := 0; i < consumers; i++ {
			go func() {
				var r, s int64
				for value := range road {
					r++
					s += value
				}
				lock.Lock()
				received += r
				sum += s
				lock.Unlock()
				consuming.Done()
			}()
		}
		for i := 0; i < producers; i++ {
			go func() {
				for i := int64(0); i < share; i++ {
					road <- i
				}
				producing.Done()
			}()
		}
		producing.Wait()
		close(road)
		consuming.Wait()
		seconds := time.Since(begin).Seconds()
		must(received == values && sum == share*(share-1)/2*int64(producers), "the sum")
		report(name, float64(values)/seconds/1e6, "M/s")
	}
}

func selecting(capacity int, values int64) func(string) {
	return func(name string) {
		const channels = 4
		share := values / channels
		var feeds [channels]chan int64
		var wg sync.WaitGroup
		var sum int64
		begin := time.Now()
		wg.Add(channels)
		for i := range feeds {
			feed := make(chan int64, capacity)
			feeds[i] = feed
			go func() {
				for i := int64(0); i < share; i++ {
					feed <- i
				}
				wg.Done()
			}()
		}
		for i := int64(0); i < values; i++ {
			var value int64
			select {
			case value = <-feeds[0]:
			case value = <-feeds[1]:
			case value = <-feeds[2]:
			case value = <-feeds[3]:
			}
			sum += value
		}
		wg.Wait()
		seconds := time.Since(begin).Seconds()
		must(sum == share*(share-1)/2*channels, "the sum")
		report(name, float64(values)/seconds/1e6, "M/s")
	}
}

const tasks = 1000 * 1000

func spawnAndJoin(count int) {
	var wg sync.WaitGroup
	wg.Add(count)
	for i := 0; i < count; i++ {
		go func() { wg.Done() }()
	}
	wg.Wait()
}

func spawn(name string) {
	begin := time.Now()
	spawnAndJoin(tasks)
	report(name, time.Since(begin).Seconds()*1e9/tasks, "ns/task")
}

func spawnBatches(name string) {
	const batch = 1000
	begin := time.Now()
	for i := 0; i < tasks/batch; i++ {
		spawnAndJoin(batch)
	}
	report(name, time.Since(begin).Seconds()*1e9/tasks, "ns/task")
}

func cpu() float64 {
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil, "getrusage")
	return float64(usage.Utime.Sec+usage.Stime.Sec) + float64(usage.Utime.Usec+usage.Stime.Usec)/1e6
}

func nap(i int) time.Duration {
	return time.Duration(int64(uint32(i)*2654435769) * int64(time.Second) >> 32)
}

func timers(name string) {
	var wg sync.WaitGroup
	begin, before := time.Now(), cpu()
	wg.Add(tasks)
	for i := 0; i < tasks; i++ {
		duration := nap(i)
		go func() {
			time.Sleep(duration)
			wg.Done()
		}()
	}
	wg.Wait()
	report(name, time.Since(begin).Seconds(), "s")
	report("timers-cpu", cpu()-before, "s")
}

func resident() float64 {
	text, err := os.ReadFile("/proc/self/statm")
	must(err == nil, "/proc/self/statm")
	var size, pages int64
	_, err = fmt.Fscan(strings.NewReader(string(text)), &size, &pages)
	must(err == nil, "/proc/self/statm")
	return float64(pages) * float64(os.Getpagesize())
}

func idle(name string) {
	const count = 200 * 1000
	door := make(chan byte)
	var arrived, left sync.WaitGroup
	before := resident()
	arrived.Add(count)
	left.Add(count)
	for i := 0; i < count; i++ {
		go func() {
			arrived.Done()
			<-door
			left.Done()
		}()
	}
	arrived.Wait()
	time.Sleep(50 * time.Millisecond)
	report(name, (resident()-before)/count, "B/task")
	close(door)
	left.Wait()
}

func sieve(name string) {
	const primes, lastPrime = 3000, 27449
	begin := time.Now()
	first := make(chan int64)
	go func() {
		for i := int64(2); ; i++ {
			first <- i
		}
	}()
	in, prime := first, int64(0)
	for i := 0; i < primes; i++ {
		prime = <-in
		out := make(chan int64)
		go func(in, out chan int64, prime int64) {
			for {
				if value := <-in; value%prime != 0 {
					out <- value
				}
			}
		}(in, out, prime)
		in = out
	}
	must(prime == lastPrime, "the last prime")
	report(name, time.Since(begin).Seconds(), "s")
}

func main() {
	rows := map[string]func(string){
		"switch":            yielding,
		"pingpong":          pingpong,
		"spsc":              traffic(128, 1, 1, 8000000),
		"mpsc":              traffic(128, 4, 1, 8000000),
		"mpmc":              traffic(128, 4, 4, 8000000),
		"unbuffered":        traffic(0, 4, 4, 2000000),
		"select":            selecting(128, 4000000),
		"select-unbuffered": selecting(0, 2000000),
		"spawn":             spawn,
		"spawn-batches":     spawnBatches,
		"timers":            timers,
		"idle":              idle,
		"sieve":             sieve,
	}
	if len(os.Args) == 2 && rows[os.Args[1]] != nil {
		rows[os.Args[1]](os.Args[1])
		return
	}
	fmt.Fprintln(os.Stderr, "usage: runtime ROW")
	os.Exit(2)
}
