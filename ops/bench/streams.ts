import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kafkaStreamsVersion, withKafkaStreams } from './kafka-streams/java.ts'
import { streamsWorkloads } from './streams-workloads.ts'
import type { Table } from './table.ts'

export interface StreamsBenchmarkOptions {
  /** The number of records of a run. A run with more keys than records has one record for each key. */
  readonly records: number
  readonly keys: readonly number[]
  /** Only workloads whose names contain this text are measured. */
  readonly only: string
}

/**
 * Measures the CPU microseconds for a record in Waggle's test driver, in Kafka Streams' test driver (if Java is installed), and in Waggle on its
 * embedded log. All three run the same programs on the same input, each in a separate process. The input has 100-byte values, one record a
 * millisecond, and windows of one second.
 */
export async function streamsBenchmark({ records, keys, only }: StreamsBenchmarkOptions): Promise<readonly Table[]> {
  const java = withKafkaStreams(join(import.meta.dirname, 'kafka-streams', 'Bench.java'))
  const rows: (readonly (string | number)[])[] = []
  for (const { name } of streamsWorkloads.filter((one) => one.name.includes(only))) {
    for (const count of keys) {
      // Each key must occur at least once, so the measurement with a million keys sends at least a million records.
      const sent = Math.max(records, count)
      const argv = [name, String(count), String(sent)]
      const driver = inProcess(process.execPath, [join(import.meta.dirname, 'streams-run.ts'), 'driver', ...argv])
      const log = inProcess(process.execPath, [join(import.meta.dirname, 'streams-run.ts'), 'embedded', ...argv])
      const peer =
        'missing' in java ? null : inProcess('java', ['-XX:+UseSerialGC', '-Xmx2g', '-cp', `${java.classes}:${java.libs}/*`, 'Bench', ...argv])
      rows.push([name, count, driver.cpuMicros / sent, peer === null ? '–' : peer.cpuMicros / sent, log.cpuMicros / sent, sent / log.seconds])
      process.stderr.write(`${name}, ${count} keys\n`)
    }
  }
  const title = 'missing' in java ? `Streams (no Kafka Streams beside it: ${java.missing})` : `Streams, beside Kafka Streams ${kafkaStreamsVersion}`
  const peer = 'Kafka’s driver (Java)'
  const measured = ['driver, CPU µs/record', 'embedded log', 'embedded, records/s']
  const columns = ['what', 'keys', 'driver, CPU µs/record', peer, 'embedded log', 'embedded, records/s']
  return [{ title, columns, rows, names: 2, peerColumns: Object.fromEntries(measured.map((one) => [one, peer])) }]
}

/** Runs a measurement in a separate process, whose last argument is a directory. The directory is removed afterwards. */
function inProcess(program: string, argv: readonly string[]): { readonly cpuMicros: number; readonly seconds: number } {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-bench-'))
  const { stdout, stderr, status } = spawnSync(program, [...argv, directory], { encoding: 'utf8', timeout: 300_000 })
  rmSync(directory, { recursive: true, force: true })
  if (status !== 0) throw new Error(`${program} ${argv.join(' ')} failed: ${stderr.slice(-2000)}`)
  const [cpu, wall] = (stdout.trim().split('\n').at(-1) ?? '').split(' ').map(Number)
  return { cpuMicros: (cpu ?? Number.NaN) / 1000, seconds: (wall ?? Number.NaN) / 1e9 }
}
