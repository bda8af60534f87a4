// SPDX-License-Identifier: MIT

// The work of bench/recursion in Go, in three ways: plain; a goroutine for each
// call; and delegation, in which a call goes to an idle goroutine if one waits
// at the channel, and is made here otherwise.
package main

import (
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

func fib(n uint) uint64 {
	if n < 2 {
		return uint64(n)
	}
	return fib(n-1) + fib(n-2)
}

func goFib(n uint) uint64 {
	if n < 2 {
		return uint64(n)
	}
	var done sync.WaitGroup
	var other uint64
	done.Add(1)
	go func() {
		other = goFib(n - 2)
		done.Done()
	}()
	one := goFib(n - 1)
	done.Wait()
	return one + other
}

const size = 12

type board struct {
	row     uint8
	columns [size]uint8
}

func (b *board) safe(column int) bool {
	for i := 0; i < int(b.row); i++ {
		distance, other := int(b.row)-i, int(b.columns[i])
		if other == column || other+distance == column || column+distance == other {
			return false
		}
	}
	return true
}

func (b *board) with(column int) board {
	next := *b
	next.columns[next.row] = uint8(column)
	next.row++
	return next
}

func place(b *board) (solutions uint64) {
	if b.row == size {
		return 1
	}
	for column := 0; column < size; column++ {
		if b.safe(column) {
			next := b.with(column)
			solutions += place(&next)
		}
	}
	return solutions
}

func goPlace(b board) uint64 {
	if b.row == size {
		return 1
	}
	var done sync.WaitGroup
	var solutions uint64
	for column := 0; column < size; column++ {
		if b.safe(column) {
			next := b.with(column)
			done.Add(1)
			go func() {
				atomic.AddUint64(&solutions, goPlace(next))
				done.Done()
			}()
		}
	}
	done.Wait()
	return solutions
}

// A node of the published tree T1, as in tests/runtime/uts.h.
type node struct {
	hash   [20]byte
	height int
}

func root() node {
	var seed [20]byte
	seed[19] = 19
	return node{hash: sha1.Sum(seed[:])}
}

func (n *node) children() int {
	chance := float64(binary.BigEndian.Uint32(n.hash[16:])&0x7fffffff) / 2147483648.0
	if n.height >= 10 {
		return 0
	}
	return int(math.Floor(math.Log(1-chance) / math.Log(1-1.0/5)))
}

func (n *node) child(i int) node {
	var message [24]byte
	copy(message[:], n.hash[:])
	binary.BigEndian.PutUint32(message[20:], uint32(i))
	return node{sha1.Sum(message[:]), n.height + 1}
}

func search(n *node) uint64 {
	nodes := uint64(1)
	for i, count := 0, n.children(); i < count; i++ {
		child := n.child(i)
		nodes += search(&child)
	}
	return nodes
}

// Delegation. Results are summed up by whoever makes the calls, so that a call
// that is not given away allocates nothing.
type call struct {
	n     uint
	board *board
	node  node
}

type worker struct {
	sum uint64
	_   [56]byte
}

var (
	offers  = make(chan call)
	pending sync.WaitGroup
)

func (w *worker) delegate(c call) {
	pending.Add(1)
	select {
	case offers <- c:
	default:
		w.make(c)
		pending.Done()
	}
}

func (w *worker) make(c call) {
	switch {
	case c.board != nil:
		w.place(c.board)
	case c.n > 0:
		w.fib(c.n)
	default:
		w.search(&c.node)
	}
}

func (w *worker) fib(n uint) {
	if n == 1 {
		w.sum++
		return
	}
	if n > 2 {
		w.delegate(call{n: n - 2})
	}
	w.fib(n - 1)
}

func (w *worker) place(b *board) {
	if b.row == size {
		w.sum++
		return
	}
	for column := 0; column < size; column++ {
		if b.safe(column) {
			next := b.with(column)
			w.delegate(call{board: &next})
		}
	}
}

func (w *worker) search(n *node) {
	w.sum++
	for i, count := 0, n.children(); i < count; i++ {
		w.delegate(call{node: n.child(i)})
	}
}

func delegated(c call) (sum uint64) {
	workers := make([]worker, runtime.GOMAXPROCS(0))
	for i := 1; i < len(workers); i++ {
		go func(w *worker) {
			for c := range offers {
				w.make(c)
				pending.Done()
			}
		}(&workers[i])
	}
	workers[0].make(c)
	pending.Wait()
	for i := range workers {
		sum += workers[i].sum
	}
	return sum
}

func must(good bool, what string) {
	if !good {
		fmt.Fprintln(os.Stderr, "bench:", what)
		os.Exit(1)
	}
}

func work(way, what string, n uint) uint64 {
	start := root()
	switch way + " " + what {
	case "plain fib":
		return fib(n)
	case "plain queens":
		return place(&board{})
	case "plain tree":
		return search(&start)
	case "goroutines fib":
		return goFib(n)
	case "goroutines queens":
		return goPlace(board{})
	case "delegation fib":
		return delegated(call{n: n})
	case "delegation queens":
		return delegated(call{board: &board{}})
	case "delegation tree":
		return delegated(call{node: start})
	}
	must(false, "usage: recursion plain|goroutines|delegation fib|queens|tree (no goroutines for the tree)")
	return 0
}

func main() {
	must(len(os.Args) == 3, "usage: recursion WAY WORK")
	way, what := os.Args[1], os.Args[2]
	n := map[string]uint{"plain": 38, "goroutines": 28, "delegation": 36}[way]
	begin := time.Now()
	result := work(way, what, n)
	seconds := time.Since(begin).Seconds()
	if what == "fib" {
		must(result == fib(n), "fib")
		fmt.Printf("fib %.6g ns/call\n", seconds*1e9/float64(2*fib(n+1)-1))
		return
	}
	must(result == map[string]uint64{"queens": 14200, "tree": 4130071}[what], what)
	fmt.Printf("%s %.6g s\n", what, seconds)
}
