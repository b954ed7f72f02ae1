import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEmbeddedLog } from '../../connectors/log/embedded/embedded-log.ts'
import { Rocks, type RocksChange } from '../../connectors/rocksdb/rocks.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { Application } from '../../processor/application/application.ts'
import type { Log } from '../../processor/ports.ts'
import { countTopology, joinTopology, type Workload } from './engine-workloads.ts'
import { type Measure, measure } from './measure.ts'
import type { Table } from './table.ts'

/**
 * Measures records a second and the CPU time of a record through the engine without models, and the rate at which RocksDB itself writes as many
 * bytes.
 */
export async function engineBenchmark({ records }: { readonly records: number }): Promise<readonly Table[]> {
  const rows: (readonly (string | number)[])[] = []
  for (const workload of [countTopology(records), joinTopology(Math.floor(records / 3))]) {
    for (const kind of ['embedded', 'memory'] as const) {
      const { seconds, cpuMicros } = await onFreshLog(kind, (log) => through(workload, log))
      rows.push([workload.name, kind, workload.records, workload.records / seconds, cpuMicros / workload.records])
    }
  }
  const floor = await rocksFloor(records)
  rows.push([
    'RocksDB alone: one 100-byte put a record, 1,000 a batch, a sync a batch',
    '',
    records,
    records / floor.seconds,
    floor.cpuMicros / records,
  ])
  const columns = ['what', 'log', 'records', 'records/s', 'CPU µs/record']
  return [{ title: 'Engine, without models', columns, rows, names: 3, floorRow: 'RocksDB alone' }]
}

/** Measures a workload. The input is written before the clock starts. The clock stops when the last output is durable. */
async function through(workload: Workload, log: Log): Promise<Measure> {
  await log.createTopics(workload.topics)
  await workload.fill(log)
  const failed = Promise.withResolvers<never>()
  const application = new Application({
    applicationId: 'bench',
    topology: workload.topology,
    log,
    clock: systemClock,
    topics: [],
    onFailure: failed.reject,
  })
  const measured = measure()
  await application.start()
  await Promise.race([outputs(log, workload), failed.promise])
  const result = measured()
  await application.close({ timeoutMs: 60_000 })
  return result
}

async function outputs(log: Log, { output, outputs: wanted, partitions }: Workload): Promise<void> {
  let seen = 0
  await new Promise<void>((resolve, reject) => {
    for (let partition = 0; partition < partitions; partition++) {
      const reader = log.read({ topic: output, partition, from: 0 })
      const follow = async () => {
        for await (const run of reader) {
          seen += run.records.length
          if (seen >= wanted) resolve()
        }
      }
      follow().catch(reject)
    }
  })
}

async function onFreshLog(kind: 'embedded' | 'memory', use: (log: Log) => Promise<Measure>): Promise<Measure> {
  // With `memory` the log's directory is in memory, which leaves out only the disk.
  const directory = mkdtempSync(join(kind === 'memory' ? '/dev/shm' : tmpdir(), 'waggle-bench-'))
  const log = await openEmbeddedLog({ directory, clock: systemClock })
  try {
    return await use(log)
  } finally {
    await log.close()
    rmSync(directory, { recursive: true })
  }
}

async function rocksFloor(records: number): Promise<Measure> {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-bench-'))
  const rocks = await Rocks.open(directory)
  const value = Buffer.alloc(100, 'x')
  const measured = measure()
  for (let from = 0; from < records; from += 1000) {
    const changes: RocksChange[] = Array.from({ length: Math.min(1000, records - from) }, (_, at) => [Buffer.from(`key-${from + at}`), value])
    rocks.write(changes)
    await rocks.sync()
  }
  const result = measured()
  await rocks.close()
  rmSync(directory, { recursive: true })
  return result
}
