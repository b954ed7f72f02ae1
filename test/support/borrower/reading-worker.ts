import { parentPort, workerData } from 'node:worker_threads'
import { openLentState } from '../../../connectors/log/embedded/stored-state.ts'

/** Reads one store again and again, by key and by range. Sends one message when it has begun. */
const state = await openLentState((workerData as { readonly handle: bigint }).handle)
const store = state.open('task', 'store')
let told = false
for (let at = 0; ; at = (at + 1) % 1000) {
  if (store.get(Buffer.from(`key-${at}`)) === null) throw new Error(`key-${at} is not there`)
  let rows = 0
  for (const [key] of store.range(Buffer.from(`key-${at}`), null)) if (key.length === 0 || ++rows === 10) break
  if (!told) parentPort?.postMessage('reads')
  told = true
}
