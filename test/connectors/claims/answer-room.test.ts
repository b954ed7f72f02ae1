import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AnswerRoom } from '../../../connectors/claims/answer-room.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'

describe('The room for answers in memory', () => {
  const opened = () => {
    const clock = new SimulatedClock()
    const room = new AnswerRoom({ clock, maxBytes: 100 })
    const order: string[] = []
    const reader = (name: string, caller = '') => {
      const closed = new AbortController()
      const cut = () => {
        order.push(`${name} is cut`)
        closed.abort()
      }
      return {
        closed,
        hold: (bytes: number) => room.hold(bytes, { name: caller, closed: closed.signal, cut }),
        take: (bytes: number, signal = never) =>
          room.take(bytes, { name: caller, closed: closed.signal, cut }, signal).then((held) => {
            order.push(name)
            held.offer(bytes)
            return held.release
          }),
      }
    }
    return { clock, room, order, reader }
  }
  const never = new AbortController().signal

  it('is given in the order of the answers, and given back once, by the release or by the end of the reader', async () => {
    const { clock, room, order, reader } = opened()
    const one = reader('one')
    const release = await one.take(60)
    const large = reader('large').take(1_000)
    const small = reader('small').take(10)
    await clock.settle()
    assert.deepEqual([order, room.takenBytes], [['one'], 60])
    release()
    one.closed.abort()
    release()
    const releaseLarge = await large
    assert.equal(room.takenBytes, 100)
    releaseLarge()
    const releaseSmall = await small
    assert.deepEqual([order, room.takenBytes], [['one', 'large', 'small'], 10])
    releaseSmall()
    assert.equal(room.takenBytes, 0)
  })

  it('is not taken by an answer whose wait was given up, or whose reader had closed before', async () => {
    const { clock, room, order, reader } = opened()
    const release = await reader('one').take(100)
    const giveUp = new AbortController()
    const second = reader('second').take(100, giveUp.signal)
    const gone = reader('gone')
    const third = gone.take(50)
    gone.closed.abort()
    giveUp.abort(new Error('too late'))
    await assert.rejects(second, /too late/)
    release()
    await third
    await clock.settle()
    assert.deepEqual([order, room.takenBytes], [['one', 'gone'], 0])
  })

  it('is taken from a slow reader only while another answer waits for it', async () => {
    const { clock, room, order, reader } = opened()
    await reader('slow').take(100)
    await clock.advance(3_600_000)
    assert.deepEqual(order, ['slow'])
    const next = reader('next').take(50)
    await clock.advance(1_000)
    await next
    assert.deepEqual([order, room.takenBytes], [['slow', 'slow is cut', 'next'], 50])
  })

  it('stays with a reader that may still be reading', async () => {
    const { clock, order, reader } = opened()
    await reader('reading').take(100)
    void reader('next').take(50)
    await clock.advance(9_000)
    assert.deepEqual(order, ['reading'])
    await clock.advance(2_000)
    assert.deepEqual(order, ['reading', 'reading is cut', 'next'])
  })

  it('is never all of one named caller, whose further answers wait for its own ones only', async () => {
    const { clock, order, reader } = opened()
    const releases = [await reader('a1', 'anna').take(30), await reader('a2', 'anna').take(30)]
    const third = reader('a3', 'anna').take(30)
    await reader('b1', 'bert').take(40)
    await clock.settle()
    assert.deepEqual(order, ['a1', 'a2', 'b1'])
    // Bert’s answer is not in the way of Anna’s, so only a slow answer of Anna’s own is cut for it.
    releases[0]?.()
    releases[1]?.()
    await third
    assert.deepEqual(order, ['a1', 'a2', 'b1', 'a3'])
  })

  it('counts answers that are in memory already, beyond its bound too, and then takes it from slow readers', async () => {
    const { clock, room, order, reader } = opened()
    const [slow, released, next] = [reader('slow'), reader('released'), reader('next')]
    slow.hold(90)
    const { release } = released.hold(60)
    const waiting = next.take(20)
    await clock.advance(1_000)
    assert.deepEqual([order, room.takenBytes], [[], 150])
    release()
    release()
    assert.equal(room.takenBytes, 90)
    released.hold(60)
    await clock.advance(10_000)
    await waiting
    assert.deepEqual([order, room.takenBytes], [['slow is cut', 'next'], 80])
  })

  it('is not taken from other callers for a caller that has its share', async () => {
    const { clock, order, reader } = opened()
    await reader('b1', 'bert').take(30)
    await clock.advance(3_600_000)
    await reader('a1', 'anna').take(40)
    void reader('a2', 'anna').take(20)
    await clock.advance(5_000)
    assert.deepEqual(order, ['b1', 'a1'])
    await clock.advance(10_000)
    assert.deepEqual(order, ['b1', 'a1', 'a1 is cut', 'a2'])
  })

  it('is not taken from a caller whose answer is still being fetched', async () => {
    const { clock, room, order } = opened()
    const one = await room.take(100, { name: '', closed: never, cut: () => void order.push('cut') }, never)
    void room.take(1, { name: '', closed: never, cut() {} }, never)
    await clock.advance(3_600_000)
    assert.deepEqual(order, [])
    one.offer(100)
    await clock.advance(12_000)
    assert.deepEqual(order, ['cut'])
  })

  it('is taken from an answer of more than half of it before others have waited for 20 s', async () => {
    const mib = 1024 * 1024
    const clock = new SimulatedClock()
    const room = new AnswerRoom({ clock, maxBytes: 100 * mib })
    const cuts: string[] = []
    const take = (name: string, bytes: number) => {
      const closed = new AbortController()
      const cut = () => {
        cuts.push(name)
        closed.abort()
      }
      return room.take(bytes, { name, closed: closed.signal, cut }, never).then((held) => held.offer(bytes))
    }
    await take('small', 40 * mib)
    await take('large', 60 * mib)
    void take('next', 80 * mib)
    await clock.advance(14_000)
    assert.deepEqual(cuts, [])
    await clock.advance(2_000)
    assert.deepEqual(cuts, ['large'])
    await clock.advance(36_000)
    assert.deepEqual(cuts, ['large', 'small'])
  })
})
