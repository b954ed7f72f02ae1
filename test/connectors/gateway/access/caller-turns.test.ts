import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { CallerTurns } from '../../../../connectors/gateway/access/caller-turns.ts'
import { SimulatedClock } from '../../../../processor/simulation/simulated-clock.ts'
import { propertyRuns } from '../../../support/property-runs.ts'

/** Turns that record their order: the name of each request at its start. */
function turnsOf({ atWork, waiting = 1000 }: { readonly atWork: number; readonly waiting?: number }) {
  const clock = new SimulatedClock()
  const turns = new CallerTurns({ clock, atWork, waiting })
  const begun: string[] = []
  const late: string[] = []
  const ends = new Map<string, () => void>()
  return {
    clock,
    turns,
    begun,
    late,
    ends,
    take: (caller: string, name: string, deadline: number | null = null) =>
      turns.take(caller, deadline).then((end) => {
        if (end === null) late.push(name)
        else {
          begun.push(name)
          ends.set(name, end)
        }
      }),
    async finish(name: string) {
      ends.get(name)?.()
      ends.delete(name)
      await clock.settle()
    },
  }
}

describe('The turns of callers at a gateway', () => {
  it('give the next place to another caller, however many requests of the first caller wait', async () => {
    const { take, finish, begun, clock } = turnsOf({ atWork: 2 })
    for (let at = 0; at < 100; at++) void take('greedy', `greedy ${at}`)
    void take('modest', 'modest')
    void take('third', 'third')
    await clock.settle()
    assert.deepEqual(begun, ['greedy 0', 'greedy 1'])
    for (const name of ['greedy 0', 'greedy 1', 'greedy 2', 'modest']) await finish(name)
    assert.deepEqual(begun.slice(2), ['greedy 2', 'modest', 'third', 'greedy 3'])
  })

  it('are fair and leave no place free, for any order of arriving and ending requests', async () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ caller: fc.constantFrom('a', 'b', 'c', 'd') }) },
      { weight: 2, arbitrary: fc.record({ ends: fc.nat() }) },
    )
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 5 }), fc.array(step, { maxLength: 80 }), async (atWork, steps) => {
        const { take, finish, begun, ends, turns, clock } = turnsOf({ atWork })
        /**
         * The callers of waiting and running requests. Each waiting request has two lists: the earlier requests of its own caller, and the turns of
         * other callers since its arrival.
         */
        const waiting = new Map<string, { readonly caller: string; readonly ahead: number; readonly turns: Map<string, number> }>()
        let seen = 0
        const note = () => {
          for (const name of begun.slice(seen)) {
            seen++
            const own = waiting.get(name)
            assert.ok(own !== undefined)
            waiting.delete(name)
            for (const count of own.turns.values()) assert.ok(count <= own.ahead + 1, `${name} waited for ${count} turns of one caller`)
            for (const other of waiting.values()) if (other.caller !== own.caller) other.turns.set(own.caller, (other.turns.get(own.caller) ?? 0) + 1)
          }
          assert.equal(turns.atWork, ends.size)
          assert.ok(ends.size <= atWork)
          if (waiting.size > 0) assert.equal(ends.size, atWork)
        }
        for (const [at, one] of steps.entries()) {
          if ('caller' in one) {
            const ahead = [...waiting.values()].filter(({ caller }) => caller === one.caller).length
            waiting.set(`${one.caller} ${at}`, { caller: one.caller, ahead, turns: new Map() })
            void take(one.caller, `${one.caller} ${at}`)
            await clock.settle()
          } else {
            const name = [...ends.keys()][one.ends % Math.max(1, ends.size)]
            if (name !== undefined) await finish(name)
          }
          note()
        }
        while (ends.size > 0) {
          await finish([...ends.keys()][0] ?? '')
          note()
        }
        assert.equal(waiting.size, 0)
        assert.equal(begun.length, steps.filter((one) => 'caller' in one).length)
      }),
      { numRuns: propertyRuns(300) },
    )
  })

  it('end the wait of a request at its deadline, and give the request no turn', async () => {
    const { take, finish, begun, late, clock, turns } = turnsOf({ atWork: 1 })
    void take('a', 'first')
    void take('b', 'late', clock.now() + 1000)
    void take('c', 'next', clock.now() + 9000)
    await clock.advance(1000)
    assert.deepEqual([begun, late, turns.atWork], [['first'], ['late'], 1])
    await finish('first')
    assert.deepEqual([begun, turns.atWork], [['first', 'next'], 1])
  })

  it('have places for waiting requests, and never give all of these places to one caller', async () => {
    const { turns, clock, finish, take } = turnsOf({ atWork: 1, waiting: 4 })
    void take('x', 'x')
    const refused: string[] = []
    for (const caller of ['greedy', 'greedy', 'greedy', 'modest', 'modest', 'modest'])
      turns.take(caller, null).catch(({ code }: { readonly code: string }) => refused.push(`${caller} ${code}`))
    await clock.settle()
    assert.deepEqual(refused, ['greedy WAGGLE_CALLER_LIMIT', 'modest WAGGLE_CALLER_LIMIT', 'modest WAGGLE_CALLER_LIMIT'])
    await finish('x')
    turns.take('third', null).catch(({ code }: { readonly code: string }) => refused.push(code))
    await clock.settle()
    assert.equal(refused.length, 3)
  })

  it('refuse waiting requests and new requests when the process stops', async () => {
    const { turns } = turnsOf({ atWork: 1 })
    const end = await turns.take('a', null)
    assert.ok(end !== null)
    const waits = turns.take('b', null)
    turns.stop()
    await assert.rejects(waits, { code: 'WAGGLE_STOPPING' })
    await assert.rejects(turns.take('c', null), { code: 'WAGGLE_STOPPING' })
    end()
    assert.equal(turns.atWork, 0)
  })
})
