import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { parse, stringify } from 'yaml'
import { brokerJars, startBrokers } from './kafka-broker/brokers.ts'
import { load } from './load.ts'
import { MeasuredProgram } from './measured-program.ts'
import { type SwarmWorkload, smallWorkload, teddyWorkload } from './swarm-workloads.ts'
import type { Table } from './table.ts'

export interface KafkaSwarmBenchmarkOptions {
  /** The seconds of load for each program. */
  readonly seconds: number
  /** The rate of the load, in requests a second. */
  readonly rate: number
  /** Only swarms whose names contain this text are measured. */
  readonly only: string
}

/**
 * Measures how much longer a request takes on a cluster at low load. The same swarm runs on the embedded log, and on a broker with at_least_once and
 * with exactly_once. The three variants are measured alternately, for a few seconds each.
 */
export async function kafkaSwarmBenchmark({ seconds, rate, only }: KafkaSwarmBenchmarkOptions): Promise<readonly Table[]> {
  const jars = brokerJars()
  if ('missing' in jars) throw new Error(jars.missing)
  const cluster = await startBrokers(jars.libs, {})
  try {
    const rows: (readonly (string | number)[])[] = []
    for (const workload of [smallWorkload(), teddyWorkload()].filter(({ name }) => name.includes(only))) {
      rows.push(...(await compared(workload, { brokers: cluster.brokers, seconds, rate })))
    }
    const busy = loadavg()[0] ?? Number.NaN
    return [
      {
        title: `Swarms at ${rate} requests/s, on the embedded log and on a Kafka broker (load of the machine at the end: ${busy.toFixed(1)})`,
        columns: ['swarm', 'log', 'requests', 'median ms', 'p99 ms', 'median over embedded, ms'],
        rows,
        names: 2,
        floorRow: 'embedded',
      },
    ]
  } finally {
    await cluster.close()
  }
}

const logs = [
  { label: 'embedded', env: { WAGGLE_LOG: 'embedded' } },
  { label: 'Kafka, at least once', env: { WAGGLE_LOG: 'kafka', WAGGLE_PROCESSING: 'at_least_once' } },
  { label: 'Kafka, exactly once', env: { WAGGLE_LOG: 'kafka', WAGGLE_PROCESSING: 'exactly_once' } },
] as const

async function compared(
  workload: SwarmWorkload,
  { brokers, seconds, rate }: { readonly brokers: readonly string[]; readonly seconds: number; readonly rate: number },
): Promise<readonly (readonly (string | number)[])[]> {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-bench-'))
  const { bodies, contentType } = workload
  const running: { readonly label: string; readonly program: MeasuredProgram; readonly url: string; readonly latenciesMs: number[] }[] = []
  try {
    for (const [at, { label, env }] of logs.entries()) {
      const { file, gateway } = renamed(workload, join(directory, String(at)), `-${at}`)
      const program = await MeasuredProgram.start([resolve(import.meta.dirname, '..', 'cli', 'main.ts'), 'run', file, '--json'], {
        ...env,
        KAFKA_BROKERS: brokers.join(','),
        WAGGLE_GPU: 'prefer',
        WAGGLE_DATA_DIR: join(directory, `${at}-data`),
        WAGGLE_HTTP_PORT: '0',
        WAGGLE_CLICKHOUSE_PORT: '0',
      })
      running.push({ label, program, url: `${program.ready.gateway}/v1/gateways/${gateway}/request`, latenciesMs: [] })
    }
    for (const { url } of running) await load({ url, bodies, contentType, clients: 1, seconds: sliceSeconds, rate })
    for (let done = 0; done < seconds; done += sliceSeconds) {
      for (const { url, latenciesMs } of running) {
        latenciesMs.push(...(await load({ url, bodies, contentType, clients: 1, seconds: sliceSeconds, rate })).latenciesMs)
      }
    }
    const embedded = quantile(running[0]?.latenciesMs ?? [], 0.5)
    return running.map(({ label, latenciesMs }) => {
      const median = quantile(latenciesMs, 0.5)
      return [workload.name, label, latenciesMs.length, median, quantile(latenciesMs, 0.99), label === 'embedded' ? '' : median - embedded]
    })
  } finally {
    await Promise.all(running.map(({ program }) => program.stop()))
    rmSync(directory, { recursive: true, force: true })
  }
}

/**
 * A copy of the swarm with another name. Two swarms with the same name on one cluster would be one swarm. Paths of files beside the swarm file are
 * adapted, so that the files are still found.
 */
function renamed({ file, gateway }: SwarmWorkload, directory: string, suffix: string): { readonly file: string; readonly gateway: string } {
  const way = relative(directory, dirname(file))
  const beside = (value: unknown, of = ''): unknown => {
    if (typeof value === 'string' && value.startsWith('./')) return `./${way}/${value.slice(2)}`
    if (typeof value === 'string') return of === 'name' && value === gateway ? `${gateway}${suffix}` : value
    if (Array.isArray(value)) return value.map((one) => beside(one))
    return value !== null && typeof value === 'object'
      ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, beside(one, key)]))
      : value
  }
  const swarm = parse(readFileSync(file, 'utf8')) as { readonly name: string }
  mkdirSync(directory)
  writeFileSync(join(directory, 'swarm.yaml'), stringify({ ...(beside(swarm) as object), name: `${swarm.name}${suffix}` }))
  const settings = join(dirname(file), 'waggle.yaml')
  if (existsSync(settings)) writeFileSync(join(directory, 'waggle.yaml'), stringify(beside(parse(readFileSync(settings, 'utf8')))))
  return { file: join(directory, 'swarm.yaml'), gateway: `${gateway}${suffix}` }
}

function quantile(latenciesMs: readonly number[], share: number): number {
  return latenciesMs.toSorted((a, b) => a - b)[Math.floor((latenciesMs.length - 1) * share)] ?? Number.NaN
}

const sliceSeconds = 5
