import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { GaugedProgram } from './gauged-program.ts'
import { load } from './load.ts'
import { MeasuredProgram } from './measured-program.ts'
import { oldTrace } from './old-trace.ts'
import type { Table } from './table.ts'
import { watchers } from './watchers.ts'

export interface TelemetryBenchmarkOptions {
  /** The seconds of each load. */
  readonly seconds: number
  readonly clients: number
  /** The number of records that are younger than the traced request. */
  readonly records: number
}

/**
 * Measures the cost of observability. Three processes run hello-world at the same time:
 *
 * - one without any observer,
 * - one with an open page, with metrics that are read every second, and with OTLP to another process and a span for each request,
 * - one with the same observers and a span for every hundredth request.
 *
 * The processes get load in turns, so a change of the machine affects all of them. The floor is the same function behind a plain server. A second
 * table has the trace of an old request.
 */
export async function telemetryBenchmark({ seconds, clients, records }: TelemetryBenchmarkOptions): Promise<readonly Table[]> {
  const sink = await MeasuredProgram.start([join(import.meta.dirname, 'otlp-sink.ts')], {})
  const scenes: Scene[] = []
  try {
    const otlp = { OTEL_EXPORTER_OTLP_ENDPOINT: sink.ready.gateway, OTEL_METRIC_EXPORT_INTERVAL: '10000' }
    const sampled = { ...otlp, OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.01' }
    scenes.push(await Scene.plain())
    for (const [name, env, isWatched] of [
      [off, {}, false],
      ['page, metrics and OTLP on, each request traced', otlp, true],
      ['page, metrics and OTLP on, each hundredth traced', sampled, true],
    ] as const)
      scenes.push(await Scene.waggle(name, env, isWatched))
    const visits = Math.max(3, Math.round(seconds / visitSeconds))
    // The first visit of each scene is its warm-up.
    for (let visit = 0; visit <= visits; visit++) for (const scene of scenes) await scene.visit({ clients, isWarmUp: visit === 0 })
    for (const scene of scenes) await scene.collect()
    const received = new Map(Object.entries((await (await fetch(sink.ready.gateway)).json()) as object))
    for (const path of ['/v1/traces', '/v1/metrics']) if (!(Number(received.get(path) ?? 0) > 0)) throw new Error(`The sink got nothing at ${path}`)
    return [tableOf(scenes), priceOf(scenes), await oldTrace({ records })]
  } finally {
    for (const scene of scenes) await scene.stop()
    await sink.stop()
  }
}

interface Visit {
  readonly perSecond: number
  readonly cpuMs: number
  readonly medianMs: number
  readonly p99Ms: number
  readonly residentBytes: number
}

/** A program that runs during the whole benchmark, and its measurements. */
class Scene {
  readonly name: string
  readonly visits: Visit[] = []
  /** The memory of the JavaScript heap that is in use after the visits and a full collection. */
  aliveBytes = Number.NaN
  readonly #program: GaugedProgram
  readonly #url: string
  readonly #watch: () => () => Promise<void>
  readonly #directory: string | null

  private constructor(
    name: string,
    program: GaugedProgram,
    { url, watch, directory }: { readonly url: string; readonly watch: (() => () => Promise<void>) | null; readonly directory: string | null },
  ) {
    this.name = name
    this.#program = program
    this.#url = url
    this.#watch = watch ?? (() => async () => {})
    this.#directory = directory
  }

  static async plain(): Promise<Scene> {
    const program = await GaugedProgram.start([join(import.meta.dirname, 'plain-server.ts')], { samples: false, env: {} })
    return new Scene('floor', program, { url: program.program.ready.gateway, watch: null, directory: null })
  }

  static async waggle(name: string, env: { readonly [variable: string]: string }, isWatched: boolean): Promise<Scene> {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-bench-'))
    const original = resolve(import.meta.dirname, '..', '..', 'swarms', 'hello-world')
    copyFileSync(join(original, 'greet.ts'), join(directory, 'greet.ts'))
    writeFileSync(join(directory, 'swarm.yaml'), readFileSync(join(original, 'swarm.yaml'), 'utf8'))
    const own = { WAGGLE_DATA_DIR: join(directory, 'data'), WAGGLE_HTTP_PORT: '0', WAGGLE_GRPC_PORT: '0', WAGGLE_CLICKHOUSE_PORT: '0' }
    const main = resolve(import.meta.dirname, '..', 'cli', 'main.ts')
    const program = await GaugedProgram.start([main, 'run', join(directory, 'swarm.yaml'), '--json'], { samples: false, env: { ...own, ...env } })
    const { gateway } = program.program.ready
    const watch = isWatched ? () => watchers({ gateway, swarm: 'hello-world' }) : null
    return new Scene(name, program, { url: `${gateway}/v1/gateways/hello/request`, watch, directory })
  }

  async visit({ clients, isWarmUp }: { readonly clients: number; readonly isWarmUp: boolean }): Promise<void> {
    const unwatch = this.#watch()
    const before = this.#program.program.usage()
    const seconds = isWarmUp ? warmUpSeconds : visitSeconds
    const result = await load({ url: this.#url, bodies: [Buffer.from('{"name":"Bea"}')], contentType: 'application/json', clients, seconds })
    const after = this.#program.program.usage()
    await unwatch()
    if (isWarmUp) return
    const { perSecond, medianMs, p99Ms, answered } = result
    this.visits.push({ perSecond, cpuMs: (after.cpuMs - before.cpuMs) / answered, medianMs, p99Ms, residentBytes: after.residentBytes })
  }

  /** Measures the memory in use while the observers are still connected. */
  async collect(): Promise<void> {
    const unwatch = this.#watch()
    const { reading } = await this.#program.during(() => new Promise<void>((resolve) => void systemClock.after(quietMs, resolve)))
    await unwatch()
    this.aliveBytes = reading.aliveBytes
  }

  median(value: (visit: Visit) => number): number {
    return middleOf(this.visits.map(value))
  }

  async stop(): Promise<void> {
    await this.#program.stop()
    if (this.#directory !== null) rmSync(this.#directory, { recursive: true, force: true })
  }
}

function tableOf(scenes: readonly Scene[]): Table {
  return {
    title: `hello-world, watched or not (the median of ${scenes[0]?.visits.length ?? 0} loads of ${visitSeconds} s each, in turns)`,
    columns: ['program', 'requests/s', 'CPU ms/request', 'median ms', 'p99 ms', 'resident MiB', 'alive MiB'],
    rows: scenes.map((scene) => [
      scene.name,
      scene.median(({ perSecond }) => perSecond),
      scene.median(({ cpuMs }) => cpuMs),
      scene.median(({ medianMs }) => medianMs),
      scene.median(({ p99Ms }) => p99Ms),
      scene.median(({ residentBytes }) => residentBytes) / mebibyte,
      scene.aliveBytes / mebibyte,
    ]),
    floorRow: 'floor',
  }
}

/** Each load is compared with the load of the unobserved process in the same turn. */
function priceOf(scenes: readonly Scene[]): Table {
  const unwatchedScene = scenes.find(({ name }) => name === off)
  const unwatched = unwatchedScene?.visits ?? []
  const pairs = (scene: Scene, value: (own: Visit, other: Visit) => number) =>
    middleOf(scene.visits.flatMap((visit, at) => (unwatched[at] === undefined ? [] : [value(visit, unwatched[at])])))
  return {
    title: 'The price of being watched (the aim is at most 3 % of throughput and 10 MiB)',
    columns: ['program', 'throughput lost, %', 'more CPU a request, %', 'more resident MiB', 'more MiB alive'],
    rows: scenes
      .filter(({ name }) => name.startsWith('page'))
      .map((scene) => [
        scene.name,
        pairs(scene, (own, other) => 100 * (1 - own.perSecond / other.perSecond)),
        pairs(scene, (own, other) => 100 * (own.cpuMs / other.cpuMs - 1)),
        pairs(scene, (own, other) => (own.residentBytes - other.residentBytes) / mebibyte),
        (scene.aliveBytes - (unwatchedScene?.aliveBytes ?? Number.NaN)) / mebibyte,
      ]),
  }
}

function middleOf(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

const off = 'all of it off'
const visitSeconds = 5
/** With a shorter warm-up the measurement would include the work of V8's compiler. */
const warmUpSeconds = 8
/** The observers read several times in this time. */
const quietMs = 3000
const mebibyte = 2 ** 20
