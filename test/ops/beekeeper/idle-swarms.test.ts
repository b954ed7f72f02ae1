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

it('In a process with many idle swarms, no more timers fire than in a process with one', async () => {
  const one = await timersOfTenMinutes(1)
  assert.ok(one > 0, 'the log measures its disk')
  // A look at the real disk may end before or after a turn of the simulated clock, so the last timer of a run may fire in it or not.
  const eight = await timersOfTenMinutes(8)
  assert.ok(Math.abs(eight - one) < 7, `${eight} timers with eight swarms, ${one} with one`)
})

/** Starts swarms, asks each of them once, and gives the number of timers that fire in the ten minutes after. */
async function timersOfTenMinutes(count: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-idle-'))
  writeFileSync(join(directory, 'same.mjs'), 'export default (input) => input\n')
  const time = new SimulatedClock()
  let fired = 0
  const clock: Clock = {
    now: () => time.now(),
    elapsedMs: () => time.elapsedMs(),
    after: (delayMs, act) =>
      time.after(delayMs, () => {
        fired++
        act()
      }),
  }
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
  const log = await openEmbeddedLog({ directory: join(directory, 'data', 'log'), clock })
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
    fired = 0
    await time.advance(600_000)
    return fired
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
