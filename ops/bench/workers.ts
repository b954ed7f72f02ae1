import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Table } from './table.ts'

/**
 * Measures records a second of `json-visits.ts` on the embedded log, in one JavaScript thread and in workers. Each measurement runs in a separate
 * process. The input is written before the clock starts. The clock stops when the last result is durable.
 */
export function workersBenchmark({ records }: { readonly records: number }): Table {
  const rows: (readonly (string | number)[])[] = []
  for (const steps of [5, 40]) {
    let alone = 0
    for (const workers of [0, 1, 2, 4]) {
      const { seconds, cpuMicros, mainMicros } = inProcess([String(workers), String(steps), String(records)])
      if (workers === 0) alone = seconds
      rows.push([steps, workers === 0 ? 'none' : workers, records / seconds, alone / seconds, cpuMicros / records, mainMicros / records])
      process.stderr.write(`${steps} steps, ${workers} workers\n`)
    }
  }
  const columns = [
    'steps in a visit’s JSON',
    'workers',
    'records/s',
    'times one thread in process',
    'CPU µs/record, all threads',
    'of the main thread',
  ]
  return { title: `Keyed count of JSON visits, ${records} records`, columns, rows }
}

function inProcess(argv: readonly string[]): { readonly seconds: number; readonly cpuMicros: number; readonly mainMicros: number } {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-bench-'))
  const { stdout, stderr, status } = spawnSync(process.execPath, [join(import.meta.dirname, 'workers-run.ts'), ...argv, directory], {
    encoding: 'utf8',
    timeout: 300_000,
  })
  rmSync(directory, { recursive: true, force: true })
  if (status !== 0) throw new Error(`workers-run.ts ${argv.join(' ')} failed: ${stderr.slice(-2000)}`)
  const [cpuMicros, mainMicros, seconds] = (stdout.trim().split('\n').at(-1) ?? '').split(' ').map(Number)
  return { cpuMicros: cpuMicros ?? Number.NaN, mainMicros: mainMicros ?? Number.NaN, seconds: seconds ?? Number.NaN }
}
