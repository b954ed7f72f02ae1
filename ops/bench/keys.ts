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
 * Measures state that is larger than memory: a keyed count on the embedded log with default settings. Each key occurs once, and every fifth key
 * occurs again, so that old state is read from the disk. Another process writes the input first. Half of the resident memory is V8's young space,
 * which grows without a limit. The second row of each measurement limits the young space by a flag.
 */
export async function keysBenchmark({ keys }: KeysBenchmarkOptions): Promise<readonly Table[]> {
  const rows = keys.flatMap((count) => ['', '--max-semi-space-size=16'].map((flag) => rowOf(count, flag)))
  return [
    {
      title: 'A keyed count of many keys on the embedded log (aim: at most 512 MB, which is 488 MiB, with ten million)',
      columns: ['keys', 'records', 'node', 'records/s', 'CPU µs/record', 'peak MiB'],
      rows,
      names: 3,
    },
  ]
}

function rowOf(count: number, flag: string): readonly (string | number)[] {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-bench-'))
  try {
    const step = (what: string, ...flags: readonly string[]) =>
      execFileSync(process.execPath, [...flags, join(import.meta.dirname, 'keys-run.ts'), what, String(count), directory], { encoding: 'utf8' })
    step('fill')
    const { records, seconds, cpuMicros, peakBytes } = JSON.parse(step('count', ...(flag === '' ? [] : [flag]))) as Counted
    process.stderr.write(`${count} keys ${flag}: ${Math.round(peakBytes / 2 ** 20)} MiB\n`)
    return [count, records, flag, records / seconds, cpuMicros / records, peakBytes / 2 ** 20]
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
