import { workerData } from 'node:worker_threads'

/** Runs on a thread of the embedded ClickHouse's process, and ends that process soon after its parent, whatever its other threads do. */
const { parent } = workerData as { readonly parent: number }

setInterval(() => {
  if (process.ppid !== parent) setTimeout(() => process.kill(process.pid, 'SIGKILL'), graceMs)
}, 500)

/** Longer than a stop takes: the database is closed cleanly where that can be. */
const graceMs = 8_000
