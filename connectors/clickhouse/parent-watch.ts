import { workerData } from 'node:worker_threads'

/** A thread that ends the embedded ClickHouse's process soon after its parent has ended, even while the main thread is blocked. */
const { parent } = workerData as { readonly parent: number }

setInterval(() => {
  if (process.ppid !== parent) setTimeout(() => process.kill(process.pid, 'SIGKILL'), graceMs)
}, 500)

/** The grace is longer than a clean stop of the database takes. */
const graceMs = 8_000
