// bullmq: no-op jobs of BullMQ (https://bullmq.io) for tools/bench runtime.
//
//   node main.js fill SOCKET USER PASSWORD DB FILE    one job a line of FILE
//   node main.js work SOCKET USER PASSWORD DB COUNT   prints "first MICROSECONDS" (since the epoch) at the first job and
//                                                  "done MICROSECONDS" when COUNT are completed in Redis; ends when
//                                                  its input does
import { readFileSync } from 'node:fs'
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'

const FILL_BATCH = 1000
const CONCURRENCY = Number(process.env.WORKERS ?? 100)
const QUEUE = 'noop'

const tell = what => console.log(what, Math.round((performance.timeOrigin + performance.now()) * 1000))

async function fill (connection, file) {
  const queue = new Queue(QUEUE, { connection, defaultJobOptions: { removeOnComplete: true } })
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  for (let at = 0; at < lines.length; at += FILL_BATCH) {
    await queue.addBulk(lines.slice(at, at + FILL_BATCH).map(line => ({ name: 'noop', data: JSON.parse(line) })))
  }
  await queue.close()
}

async function work (connection, count) {
  let first = true
  let completed = 0
  const worker = new Worker(QUEUE, async () => {
    if (first) {
      first = false
      tell('first')
    }
  }, { connection, concurrency: CONCURRENCY, removeOnComplete: { count: 0 } })
  worker.on('error', error => { throw error })
  await new Promise(resolve => worker.on('completed', () => { if (++completed === count) resolve() }))
  tell('done')
  process.stdin.resume()
  await new Promise(resolve => process.stdin.on('end', resolve))
  await worker.close()
}

const [what, path, username, password, db, last] = process.argv.slice(2)
const connection = new Redis({ path, username, password, db: Number(db), maxRetriesPerRequest: null })
await (what === 'fill' ? fill(connection, last) : work(connection, Number(last)))
await connection.quit()
process.exit(0)
