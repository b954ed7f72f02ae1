import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { gpuReadings } from '../../../connectors/system/nvidia-gpus.ts'
import type { Family } from '../../../ops/telemetry/exposition.ts'
import { gpuFamilies } from '../../../ops/telemetry/gpu-families.ts'
import { metricTable } from '../../../ops/telemetry/metric-table.ts'
import { Telemetry } from '../../../ops/telemetry/telemetry.ts'
import type { Log, LogTraits, TaskProducer } from '../../../processor/ports.ts'
import { SimulatedStateDirectory, SimulatedStateFiles } from '../../../processor/simulation/simulated-state-directory.ts'
import { applicationIdOf } from '../../../topology/topic-names.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { type FunctionSwarm, newRequest, startSwarm } from '../../support/function-swarm.ts'
import { settled } from '../../support/settled.ts'
import { changed } from '../../support/simulated-application.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'
import { eventually, SwarmHere } from '../../support/swarm-here.ts'

const yaml = `name: s
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: quick, type: function, input: {name: entrance}}
  - {name: four, type: batch, input: {name: entrance}, spec: {batch_size: 4, timeout_seconds: 10, release: full}}
  - {name: batched, type: function, input: {name: four}}
  - {name: slow, type: function, input: {name: entrance}}
  - {name: both, type: function, input: {join: [quick, batched, slow]}, timeout_seconds: 100}
  - {name: answer, type: respond, input: {name: both}}
`

const onCluster: LogTraits = { atomicCommit: true, repeatsRecords: true, handsOn: false }

/** A swarm in simulated time whose metrics are read as `GET /metrics` does. Calls of its bee `slow` end when the test says so. */
class Scene {
  readonly world: SimulatedWorld
  readonly #isCluster: boolean
  readonly #held: (() => void)[] = []
  /** While it is true, every commit fails. */
  isBroken = false
  #swarm: FunctionSwarm | null = null
  #telemetry: Telemetry | null = null

  private constructor(isCluster: boolean) {
    this.#isCluster = isCluster
    this.world = new SimulatedWorld(isCluster ? { traits: onCluster, keepsState: false } : {})
  }

  static async start({ isCluster = false } = {}): Promise<Scene> {
    const scene = new Scene(isCluster)
    await scene.start()
    return scene
  }

  /** Starts a process whose state is not on its disk. */
  async start(): Promise<void> {
    const functions = {
      quick: () => 1,
      batched: () => 2,
      slow: () => new Promise((resolve) => void this.#held.push(() => resolve(3))),
      both: (input: unknown) => input,
    }
    const ofCluster = this.#isCluster
      ? { answerPartitions: 1, commitIntervalMs: 20, states: new SimulatedStateDirectory(new SimulatedStateFiles('p')) }
      : {}
    const log = this.#breaking(this.world.boot())
    const swarm = await settled(this.world.clock, startSwarm(this.world, log, yaml, functions, new Map(), { partitions: 1, ...ofCluster }))
    this.#swarm = swarm
    this.#telemetry = new Telemetry({
      clock: this.world.clock,
      swarms: [
        {
          plan: { swarm: 's', applicationId: applicationIdOf('s') },
          application: swarm.application,
          notReady: null,
          models: [],
          replicas: [],
          synchronousMeters: new Map(),
          publishedParts: new Map(),
        },
      ],
    })
  }

  async send(...ids: readonly string[]): Promise<void> {
    for (const id of ids) void this.#swarm?.requests.request(newRequest(id)).catch(() => {})
    await this.world.clock.advance(1000)
  }

  release(): void {
    for (const end of this.#held.splice(0)) end()
  }

  value(name: string, labels: { readonly [label: string]: string } = {}): number {
    return valueIn(this.#telemetry?.families() ?? [], name, labels)
  }

  async end(): Promise<void> {
    this.#telemetry?.close()
    if (this.#swarm !== null) await settled(this.world.clock, this.#swarm.close())
  }

  #breaking(log: Log): Log {
    return changed(log, {
      taskProducer: async (options) => {
        const producer = await log.taskProducer(options)
        return changed<TaskProducer>(producer, {
          commit: (...commit) => {
            if (!this.isBroken) return producer.commit(...commit)
            producer.abort()
            throw new WaggleError('WAGGLE_LOG_UNREACHABLE', { message: 'away', next: 'wait' })
          },
        })
      },
    })
  }
}

/** The sum of a metric's samples with these labels. `name` may have the suffix of a histogram's sample. */
function valueIn(families: readonly Family[], name: string, labels: { readonly [label: string]: string } = {}): number {
  return families
    .flatMap((family) => family.samples.map((sample) => ({ name: `${family.name}${sample.suffix ?? ''}`, sample })))
    .filter((one) => one.name === name && Object.entries(labels).every(([label, value]) => one.sample.labels[label] === value))
    .reduce((sum, { sample }) => sum + sample.value, 0)
}

describe('The metrics of a bee whose calls wait', () => {
  it('have the rows of a batch that is not full, the wait of its oldest row, calls on their way, and requests in the join', async () => {
    const scene = await Scene.start()
    await scene.send('a', 'b', 'c')
    assert.deepEqual(
      ['waggle_bee_waiting_rows', 'waggle_bee_calls_in_flight', 'waggle_bee_wait_duration_seconds_count'].map((name) =>
        scene.value(name, { bee: 'batched' }),
      ),
      [3, 0, 0],
    )
    assert.equal(scene.value('waggle_bee_calls_in_flight', { bee: 'slow' }), 3)
    assert.equal(scene.value('waggle_join_pending', { bee: 'both' }), 3)
    assert.ok(scene.value('waggle_swarm_records_in_hand') >= 3)
    await scene.world.clock.advance(10_000)
    assert.deepEqual(
      ['waggle_bee_waiting_rows', 'waggle_bee_batch_rows_count', 'waggle_bee_batch_rows_sum', 'waggle_bee_wait_duration_seconds_count'].map((name) =>
        scene.value(name, { bee: 'batched' }),
      ),
      [0, 1, 3, 3],
    )
    const waited = scene.value('waggle_bee_wait_duration_seconds_sum', { bee: 'batched' })
    assert.ok(waited > 29 && waited < 31, String(waited))
    scene.release()
    await scene.world.clock.advance(1000)
    assert.deepEqual([scene.value('waggle_bee_calls_in_flight'), scene.value('waggle_join_pending')], [0, 0])
    assert.ok(scene.value('waggle_swarm_processed_records_total') >= 3 * 5)
    await scene.end()
  })

  it('have the records that wait in topics while the calls in flight are at their bound', async () => {
    const scene = await Scene.start()
    await scene.send(...Array.from({ length: 3000 }, (_, at) => `r${at}`))
    assert.ok(scene.value('waggle_swarm_waiting_records') > 0)
    await scene.end()
  })
})

describe('The metrics of an engine that fails', () => {
  it('have its failures, and the time for which work waits for a commit', async () => {
    const scene = await Scene.start({ isCluster: true })
    assert.deepEqual(
      ['waggle_swarm_failures_total', 'waggle_swarm_uncommitted_seconds'].map((name) => scene.value(name)),
      [0, 0],
    )
    scene.isBroken = true
    await scene.send('a')
    await scene.world.clock.advance(20_000)
    assert.ok(scene.value('waggle_swarm_failures_total') > 0)
    assert.ok(scene.value('waggle_swarm_uncommitted_seconds') > 10)
    scene.isBroken = false
    await scene.world.clock.advance(30_000)
    scene.release()
    await scene.world.clock.advance(1000)
    assert.equal(scene.value('waggle_swarm_uncommitted_seconds'), 0)
    await scene.end()
  })

  it('have the records of changelogs that a process reads whose disk is empty', async () => {
    const scene = await Scene.start({ isCluster: true })
    await scene.send('a', 'b')
    assert.equal(scene.value('waggle_swarm_restored_records_total'), 0)
    await scene.end()
    await scene.start()
    await scene.world.clock.advance(1000)
    assert.ok(scene.value('waggle_swarm_restored_records_total') >= 2)
    assert.equal(scene.value('waggle_join_pending'), 2)
    await scene.end()
  })
})

describe('The metrics of a process', () => {
  it('have the rows of synchronous bees, the bytes of the log, and the process itself', { timeout: 60_000 }, async () => {
    const held = Symbol.for('waggle-test-held')
    const global = globalThis as { [key: symbol]: (() => void)[] | undefined }
    const ends: (() => void)[] = []
    global[held] = ends
    await using here = await SwarmHere.open(
      { WAGGLE_PARTITIONS: '1' },
      {
        bees: `  - {name: plain, type: map, input: {name: entrance}, spec: {expression: '{number: number}'}}
  - {name: work, type: module, input: {name: plain}, spec: {file: ./held.mjs}}
  - {name: answer, type: respond, input: {name: work}}`,
        files: {
          'held.mjs': `export default (input) => new Promise((end) => globalThis[Symbol.for('waggle-test-held')].push(() => end(input)))\n`,
        },
      },
    )
    const scraped = async () => (await fetch(`${here.url}/metrics`)).text()
    const numberIn = (text: string, name: string, labels = '') => {
      const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      return lines.filter((line) => line.includes(labels)).reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
    }
    const answer = here.ask({ number: 1 })
    const text = await eventually(async () => {
      const metrics = await scraped()
      return numberIn(metrics, 'waggle_bee_calls_in_flight', 'bee="work"') === 1 ? metrics : null
    })
    assert.equal(numberIn(text, 'waggle_bee_instant_rows_total', 'bee="plain"'), 1)
    assert.equal(numberIn(text, 'waggle_build_info', `node="${process.versions.node}"`), 1)
    const positive = [
      'waggle_log_bytes',
      'waggle_log_max_bytes',
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
      'nodejs_heap_size_used_bytes',
      'nodejs_heap_size_total_bytes',
      'nodejs_external_memory_bytes',
      ...(process.platform === 'linux' ? ['process_open_fds'] : []),
    ]
    for (const name of positive) assert.ok(numberIn(text, name) > 0, name)
    const busyUntil = performance.now() + 100
    await eventually(async () => {
      // The event loop is late because this loop keeps it busy.
      while (performance.now() < busyUntil);
      return numberIn(await scraped(), 'nodejs_eventloop_lag_seconds') > 0.02
    })
    for (const end of ends) end()
    assert.deepEqual(await (await answer).json(), { number: 1 })
    delete global[held]
  })

  it('have what nvidia-smi reports of a GPU', () => {
    const families = gpuFamilies(gpuReadings('0, GPU-8f1e7a2c, NVIDIA A100-SXM4-80GB, 97, 75213, 81920, 61, 387.25\n'))
    const mebibyte = 1024 * 1024
    assert.deepEqual(
      [
        'waggle_gpu_utilization_ratio',
        'waggle_gpu_memory_used_bytes',
        'waggle_gpu_memory_total_bytes',
        'waggle_gpu_temperature_celsius',
        'waggle_gpu_power_watts',
      ].map((name) => valueIn(families, name, { gpu: '0', uuid: 'GPU-8f1e7a2c', name: 'NVIDIA A100-SXM4-80GB' })),
      [0.97, 75_213 * mebibyte, 81_920 * mebibyte, 61, 387.25],
    )
  })
})

describe('The table of metrics', () => {
  it('has no metric that no test names', () => {
    const tests = resolve(import.meta.dirname, '..', '..')
    const named = new Set(
      // The tests of alerts and dashboards make values up.
      globSync('**/*.ts', { cwd: tests, exclude: ['**/node_modules/**', 'ops/deploy/**'] }).flatMap(
        (path) => readFileSync(join(tests, path), 'utf8').match(/\b(?:waggle|process|nodejs)_[a-z_]+/g) ?? [],
      ),
    )
    const isNamed = (name: string) => ['', '_bucket', '_sum', '_count'].some((suffix) => named.has(`${name}${suffix}`))
    assert.deepEqual(
      Object.keys(metricTable).filter((name) => !isNamed(name)),
      [],
    )
  })
})
