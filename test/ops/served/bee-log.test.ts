import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BeeLog } from '../../../ops/served/bee-log.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { Redaction } from '../../../topology/swarm/secrets/redaction.ts'

describe('The lines of bees that callers may read', () => {
  const kept = () => {
    const log = new BeeLog(new SimulatedClock())
    const passed: string[] = []
    const say = log.keeping((_, __, message) => void passed.push(message), new Redaction(new Map([['secrets.DOOR', 'open-sesame']])))
    return { log, passed, say: (bee: string, message: string) => say(bee, 'info', message, { swarm: 'cave' }) }
  }

  it('hide secrets', () => {
    const { log, say } = kept()
    say('porter', 'the password is open-sesame')
    assert.deepEqual(
      log.of('cave', 'porter', 0).map(({ message }) => message),
      ['the password is {{ secrets.DOOR }}'],
    )
  })

  it('have the request of a line, where it is known, and no more of it than an id', () => {
    const log = new BeeLog(new SimulatedClock())
    const say = log.keeping(() => {}, new Redaction(new Map()))
    say('porter', 'info', 'of nobody', { swarm: 'cave' })
    say('porter', 'warn', 'of one', { swarm: 'cave', request_id: 'r1' })
    say('porter', 'info', 'of many', { swarm: 'cave', request_id: 'x'.repeat(10_000) })
    const ids = log.of('cave', 'porter', 0).map(({ request_id: id }) => id)
    assert.deepEqual(ids, [undefined, 'r1', 'x'.repeat(256)])
  })

  it('are the last 200 lines of a bee, each with at most 4000 characters, while the process log has all lines', () => {
    const { log, passed, say } = kept()
    for (let line = 0; line < 300; line++) say('porter', `${line} ${'x'.repeat(5000)}`)
    const lines = log.of('cave', 'porter', 0)
    assert.equal(lines.length, 200)
    assert.match(lines[0]?.message ?? '', /^100 x/)
    assert.equal(lines[0]?.message.length, 4000)
    assert.equal(passed.length, 300)
  })

  it('take limited memory: the bee that has been silent for the longest time loses its lines first', () => {
    const { log, say } = kept()
    const long = 'x'.repeat(4000)
    for (let bee = 0; bee < 10; bee++) for (let line = 0; line < 200; line++) say(`bee-${bee}`, long)
    const counts = Array.from({ length: 10 }, (_, bee) => log.of('cave', `bee-${bee}`, 0).length)
    assert.deepEqual(counts.slice(0, 4), [0, 0, 0, 0])
    assert.deepEqual(counts.slice(5), [200, 200, 200, 200, 200])
    assert.ok(counts.reduce((sum, count) => sum + count, 0) * 4100 <= 4 * 1024 * 1024)
  })
})
