import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../connectors/system/system-random.ts'
import type { Log } from '../../processor/ports.ts'
import { brokerJars, startBrokers } from './kafka-broker/brokers.ts'
import { type KafkaStreamsProgram, kafkaStreamsVersion, withKafkaStreams } from './kafka-streams/java.ts'
import { checkOutput, fillChangelog, fillInput, type Workload } from './kafka-topics.ts'
import type { Measure } from './measure.ts'
import type { Table } from './table.ts'

export interface KafkaBenchmarkOptions {
  readonly records: number
  readonly keys: number
  /** The sizes of the record cache in bytes. Each size is measured, in Waggle and in Kafka Streams. */
  readonly caches: readonly number[]
  /** Measures only rows whose names contain this text. One of the names is `restore`. */
  readonly only: string
}

/**
 * Measures programs that consume, process and produce on a real broker: with Waggle, and with Kafka Streams if Java is installed. Each program runs
 * in its own process with one thread, on the same topics: 100-byte records, one a millisecond, windows of 10 s.
 */
export async function kafkaBenchmark({ records, keys, caches, only }: KafkaBenchmarkOptions): Promise<readonly Table[]> {
  const jars = brokerJars()
  if ('missing' in jars) throw new Error(jars.missing)
  const java = withKafkaStreams(join(import.meta.dirname, 'kafka-streams', 'KafkaBench.java'))
  const cluster = await startBrokers(jars.libs, {})
  const { brokers } = cluster
  const log = await openKafkaLog({ brokers, clientId: 'bench', processing: 'at_least_once', clock: systemClock, random: new SystemRandom() })
  try {
    const bench = new Bench({ log, brokers, java, records, keys })
    const tables: Table[] = []
    const rows = rowsOf(caches).filter(({ label }) => label.includes(only))
    if (rows.length > 0) tables.push(await bench.streams(rows))
    if ('restore'.includes(only)) tables.push(await bench.restore())
    return tables
  } finally {
    await log.close()
    await cluster.close()
  }
}

interface Row {
  readonly label: string
  readonly name: Workload
  readonly processing: string
  readonly cacheBytes: number
}

/** The rows to measure. Only workloads with a table have a cache. */
function rowsOf(caches: readonly number[]): readonly Row[] {
  return (['stateless', 'count', 'tumbling', 'stream-stream join'] as const).flatMap((name) =>
    ['at_least_once', 'exactly_once'].flatMap((processing) =>
      (name === 'count' || name === 'tumbling' ? caches : [0]).map((cacheBytes) => {
        const label = `${name}, ${processing}${cacheBytes > 0 ? `, ${Math.round(cacheBytes / 2 ** 20)} MiB of cache` : ''}`
        return { label, name, processing, cacheBytes }
      }),
    ),
  )
}

type Side = 'Waggle' | 'Kafka Streams'

interface Ran extends Measure {
  readonly records: number
  readonly peakBytes: number
}

interface BenchOptions extends Pick<KafkaBenchmarkOptions, 'records' | 'keys'> {
  readonly log: Log
  readonly brokers: readonly string[]
  readonly java: KafkaStreamsProgram
}

class Bench {
  readonly #options: BenchOptions
  #runs = 0

  constructor(options: BenchOptions) {
    this.#options = options
  }

  async streams(rows: readonly Row[]): Promise<Table> {
    const { log, records, keys, java } = this.#options
    await fillInput(log, { input: 'one', inputs: 1, records, keys })
    await fillInput(log, { input: 'two', inputs: 2, records, keys })
    const measured: (readonly (string | number)[])[] = []
    for (const row of rows) {
      const input = row.name === 'stream-stream join' ? 'two' : 'one'
      const run = async (side: Side) => {
        const application = this.#newName()
        await log.createTopics([{ name: `${application}-out`, partitions: 1, cleanup: 'delete', retentionMs: null }])
        const ran = await this.#ran(side, 'run', { ...row, application, input })
        await checkOutput(log, { ...row, output: `${application}-out`, records, keys })
        process.stderr.write(`${row.label}: ${side}, ${Math.round(records / ran.seconds)} records/s\n`)
        return ran
      }
      const waggle = await run('Waggle')
      const peer = 'missing' in java ? null : await run('Kafka Streams')
      measured.push([row.label, ...compared(waggle, peer)])
    }
    return { title: `On a Kafka broker${this.#beside}`, columns: ['what', ...comparedColumns], rows: measured, peerColumns }
  }

  /** Measures the restore of a changelog in which each key occurs once, and of a changelog in which a few keys repeat. */
  async restore(): Promise<Table> {
    const { log, records, keys, java } = this.#options
    await log.createTopics([{ name: 'nothing0', partitions: 1, cleanup: 'delete', retentionMs: null }])
    const rows: (readonly (string | number)[])[] = []
    for (const distinct of [records, keys]) {
      const label = distinct === records ? 'each key once' : `${distinct.toLocaleString('en')} keys`
      // All three programs restore the same records, because the sizes of batches change the result.
      const application = this.#newName()
      const changelog = await fillChangelog(log, { application, name: 'count', records, keys: distinct })
      await log.createTopics([{ name: `${application}-out`, partitions: 1, cleanup: 'delete', retentionMs: null }])
      const run = async (side: Side, what: 'restore' | 'read') => {
        const wish = { name: 'count', processing: 'at_least_once', cacheBytes: 0, application } as const
        const ran = await this.#ran(side, what, { ...wish, input: what === 'read' ? changelog : 'nothing' })
        process.stderr.write(`restore, ${label}: ${side}, ${what}, ${Math.round(ran.records / ran.seconds)} records/s\n`)
        return [ran.records / ran.seconds, ran.cpuMicros / records, mebibytes(ran)]
      }
      rows.push([label, 'Waggle restores', ...(await run('Waggle', 'restore'))])
      rows.push([label, 'the client alone reads', ...(await run('Waggle', 'read'))])
      if (!('missing' in java)) rows.push([label, 'Kafka Streams restores', ...(await run('Kafka Streams', 'restore'))])
    }
    return {
      title: `Restore of a changelog of ${records.toLocaleString('en')} records${this.#beside}`,
      columns: ['changelog', 'what', 'records/s', 'CPU µs/record', 'peak MiB'],
      names: 2,
      floorRow: 'the client alone',
      rows,
    }
  }

  async #ran(
    side: Side,
    what: 'run' | 'restore' | 'read',
    wish: Pick<Row, 'name' | 'processing' | 'cacheBytes'> & { readonly application: string; readonly input: string },
  ): Promise<Ran> {
    const { brokers, records, java } = this.#options
    const { name, processing, cacheBytes, application, input } = wish
    const directory = mkdtempSync(join(tmpdir(), 'waggle-bench-'))
    const argv = [what, name, processing, String(cacheBytes), brokers.join(','), String(records), application, input, `${application}-out`, directory]
    const [program, before] =
      side === 'Waggle' || 'missing' in java
        ? [process.execPath, [join(import.meta.dirname, 'kafka-run.ts')]]
        : ['java', ['-cp', `${java.classes}:${java.libs}/*`, 'KafkaBench']]
    try {
      const { stdout } = await promisify(execFile)(program, [...before, ...argv], { timeout: 600_000, maxBuffer: 64 * 1024 * 1024 })
      return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Ran
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }

  #newName(): string {
    return `bench-${++this.#runs}`
  }

  get #beside(): string {
    const { java } = this.#options
    return 'missing' in java ? ` (no Kafka Streams beside it: ${java.missing})` : `, beside Kafka Streams ${kafkaStreamsVersion}`
  }
}

const measures = ['records/s', 'CPU µs/record', 'peak MiB']
const comparedColumns = measures.flatMap((one) => [one, `Kafka Streams, ${one}`, `ratio of ${one}`])
const peerColumns = Object.fromEntries(measures.map((one) => [one, `Kafka Streams, ${one}`]))

function compared(waggle: Ran, peer: Ran | null): readonly (string | number)[] {
  const figures = [(ran: Ran) => ran.records / ran.seconds, (ran: Ran) => ran.cpuMicros / ran.records, mebibytes]
  return figures.flatMap((of) => [of(waggle), peer === null ? '–' : of(peer), peer === null ? '–' : of(waggle) / of(peer)])
}

function mebibytes({ peakBytes }: Ran): number {
  return peakBytes / 2 ** 20
}
