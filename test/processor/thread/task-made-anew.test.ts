import assert from 'node:assert/strict'
import { it } from 'node:test'
import { StreamsBuilder } from 'waggle-streams'
import { Application } from '../../../processor/application/application.ts'
import type { Consumer, Log, Subscription, TopicPartition } from '../../../processor/ports.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'
import { read, toOut } from '../../support/text-program.ts'

it('A task that gets a further input while it works neither loses nor repeats a buffered record', async () => {
  const world = new SimulatedWorld({ traits: { atomicCommit: true, repeatsRecords: true, handsOn: false } })
  const log = world.boot()
  await log.createTopics(['a', 'b', 'out'].map((name) => ({ name, partitions: 1, cleanup: 'delete', retentionMs: null })))
  const producer = await log.producer()
  const send = (topic: string, key: string) =>
    producer.send({ topic, partition: 0, key: Buffer.from(key), value: Buffer.from('x'), timestamp: 1, headers: [] })
  let isSent = false
  void Promise.all([...Array.from({ length: 1000 }, (_, at) => send('a', `a${at}`)), send('b', 'b')]).then(() => {
    isSent = true
  })
  await world.clock.until(() => isSent)

  const builder = new StreamsBuilder()
  toOut(builder.stream('a', read).merge(builder.stream('b', read)))
  const left: number[] = []
  const application: Application = new Application({
    applicationId: 'app',
    topology: builder.build(),
    log: lateInput(log, 'b', () => {
      // Some records are processed and not committed, and other records wait.
      const [task] = application.threads.tasks
      left.push(task?.bufferedRecords ?? 0)
      return task?.hasUncommitted === true && task.bufferedRecords > 0
    }),
    clock: world.clock,
    topics: [],
    commitIntervalMs: 1000,
  })
  void application.start()
  const out = () => (world.disk.topics.get('out')?.partitions[0]?.records ?? []).map(({ key }) => String(key))
  await world.clock.until(() => out().includes('b') && out().length >= 1001)
  assert.ok(left.some((count) => count > 0))
  assert.deepEqual(out().toSorted(), ['b', ...Array.from({ length: 1000 }, (_, at) => `a${at}`)].toSorted())
  let isClosed = false
  void application.close({ timeoutMs: 1000 }).then(() => {
    isClosed = true
  })
  await world.clock.until(() => isClosed)
})

/** A log whose consumers get the partitions of one topic only when `mayCome` returns true, as after a rebalance. */
function lateInput(log: Log, topic: string, mayCome: () => boolean): Log {
  const subscribe = async (subscription: Subscription): Promise<Consumer> => {
    let late: readonly TopicPartition[] = []
    const consumer = await log.subscribe({
      ...subscription,
      listener: {
        ...subscription.listener,
        assigned: (partitions) => {
          late = partitions.filter((one) => one.topic === topic)
          consumer.pause(late)
          return subscription.listener.assigned(partitions.filter((one) => one.topic !== topic))
        },
      },
    })
    return new Proxy(consumer, {
      get(target, property) {
        if (property !== 'poll') {
          const value: unknown = Reflect.get(target, property)
          return typeof value === 'function' ? value.bind(target) : value
        }
        return async (options: Parameters<Consumer['poll']>[0]) => {
          if (late.length > 0 && mayCome()) {
            const coming = late
            late = []
            await subscription.listener.assigned(coming)
            consumer.resume(coming)
          }
          return consumer.poll(options)
        }
      },
    })
  }
  return new Proxy(log, {
    get(target, property) {
      if (property === 'subscribe') return subscribe
      const value: unknown = Reflect.get(target, property)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
