import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { StreamsBuilder } from 'waggle-streams'
import { Application } from '../../../processor/application/application.ts'
import type { Consumer, Log, Subscription } from '../../../processor/ports.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'
import { read, toOut } from '../../support/text-program.ts'

describe('An application that is closed while it starts', () => {
  it('runs no thread after the close, whichever step of its start it has reached', async () => {
    for (const step of ['topic', 'subscribe'] as const) {
      const { world, gate, application } = await waitingAt(step)
      const started = settled(application.start())
      await world.clock.until(() => gate.isReached)
      const closed = settled(application.close({ timeoutMs: 1000 }))
      await world.clock.until(() => application.state === 'PENDING_SHUTDOWN' || application.state === 'NOT_RUNNING')
      gate.open()
      await world.clock.until(() => started.isDone && closed.isDone)
      assert.equal(started.code, 'WAGGLE_NOT_RUNNING', step)
      assert.equal(closed.code, null, step)
      assert.equal(application.state, 'NOT_RUNNING', step)
      assert.deepEqual(
        application.threads.all.filter(({ state }) => state !== 'DEAD'),
        [],
        step,
      )
      assert.deepEqual(gate.consumers.size, 0, step)
    }
  })
})

interface Gate {
  isReached: boolean
  open: () => void
  /** Consumers that were subscribed and not closed. */
  readonly consumers: Set<Consumer>
}

async function waitingAt(step: 'topic' | 'subscribe') {
  const world = new SimulatedWorld()
  const log = world.boot()
  await log.createTopics(['in', 'out'].map((name) => ({ name, partitions: 1, cleanup: 'delete', retentionMs: null })))
  const builder = new StreamsBuilder()
  toOut(builder.stream('in', read))
  const gate: Gate = { isReached: false, open: () => {}, consumers: new Set() }
  const application = new Application({
    applicationId: 'app',
    topology: builder.build(),
    log: gated(log, step, gate),
    clock: world.clock,
    topics: [],
  })
  return { world, gate, application }
}

/** A log that lets the first call of `step` wait. */
function gated(log: Log, step: 'topic' | 'subscribe', gate: Gate): Log {
  const wait = async () => {
    if (gate.isReached) return
    gate.isReached = true
    await new Promise<void>((resolve) => {
      gate.open = resolve
    })
  }
  const calls: Partial<Log> = {
    async topic(name) {
      if (step === 'topic') await wait()
      return log.topic(name)
    },
    async subscribe(subscription: Subscription) {
      if (step === 'subscribe') await wait()
      const consumer = await log.subscribe(subscription)
      gate.consumers.add(consumer)
      return new Proxy(consumer, {
        get(target, property) {
          if (property === 'close') gate.consumers.delete(consumer)
          const value: unknown = Reflect.get(target, property)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
    },
  }
  return new Proxy(log, {
    get(target, property) {
      const value: unknown = Reflect.get(calls, property) ?? Reflect.get(target, property)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function settled(promise: Promise<void>): { isDone: boolean; code: string | null } {
  const outcome: { isDone: boolean; code: string | null } = { isDone: false, code: null }
  promise.then(
    () => {
      outcome.isDone = true
    },
    (error: { code: string }) => {
      outcome.isDone = true
      outcome.code = error.code
    },
  )
  return outcome
}
