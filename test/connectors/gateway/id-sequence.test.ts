import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { IdSequence } from '../../../connectors/gateway/id-sequence.ts'
import { SystemRandom } from '../../../connectors/system/system-random.ts'
import { uuidOf } from '../../../topology/uuid.ts'

describe('A sequence of ids', () => {
  const textOf = (bytes: Uint8Array) => uuidOf(Uint8Array.from([...bytes, 0, 0, 0, 0]), 8)

  it('sorts as text by time, also within a millisecond, while the clock stands, and with more ids than a unit of time has numbers', () => {
    let now = 1_700_000_000_000
    const sequence = new IdSequence({ now: () => now }, new SystemRandom())
    const ids: string[] = []
    for (let at = 0; at < 10_000; at++) ids.push(textOf(sequence.next()))
    for (let at = 0; at < 1000; at++) {
      now += at % 3
      ids.push(textOf(sequence.next()))
    }
    assert.deepEqual(ids.toSorted(), ids)
    assert.equal(new Set(ids).size, ids.length)
  })

  it('continues after its last id if the clock is set back', () => {
    let now = 1_700_000_000_000
    const sequence = new IdSequence({ now: () => now }, new SystemRandom())
    const before = textOf(sequence.next())
    now -= 60_000
    assert.ok(textOf(sequence.next()) > before)
  })

  it('shares no id with another process at the same time', () => {
    const [one, other] = [0, 0].map(() => new IdSequence({ now: () => 1_700_000_000_000 }, new SystemRandom()))
    assert.notEqual(textOf(one?.next() ?? new Uint8Array(0)), textOf(other?.next() ?? new Uint8Array(0)))
  })

  it('has room for times until 2109', () => {
    const last = Date.UTC(2109, 0)
    let now = last - 1000
    const sequence = new IdSequence({ now: () => now }, new SystemRandom())
    const before = textOf(sequence.next())
    now = last
    assert.ok(textOf(sequence.next()) > before)
  })
})
