import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { steadyClock } from '../../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../../connectors/system/system-random.ts'
import { watchClock } from '../../../ops/beekeeper/clock-watch.ts'
import { newRequest, startSwarm } from '../../support/function-swarm.ts'

const hourMs = 3_600_000

/** A machine whose clock the test can set. */
function machine() {
  let setMs = 0
  const clock = steadyClock({ wallMs: () => Date.now() + setMs, monotonicMs: () => performance.now() })
  return {
    clock,
    set(byMs: number) {
      setMs += byMs
    },
  }
}

const joined = `
name: pair
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: a, type: function, input: {name: entrance}}
  - {name: b, type: function, input: {name: entrance}}
  - {name: together, type: weighted-average-ensemble, input: {join: [a, b]}, timeout_seconds: 30}
  - {name: answer, type: respond, input: {name: together}}
`

describe('A jump of the machine’s clock', () => {
  for (const byMs of [hourMs, -hourMs]) {
    it(`by ${byMs / 60_000} minutes ends no request in flight and no join`, async () => {
      const { clock, set } = machine()
      const directory = mkdtempSync(join(tmpdir(), 'waggle-clock-'))
      const held = Promise.withResolvers<void>()
      const calls: string[] = []
      const log = await openEmbeddedLog({ directory, clock })
      const swarm = await startSwarm(
        { clock, random: new SystemRandom() },
        log,
        joined,
        {
          a: () => {
            calls.push('a')
            return { label: 'x', scores: { x: 1 } }
          },
          b: async () => {
            calls.push('b')
            await held.promise
            return { label: 'x', scores: { x: 1 } }
          },
        },
        new Map(),
      )
      const answered = swarm.requests.request(newRequest('flying', { deadline: clock.now() + 30_000 }))
      while (calls.length < 2) await new Promise(setImmediate)
      set(byMs)
      // Each of these requests reads the clock. A timer that counts the jump as passed time would fire now.
      for (let at = 0; at < 3; at++) await swarm.requests.submit(newRequest(`other-${at}`))
      held.resolve()
      assert.equal((await answered).state, 'answered')
      await swarm.close()
      rmSync(directory, { recursive: true })
    })
  }

  it('is reported once each time', () => {
    const { clock, set } = machine()
    const told: string[] = []
    const timers: (() => void)[] = []
    const held = {
      ...clock,
      after: (_: number, callback: () => void) => {
        timers.push(callback)
        return () => {}
      },
    }
    watchClock(held, (message) => told.push(message))
    assert.deepEqual(told, [])
    set(hourMs)
    for (let look = 0; look < 3; look++) timers.shift()?.()
    assert.equal(told.length, 1)
    assert.match(told[0] ?? '', /set 3[56]\d\d\.\d s ahead/)
    set(-hourMs)
    timers.shift()?.()
    set(-hourMs)
    timers.shift()?.()
    assert.match(told[1] ?? '', /set 3[56]\d\d\.\d s back/)
  })
})
