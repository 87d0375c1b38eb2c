// asynq: no-op jobs of Asynq (https://github.com/hibiken/asynq) for tools/bench runtime.
//
//	asynq fill REDIS_URL FILE    one job a line of FILE
//	asynq work REDIS_URL COUNT   prints "first MICROSECONDS" (since the epoch) at the first job and
//	                             "done MICROSECONDS" when none of COUNT is left in Redis; ends when
//	                             its input does
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
)

const fillers = 32

func number(name string, otherwise int) int {
	if value, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return value
	}
	return otherwise
}

func tell(what string) { fmt.Println(what, time.Now().UnixMicro()) }

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func fill(redis asynq.RedisConnOpt, path string) {
	client := asynq.NewClient(redis)
	defer client.Close()
	file, err := os.Open(path)
	check(err)
	lines := make(chan []byte, fillers)
	var wait sync.WaitGroup
	for range fillers {
		wait.Go(func() {
			for line := range lines {
				_, err := client.Enqueue(asynq.NewTask("noop", line), asynq.MaxRetry(3))
				check(err)
			}
		})
	}
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		lines <- append([]byte(nil), scanner.Bytes()...)
	}
	close(lines)
	wait.Wait()
}

func work(redis asynq.RedisConnOpt, count int64) {
	var first sync.Once
	var worked atomic.Int64
	server := asynq.NewServer(redis, asynq.Config{Concurrency: number("WORKERS", 100), LogLevel: asynq.ErrorLevel})
	check(server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		first.Do(func() { tell("first") })
		worked.Add(1)
		return nil
	})))
	for worked.Load() < count {
		time.Sleep(2 * time.Millisecond)
	}
	inspector := asynq.NewInspector(redis)
	for {
		queue, err := inspector.GetQueueInfo("default")
		check(err)
		if queue.Size == 0 {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	tell("done")
	io.Copy(io.Discard, os.Stdin)
	server.Shutdown()
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("arguments: see the head of main.go")
	}
	redis, err := asynq.ParseRedisURI(os.Args[2])
	check(err)
	if os.Args[1] == "fill" {
		fill(redis, os.Args[3])
		return
	}
	count, err := strconv.ParseInt(os.Args[3], 10, 64)
	check(err)
	work(redis, count)
}
