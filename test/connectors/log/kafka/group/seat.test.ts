import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BrokerError } from '../../../../../connectors/log/kafka/cluster/broker-error.ts'
import { Seat } from '../../../../../connectors/log/kafka/group/seat.ts'
import { SimulatedClock } from '../../../../../processor/simulation/simulated-clock.ts'

describe('A member’s seat in its group', () => {
  const open = () => {
    const clock = new SimulatedClock()
    return { clock, seat: new Seat({ clock, sessionTimeoutMs: 6000, rebalanceTimeoutMs: 10_000 }) }
  }
  const refused = (error: string) => () => Promise.reject(new BrokerError(error))
  const answered = async () => {}

  it('is held until one session after the last answered request was sent', async () => {
    const { clock, seat } = open()
    assert.equal(seat.isHeld, false)
    await seat.hears(async () => {
      await clock.advance(2000)
    })
    await clock.advance(3999)
    assert.equal(seat.isHeld, true)
    await clock.advance(1)
    assert.equal(seat.isHeld, false)
  })

  it('is held while the member is asked to join, until the rebalance has timed out', async () => {
    const { clock, seat } = open()
    await seat.hears(answered)
    for (let at = 1000; at < 10_000; at += 1000) {
      await clock.advance(1000)
      await assert.rejects(seat.hears(refused('REBALANCE_IN_PROGRESS')))
      assert.equal(seat.isHeld, true, `after ${at} ms`)
    }
    await clock.advance(1000)
    await assert.rejects(seat.hears(refused('REBALANCE_IN_PROGRESS')))
    assert.equal(seat.isHeld, false, 'the rebalance may have begun right after the first answer')
  })

  it('is held during a rebalance that the member has joined, regardless of the duration of the rebalance', async () => {
    const { clock, seat } = open()
    await seat.hears(answered)
    for (let at = 0; at < 30; at++) {
      await clock.advance(1000)
      await assert.rejects(seat.hears(refused('REBALANCE_IN_PROGRESS'), { isJoining: true }))
      assert.equal(seat.isHeld, true)
    }
  })

  it('is lost if the coordinator does not know the member, and an older response does not bring the seat back', async () => {
    const { clock, seat } = open()
    await seat.hears(answered)
    await assert.rejects(seat.hears(refused('UNKNOWN_MEMBER_ID')))
    assert.equal(seat.isHeld, false)
    const older = Promise.withResolvers<void>()
    const hearing = seat.hears(() => older.promise)
    seat.lose()
    await clock.advance(1)
    older.resolve()
    await hearing
    assert.equal(seat.isHeld, false)
  })
})
