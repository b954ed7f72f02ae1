import { workerData } from 'node:worker_threads'

/**
 * The program of a thread that ends the embedded ClickHouse's process after the parent process has ended. The thread works even while the main thread
 * is blocked.
 */
const { parent } = workerData as { readonly parent: number }

setInterval(() => {
  if (process.ppid !== parent) setTimeout(() => process.kill(process.pid, 'SIGKILL'), graceMs)
}, 500)

/** Longer than a clean stop of the database takes. */
const graceMs = 8_000
