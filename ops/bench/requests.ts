import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { GaugedProgram } from './gauged-program.ts'
import { type LoadResult, load } from './load.ts'
import type { Table } from './table.ts'

export interface RequestsBenchmarkOptions {
  /** The seconds of each load. */
  readonly seconds: number
  readonly clients: number
  readonly partitions: readonly number[]
  /** The numbers of hello-world swarms in one process. They are measured one after the other. One of the swarms gets all requests. */
  readonly swarms: readonly number[]
}

/**
 * Measures a request of hello-world at several loads: its CPU time, its latency, its allocations, and the longest time for which the event loop was
 * blocked. The floor is the same function in a plain server. All programs get the same rates. The highest rate is the rate of the slowest program
 * when clients wait for each answer. The other rates are fractions of the highest rate.
 */
export async function requestsBenchmark(options: RequestsBenchmarkOptions): Promise<readonly Table[]> {
  const scenes = [floor(), ...options.partitions.map((partitions) => waggle({ partitions, swarms: 1 }))]
  for (const swarms of options.swarms) if (swarms > 1) scenes.push(waggle({ partitions: 4, swarms }))
  const full = new Map<Scene, Row>()
  for (const scene of scenes) full.set(scene, await measured(scene, { ...options, rate: null }))
  const most = Math.min(...[...full.values()].map(({ perSecond }) => perSecond))
  const tables: Table[] = []
  for (const share of shares) {
    const rows: (readonly (string | number)[])[] = []
    for (const scene of scenes) {
      const row = share === 1 ? full.get(scene) : await measured(scene, { ...options, rate: most * share })
      if (row !== undefined) rows.push(cellsOf(scene, row))
    }
    tables.push({
      title:
        share === 1 ? `hello-world, ${options.clients} clients that wait for each answer` : `hello-world at ${(most * share).toFixed(0)} requests/s`,
      columns: ['program', 'requests/s', 'CPU ms/request', 'median ms', 'p99 ms', 'p99.9 ms', 'KiB allocated/request', 'longest stop, ms'],
      rows,
      floorRow: 'floor',
    })
  }
  return tables
}

const shares = [0.05, 0.25, 0.5, 1]
/** With a shorter warm-up the measurement would include the work of V8's compiler. */
const warmUpSeconds = 8

interface Scene {
  readonly name: string
  start(samples: boolean): Promise<{ readonly program: GaugedProgram; readonly url: string; readonly stop: () => Promise<void> }>
}

interface Row {
  readonly perSecond: number
  readonly latency: LoadResult
  readonly cpuMs: number
  readonly allocatedBytes: number
  readonly longestStopMs: number
}

/** Measures a load twice: once without samples of allocations, for CPU, latency and the event loop, and once with samples, for allocations. */
async function measured(
  scene: Scene,
  { seconds, clients, rate }: { readonly seconds: number; readonly clients: number; readonly rate: number | null },
): Promise<Row> {
  const [plain, sampled] = [await once(false), await once(true)]
  const { result, cpuMs, reading } = plain
  return {
    perSecond: result.perSecond,
    latency: result,
    cpuMs: cpuMs / result.answered,
    allocatedBytes: (sampled.reading.allocatedBytes ?? Number.NaN) / sampled.result.answered,
    longestStopMs: reading.longestStopMs,
  }

  async function once(samples: boolean) {
    const { program, url, stop } = await scene.start(samples)
    try {
      const bodies = [Buffer.from('{"name":"Bea"}')]
      const sending = (options: { readonly clients: number; readonly seconds: number; readonly rate?: number }) =>
        load({ url, bodies, contentType: 'application/json', ...options })
      await sending({ clients, seconds: warmUpSeconds })
      return await program.during(() => sending({ clients, seconds, ...(rate === null ? {} : { rate }) }))
    } finally {
      await stop()
    }
  }
}

function cellsOf({ name }: Scene, { perSecond, latency, cpuMs, allocatedBytes, longestStopMs }: Row): readonly (string | number)[] {
  const { medianMs, p99Ms, latenciesMs } = latency
  const p999Ms = latenciesMs[Math.floor((latenciesMs.length - 1) * 0.999)] ?? Number.NaN
  return [name, perSecond, cpuMs, medianMs, p99Ms, p999Ms, allocatedBytes / 1024, longestStopMs]
}

function floor(): Scene {
  return {
    name: 'floor',
    async start(samples) {
      const program = await GaugedProgram.start([join(import.meta.dirname, 'plain-server.ts')], { samples, env: {} })
      return { program, url: program.program.ready.gateway, stop: () => program.stop() }
    },
  }
}

function waggle({ partitions, swarms }: { readonly partitions: number; readonly swarms: number }): Scene {
  return {
    name: `Waggle, ${swarms === 1 ? 'one swarm' : `${swarms} swarms`}, ${partitions} partitions`,
    async start(samples) {
      const directory = mkdtempSync(join(tmpdir(), 'waggle-bench-'))
      const files = helloWorlds(directory, swarms)
      const main = resolve(import.meta.dirname, '..', 'cli', 'main.ts')
      const env = { WAGGLE_DATA_DIR: join(directory, 'data'), WAGGLE_HTTP_PORT: '0', WAGGLE_CLICKHOUSE_PORT: '0', WAGGLE_PARTITIONS: `${partitions}` }
      const program = await GaugedProgram.start([main, 'run', ...files, '--json'], { samples, env })
      return {
        program,
        url: `${program.program.ready.gateway}/v1/gateways/hello-0/request`,
        async stop() {
          await program.stop()
          rmSync(directory, { recursive: true })
        },
      }
    },
  }
}

/** Makes copies of hello-world. Each copy has its own name and its own gateway. */
function helloWorlds(directory: string, count: number): readonly string[] {
  const original = resolve(import.meta.dirname, '..', '..', 'swarms', 'hello-world')
  copyFileSync(join(original, 'greet.ts'), join(directory, 'greet.ts'))
  const yaml = readFileSync(join(original, 'swarm.yaml'), 'utf8')
  return Array.from({ length: count }, (_, at) => {
    const file = join(directory, `hello-${at}.yaml`)
    writeFileSync(file, yaml.replace('name: hello-world', `name: hello-world-${at}`).replace('name: hello\n', `name: hello-${at}\n`))
    return file
  })
}
