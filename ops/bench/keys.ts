import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Measure } from './measure.ts'
import type { Table } from './table.ts'

export interface KeysBenchmarkOptions {
  readonly keys: readonly number[]
}

interface Counted extends Measure {
  readonly records: number
  readonly peakBytes: number
}

/**
 * State larger than memory: a keyed count on the embedded log, with all settings as they are without any. Each key comes once and every
 * fifth again, so that there are reads of state that went to disk long ago. The input is written by a process of its own before.
 */
export async function keysBenchmark({ keys }: KeysBenchmarkOptions): Promise<readonly Table[]> {
  const rows = keys.map((count) => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-bench-'))
    try {
      const step = (what: string) =>
        execFileSync(process.execPath, [join(import.meta.dirname, 'keys-run.ts'), what, String(count), directory], { encoding: 'utf8' })
      step('fill')
      const { records, seconds, cpuMicros, peakBytes } = JSON.parse(step('count')) as Counted
      process.stderr.write(`${count} keys: ${Math.round(peakBytes / 2 ** 20)} MiB\n`)
      return [count, records, records / seconds, cpuMicros / records, peakBytes / 2 ** 20]
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })
  const title = 'A keyed count of many keys on the embedded log (aim: at most 512 MB, which is 488 MiB, with ten million)'
  return [{ title, columns: ['keys', 'records', 'records/s', 'CPU µs/record', 'peak MiB'], rows, names: 2 }]
}
