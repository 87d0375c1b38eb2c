// river: no-op jobs of River (https://riverqueue.com) for tools/bench runtime.
//
//	river fill POSTGRES_URL FILE    one job a line of FILE, a job's JSON
//	river work POSTGRES_URL COUNT   prints "first MICROSECONDS" (since the epoch) at the first job and
//	                                "done MICROSECONDS" when COUNT are completed in the database; ends
//	                                when its input does
//
// As River's own bench runs it: no timeout timers a job, the shortest fetch cooldown, workers and
// connections by trial on two cores.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

const fillBatch = 5000

func number(name string, otherwise int) int {
	if value, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return value
	}
	return otherwise
}

type envelope struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"`
	Type        string          `json:"type"`
	Source      string          `json:"source"`
	Subject     string          `json:"subject"`
	Time        string          `json:"time"`
	ContentType string          `json:"datacontenttype"`
	Data        json.RawMessage `json:"data"`
}

func (envelope) Kind() string { return "noop" }

func tell(what string) { fmt.Println(what, time.Now().UnixMicro()) }

type worker struct {
	river.WorkerDefaults[envelope]
	first sync.Once
}

func (w *worker) Work(context.Context, *river.Job[envelope]) error {
	w.first.Do(func() { tell("first") })
	return nil
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func open(ctx context.Context, url string) *pgxpool.Pool {
	config, err := pgxpool.ParseConfig(url)
	check(err)
	config.MaxConns = int32(number("CONNECTIONS", 20))
	pool, err := pgxpool.NewWithConfig(ctx, config)
	check(err)
	return pool
}

func fill(ctx context.Context, pool *pgxpool.Pool, path string) {
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	check(err)
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	check(err)
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{})
	check(err)
	_, err = pool.Exec(ctx, "TRUNCATE river_job")
	check(err)
	file, err := os.Open(path)
	check(err)
	lines := bufio.NewScanner(file)
	batch := make([]river.InsertManyParams, 0, fillBatch)
	insert := func() {
		if len(batch) > 0 {
			_, err := client.InsertManyFast(ctx, batch)
			check(err)
			batch = batch[:0]
		}
	}
	for lines.Scan() {
		var job envelope
		check(json.Unmarshal(lines.Bytes(), &job))
		if batch = append(batch, river.InsertManyParams{Args: job}); len(batch) == fillBatch {
			insert()
		}
	}
	insert()
	_, err = pool.Exec(ctx, "VACUUM ANALYZE river_job")
	check(err)
}

func work(ctx context.Context, pool *pgxpool.Pool, count int) {
	workers := river.NewWorkers()
	river.AddWorker(workers, &worker{})
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		FetchCooldown:     time.Duration(number("COOLDOWN_MS", 2)) * time.Millisecond,
		FetchPollInterval: 20 * time.Millisecond,
		JobTimeout:        -1,
		Logger:            slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: number("WORKERS", 2000)}},
		Workers:           workers,
	})
	check(err)
	completed, stop := client.SubscribeConfig(&river.SubscribeConfig{
		ChanSize: count + 1, Kinds: []river.EventKind{river.EventKindJobCompleted}})
	defer stop()
	check(client.Start(ctx))
	for seen := 0; seen < count; seen++ {
		<-completed
	}
	tell("done")
	io.Copy(io.Discard, os.Stdin)
	check(client.Stop(ctx))
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("arguments: see the head of main.go")
	}
	ctx := context.Background()
	pool := open(ctx, os.Args[2])
	defer pool.Close()
	if os.Args[1] == "fill" {
		fill(ctx, pool, os.Args[3])
		return
	}
	count, err := strconv.Atoi(os.Args[3])
	check(err)
	work(ctx, pool, count)
}

