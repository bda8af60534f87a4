// SPDX-License-Identifier: MIT

// The Go side of bench/amqp/run: messages of a queue through five patterns into
// another queue, as one writes it with amqp091-go: workers are goroutines, each
// with a channel to publish on; a message is acknowledged when the broker has
// confirmed its result.
//
// A worker does not wait for a confirmation before it takes the next message (it
// would spend its time waiting: a few hundred messages a second); up to `window`
// of its results are under way. Confirmations come through NotifyPublish, in
// order, so that the deliveries that wait for them are a queue. (Deferred
// confirmations of amqp091-go 1.5 register after the send, and a fast
// confirmation is lost: Wait hangs for ever.)
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"regexp"
	"strconv"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	prefetch    = 1000
	window      = 1000 // as many results as there can be deliveries
	consumerTag = "go-amqp"
)

type message struct {
	N       int      `json:"n"`
	Content string   `json:"content"`
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

func find(pattern *regexp.Regexp, text string) []string {
	found := pattern.FindAllString(text, -1)
	if found == nil {
		return []string{}
	}
	return found
}

func process(input []byte) ([]byte, error) {
	var m message
	if err := json.Unmarshal(input, &m); err != nil {
		return nil, err
	}
	m.Emails = find(patterns[0], m.Content)
	m.URLs = find(patterns[1], m.Content)
	m.Phones = find(patterns[2], m.Content)
	m.Dates = find(patterns[3], m.Content)
	m.Tags = find(patterns[4], m.Content)
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(&m); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// acknowledge takes the worker's confirmations; done counts every message that is finished.
func acknowledge(confirmations <-chan amqp.Confirmation, waiting <-chan amqp.Delivery, done chan<- struct{}) {
	for confirmation := range confirmations {
		delivery := <-waiting
		if confirmation.Ack {
			check(delivery.Ack(false))
		} else {
			check(delivery.Nack(false, true))
			continue
		}
		done <- struct{}{}
	}
}

func work(publisher *amqp.Connection, queue string, deliveries <-chan amqp.Delivery, done chan<- struct{}) {
	channel, err := publisher.Channel()
	check(err)
	check(channel.Confirm(false))
	confirmations := channel.NotifyPublish(make(chan amqp.Confirmation, window))
	waiting := make(chan amqp.Delivery, window)
	go acknowledge(confirmations, waiting, done)
	for delivery := range deliveries {
		body, err := process(delivery.Body)
		if err != nil {
			check(delivery.Nack(false, false))
			done <- struct{}{}
			continue
		}
		waiting <- delivery
		check(channel.PublishWithContext(context.Background(), "", queue, true, false, amqp.Publishing{
			ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: body}))
	}
}

func main() {
	if len(os.Args) != 6 {
		log.Fatal("usage: go-amqp URL IN OUT WORKERS MESSAGES")
	}
	workers, err := strconv.Atoi(os.Args[4])
	check(err)
	messages, err := strconv.Atoi(os.Args[5])
	check(err)
	consumer, err := amqp.Dial(os.Args[1])
	check(err)
	publisher, err := amqp.Dial(os.Args[1])
	check(err)
	channel, err := consumer.Channel()
	check(err)
	check(channel.Qos(prefetch, 0, false))
	deliveries, err := channel.Consume(os.Args[2], consumerTag, false, false, false, false, nil)
	check(err)
	done := make(chan struct{}, prefetch)
	var group sync.WaitGroup
	for worker := 0; worker < workers; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			work(publisher, os.Args[3], deliveries, done)
		}()
	}
	for i := 0; i < messages; i++ {
		<-done
	}
	check(channel.Cancel(consumerTag, false))
	// A quorum queue's channel keeps acknowledgements back and forgets them when it is closed. After the answer to cancel the queue
	// has applied what it had, and after one more answer the channel has passed on the rest.
	_, err = channel.QueueDeclarePassive(os.Args[2], true, false, false, false, nil)
	check(err)
	check(consumer.Close()) // also ends the deliveries, and with them the workers
	group.Wait()
	check(publisher.Close())
	fmt.Println(messages, "messages")
}
