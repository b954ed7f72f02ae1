import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Worker } from 'node:worker_threads'
import { type EmbeddedLog, openEmbeddedLog } from '../../../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../../../connectors/system/system-clock.ts'
import type { StoreChange } from '../../../../processor/ports.ts'

const directory = mkdtempSync(join(tmpdir(), 'waggle-lending-'))
const open = new Set<EmbeddedLog>()
after(async () => {
  for (const log of open) await log.close()
  rmSync(directory, { recursive: true, force: true })
})

/** Lends the log's database to a thread that reads it without a pause. */
async function lendToReader(log: EmbeddedLog): Promise<{ readonly ended: Promise<number> }> {
  let worker: Worker | null = null
  const { handle, giveBack } = await log.lend({
    async end() {
      await worker?.terminate()
    },
  })
  worker = new Worker(new URL('../../../support/borrower/reading-worker.ts', import.meta.url), { workerData: { handle } })
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  worker.on('error', reject)
  worker.on('exit', (code) => {
    giveBack()
    resolve(code)
  })
  await new Promise((reads) => worker?.once('message', reads))
  return { ended: promise }
}

async function filled(name: string): Promise<EmbeddedLog> {
  const log = await openEmbeddedLog({ directory: join(directory, name), clock: systemClock })
  open.add(log)
  await log.createTopics([{ name: 'in', partitions: 1, cleanup: 'delete', retentionMs: null }])
  await commit(log, 1000)
  return log
}

async function commit(log: EmbeddedLog, rows: number): Promise<void> {
  const producer = await log.taskProducer({ group: 'app' })
  const entries = Array.from({ length: rows }, (_, at) => [Buffer.from(`key-${at}`), Buffer.alloc(100, at)] as const)
  await producer.commit({ positions: [], state: [{ task: 'task', store: 'store', entries, logged: null }] })
  await producer.close()
}

/** A change that cannot be written, as on a broken disk: the database has to be opened again. */
const unwritable = (): StoreChange => ({
  task: 'task',
  store: 'store',
  entries: (function* (): Iterable<readonly [Uint8Array, Uint8Array]> {
    yield [Buffer.from('key-1'), Buffer.from('not to be seen')]
    throw new Error('not to be written')
  })(),
  logged: null,
})

describe('A database that other threads read', () => {
  it('closes when the reading threads have ended', async () => {
    for (let round = 0; round < 5; round++) {
      const log = await filled('closed')
      const readers = await Promise.all([lendToReader(log), lendToReader(log)])
      open.delete(log)
      open.delete(log)
      await log.close()
      assert.deepEqual(await Promise.all(readers.map(({ ended }) => ended)), [1, 1])
      await assert.rejects(log.lend({ end: async () => {} }), { code: 'WAGGLE_CLOSED' })
    }
  })

  it('reopens after a failed write only when the reading threads have ended, and accepts new readers afterwards', async () => {
    const log = await filled('repaired')
    for (let round = 0; round < 5; round++) {
      const reader = await lendToReader(log)
      const producer = await log.taskProducer({ group: 'app' })
      await assert.rejects(producer.commit({ positions: [], state: [unwritable()] }), /not to be written/)
      await producer.close()
      // This call waits for the repair, which waits for the end of the first reader.
      const next = lendToReader(log)
      await commit(log, 1000)
      assert.equal(await reader.ended, 1)
      await next
    }
    open.delete(log)
    await log.close()
  })

  it('can be written while other threads read it', async () => {
    const log = await filled('written')
    const reader = await lendToReader(log)
    for (let round = 0; round < 20; round++) await commit(log, 1000)
    open.delete(log)
    await log.close()
    assert.equal(await reader.ended, 1)
  })
})
