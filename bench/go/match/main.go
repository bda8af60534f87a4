// SPDX-License-Identifier: MIT

// The Go side of bench/match.c: the same messages, the same patterns, with
// encoding/json and regexp. GOMAXPROCS goroutines share the work.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const (
	messages = 8192
	words    = 132
)

type message struct {
	ID      int      `json:"id"`
	From    string   `json:"from"`
	Content string   `json:"content"`
	Read    bool     `json:"read"`
	Emails  []string `json:"emails"`
	URLs    []string `json:"urls"`
	Phones  []string `json:"phones"`
	Dates   []string `json:"dates"`
	Tags    []string `json:"tags"`
}

var patterns = []*regexp.Regexp{
	regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}`),
	regexp.MustCompile(`https?://[^\s"<>]+`),
	regexp.MustCompile(`\+?\d{1,3}[-. ]\d{3}[-. ]\d{3}[-. ]\d{4}`),
	regexp.MustCompile(`\b\d{4}-\d{2}-\d{2}\b`),
	regexp.MustCompile(`#\w+`),
}

var plain = []string{
	"the", "release", "notes", "say", "that", "every", "worker", "takes", "a", "batch",
	"and", "returns", "it,", "12", "times", "(see", "below)", "naïve", "Grüße", "日本語",
	"to-day", "at", "10:45", "costs", "$3.50", "per", "item.", "Please", "answer", "soon:",
	"1.2.3", "x/y", `\"so\"`, `\u00e9t\u00e9`, `line\n`, `tab\there`, `C:\\x`, "50%", "e.g.", "—",
}
var names = []string{"anna", "bob.smith", "c+d", "eve_99", "joe-x"}
var hosts = []string{"example.org", "mail.corp.net", "a-b.de", "sub.dom.example.com"}

func nextRandom(state *uint64) uint64 {
	*state = *state*6364136223846793005 + 1442695040888963407
	return *state >> 33
}

func makeMessage(state *uint64, number int) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, `{"id":%d,"from":"sender%d","content":"`, number, number%97)
	for i := 0; i < words; i++ {
		name := names[nextRandom(state)%5]
		host := hosts[nextRandom(state)%4]
		some := nextRandom(state)%9000 + 1000
		kind := nextRandom(state) % 1000
		switch {
		case kind < 13:
			fmt.Fprintf(&out, "%s@%s", name, host)
		case kind < 26:
			fmt.Fprintf(&out, "https://%s/p/%d?q=%s", host, some, name)
		case kind < 34:
			fmt.Fprintf(&out, "+1-%d-%d-%d", some%900+100, some%800+100, some)
		case kind < 47:
			fmt.Fprintf(&out, "20%02d-%02d-%02d", some%100, some%12+1, some%28+1)
		case kind < 62:
			fmt.Fprintf(&out, "#tag%d", some)
		default:
			out.WriteString(plain[nextRandom(state)%40])
		}
		out.WriteByte(' ')
	}
	fmt.Fprintf(&out, `","read":%t}`, number%2 == 1)
	return out.Bytes()
}

func process(input []byte, out *bytes.Buffer) {
	var m message
	if err := json.Unmarshal(input, &m); err != nil {
		panic(err)
	}
	m.Emails = patterns[0].FindAllString(m.Content, -1)
	m.URLs = patterns[1].FindAllString(m.Content, -1)
	m.Phones = patterns[2].FindAllString(m.Content, -1)
	m.Dates = patterns[3].FindAllString(m.Content, -1)
	m.Tags = patterns[4].FindAllString(m.Content, -1)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(&m); err != nil {
		panic(err)
	}
}

func processText(text string) {
	for _, pattern := range patterns {
		pattern.FindAllStringIndex(text, -1)
	}
}

func processorSeconds() float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

func measure(name string, size func(index int, out *bytes.Buffer) int) {
	used := processorSeconds()
	begin := time.Now()
	workers := runtime.GOMAXPROCS(0)
	totals := make([]int, workers)
	var group sync.WaitGroup
	for worker := 0; worker < workers; worker++ {
		group.Add(1)
		go func(worker int) {
			defer group.Done()
			var out bytes.Buffer
			for i := 0; time.Since(begin) < time.Second; i = (i + 1) % messages {
				out.Reset()
				totals[worker] += size(i, &out)
			}
		}(worker)
	}
	group.Wait()
	sum := 0
	for _, total := range totals {
		sum += total
	}
	fmt.Printf("%s %.1f MB/s\n", name, float64(sum)/1e6/time.Since(begin).Seconds())
	fmt.Printf("%s-core %.1f MB/s\n", name, float64(sum)/1e6/(processorSeconds()-used))
}

func main() {
	state := uint64(42)
	inputs := make([][]byte, messages)
	texts := make([]string, messages)
	for i := range inputs {
		inputs[i] = makeMessage(&state, i)
		var m message
		if err := json.Unmarshal(inputs[i], &m); err != nil {
			panic(err)
		}
		texts[i] = m.Content
	}
	if len(os.Args) > 1 {
		out := bufio.NewWriter(os.Stdout)
		defer out.Flush()
		for _, input := range inputs {
			var line bytes.Buffer
			if os.Args[1] == "input" {
				line.Write(input)
				line.WriteByte('\n')
			} else {
				process(input, &line)
			}
			out.Write(line.Bytes())
		}
		return
	}
	measure("match", func(i int, out *bytes.Buffer) int {
		process(inputs[i], out)
		return len(inputs[i])
	})
	measure("match-text", func(i int, _ *bytes.Buffer) int {
		processText(texts[i])
		return len(texts[i])
	})
}
