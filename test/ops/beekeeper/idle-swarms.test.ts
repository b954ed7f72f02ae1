import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { FileFlightRecorder } from '../../../connectors/system/flight-recorder.ts'
import { SystemRandom } from '../../../connectors/system/system-random.ts'
import { beePorts, modelsOf } from '../../../ops/beekeeper/bee-ports.ts'
import { openRemoteModels } from '../../../ops/beekeeper/open-remote-models.ts'
import { RunningSwarms } from '../../../ops/beekeeper/running-swarms.ts'
import { loadConfig } from '../../../ops/config/config.ts'
import { FailureLines } from '../../../ops/process-log/failure-lines.ts'
import { EmbeddedRequests } from '../../../ops/requests/embedded-requests.ts'
import { configuredText } from '../../../ops/served/configured-text.ts'
import { KillingRecordSearch } from '../../../processor/async/killing-record-search.ts'
import type { Clock } from '../../../processor/ports.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'

it('Idle swarms set no timers, and the log sets as few for many swarms as for one', async () => {
  const [one, eight] = [await timersOfTenMinutes(1), await timersOfTenMinutes(8)]
  assert.deepEqual([one.ofSwarms, eight.ofSwarms], [0, 0])
  // Every five seconds the log measures its disk, and every minute it searches for old records. Work of a slow disk makes it fewer times.
  for (const { ofLog } of [one, eight]) assert.ok(ofLog > 0 && ofLog <= 120 + 10 + 2, `${ofLog} timers of the log`)
})

/** A clock that counts its timers that fire. */
class CountedClock implements Clock {
  fired = 0
  readonly #time: SimulatedClock

  constructor(time: SimulatedClock) {
    this.#time = time
  }

  now(): number {
    return this.#time.now()
  }

  elapsedMs(): number {
    return this.#time.elapsedMs()
  }

  after(delayMs: number, act: () => void): () => void {
    return this.#time.after(delayMs, () => {
      this.fired++
      act()
    })
  }
}

/** Starts swarms, asks each of them once, and gives the number of timers that fire in the ten minutes after. */
async function timersOfTenMinutes(count: number): Promise<{ readonly ofSwarms: number; readonly ofLog: number }> {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-idle-'))
  writeFileSync(join(directory, 'same.mjs'), 'export default (input) => input\n')
  const time = new SimulatedClock()
  const [clock, logClock] = [new CountedClock(time), new CountedClock(time)]
  /** Moves time on until a promise settles that also waits for the disk. */
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    let isSettled = false
    const end = () => {
      isSettled = true
    }
    void promise.then(end, end)
    while (!isSettled) await time.advance(1)
    return promise
  }
  const env = { WAGGLE_DATA_DIR: join(directory, 'data') }
  const { settings } = loadConfig({ directories: [directory], env })
  const random = new SystemRandom()
  const log = await openEmbeddedLog({ directory: join(directory, 'data', 'log'), clock: logClock })
  const recorder = FileFlightRecorder.open(join(directory, 'data', 'flights'))
  const models = openRemoteModels(settings, clock)
  const running = new RunningSwarms({
    ports: beePorts({ settings, threads: 1, database: { openTable: () => Promise.reject(new Error('There is no database')) } }),
    modelsWith: (threads) => modelsOf(settings, threads),
    threads: null,
    models,
    log,
    clock,
    random,
    killingRecordSearch: new KillingRecordSearch(recorder),
    claims: null,
    openStates: new Map(),
    openState: async () => null,
    say: () => {},
    shows: () => false,
    failures: new FailureLines({ say: () => {}, clock }),
    onOpened: () => {},
    beforeStart: async () => {},
  })
  const requests = new EmbeddedRequests({ log, clock, targets: [], outcomes: [], maxPending: 100 })
  try {
    await requests.start()
    await running.connect(requests, [])
    for (let at = 0; at < count; at++) {
      const text = swarm.replaceAll('NUMBER', String(at))
      const prepared = await running.prepare(configuredText({ text, file: 'swarm.yaml', directory: null }, { root: directory, env }))
      await settled(running.start(prepared))
      const asked = requests.request({
        ...{ gateway: `door-${at}`, id: `request-${at}`, owner: '', bodyHash: '', traceparent: null },
        ...{ body: Buffer.from('"Bea"'), contentType: 'application/json', deadline: clock.now() + 30_000 },
      })
      assert.equal((await settled(asked)).state, 'answered')
    }
    await settled(log.durable())
    await time.advance(60_000)
    clock.fired = 0
    logClock.fired = 0
    await time.advance(600_000)
    return { ofSwarms: clock.fired, ofLog: logClock.fired }
  } finally {
    await settled(running.close(() => 10_000))
    await requests.close()
    await models.close()
    recorder.close()
    await log.close()
    rmSync(directory, { recursive: true })
  }
}

const swarm = `name: idle-NUMBER
bees:
  - {name: entrance, type: gateway-input, spec: {name: door-NUMBER}}
  - {name: same, type: module, input: {name: entrance}, spec: {file: ./same.mjs}}
  - {name: answer, type: respond, input: {name: same}}
`
