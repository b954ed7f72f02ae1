import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { StreamsBuilder } from 'waggle-streams'
import type { Clock, Consumer, TaskProducer } from '../../../processor/ports.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { aSecond, changed, running, send, withTopics } from '../../support/simulated-application.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'
import { read, toOut } from '../../support/text-program.ts'

const onKafka = { atomicCommit: true, repeatsRecords: true, handsOn: false }

describe('The loop of a stream thread', () => {
  it('goes on as soon as a slow commit is done, before the next commit is due', async () => {
    const world = new SimulatedWorld({ traits: onKafka })
    const log = await withTopics(world, ['in', 'out'])
    let release = () => {}
    let commits = 0
    const slow = changed(log, {
      taskProducer: async (options) => {
        const producer = await log.taskProducer(options)
        return changed<TaskProducer>(producer, {
          async commit(point) {
            if (commits++ === 0)
              await new Promise<void>((resolve) => {
                release = resolve
              })
            return producer.commit(point)
          },
        })
      },
    })
    const builder = new StreamsBuilder()
    toOut(builder.stream('in', read))
    const { application, close } = await running(world, { topology: builder.build(), log: slow, commitIntervalMs: 30_000 })
    // The very first commit is due at once. It stays on its way until `release`.
    await send(world, log, 'in', 1)
    await world.clock.until(() => commits === 1, 60_000)
    await send(world, log, 'in', 30_000)
    const [task] = application.threads.tasks
    const position = () => task?.positionOf('in', 0) ?? -1
    await aSecond(world)
    assert.ok(position() > 20_000 && position() < 25_000, `it waits at ${position()}`)
    release()
    await aSecond(world)
    assert.equal(position(), 30_001)
    await close()
  })

  for (const commitsWhenIdle of [false, true]) {
    it(`commits ${commitsWhenIdle ? 'as soon as nothing else is to be done' : 'when the interval is over'}, and at the latest at the interval if the thread is busy`, async () => {
      const world = new SimulatedWorld({ traits: onKafka })
      const log = await withTopics(world, ['in', 'out'])
      const builder = new StreamsBuilder()
      toOut(builder.stream('in', read))
      const { close } = await running(world, { topology: builder.build(), log, commitIntervalMs: 30_000, commitsWhenIdle })
      const written = async () => (await log.topic('out'))?.offsets[0]?.end ?? 0
      await send(world, log, 'in', 1)
      // The very first commit is due at once.
      await world.clock.advance(31_000)
      assert.equal(await written(), 1)
      await send(world, log, 'in', 1)
      await world.clock.advance(100)
      await send(world, log, 'in', 1)
      await world.clock.advance(100)
      assert.equal(await written(), commitsWhenIdle ? 3 : 1)
      await send(world, log, 'in', 2000)
      await world.clock.advance(100)
      const before = await written()
      await send(world, log, 'in', 1)
      await world.clock.advance(100)
      assert.equal(await written(), before, 'many have come within the last second')
      await world.clock.advance(31_000)
      assert.equal(await written(), 2004)
      await close()
    })
  }

  it('does not poll every millisecond for a task that has left while it waited for an input', async () => {
    const world = new SimulatedWorld({ traits: onKafka })
    const log = await withTopics(world, ['a', 'b', 'out'])
    const builder = new StreamsBuilder()
    toOut(builder.stream('a', read).merge(builder.stream('b', read)))
    let polls = 0
    let lose = () => {}
    const counted = changed(log, {
      subscribe: async (subscription) => {
        const consumer = await log.subscribe(subscription)
        let isLost = false
        lose = () => {
          isLost = true
        }
        return changed<Consumer>(consumer, {
          async poll(options) {
            polls++
            if (isLost) await subscription.listener.lost(['a', 'b'].map((topic) => ({ topic, partition: 0 })))
            isLost = false
            return consumer.poll(options)
          },
        })
      },
    })
    const { application, close } = await running(world, { topology: builder.build(), log: counted, maxTaskIdleMs: 5000 })
    await send(world, log, 'a', 1)
    await world.clock.advance(1000)
    assert.equal(application.threads.tasks[0]?.bufferedRecords, 1)
    lose()
    await world.clock.advance(10_000)
    assert.deepEqual(application.threads.tasks, [])
    polls = 0
    await world.clock.advance(10_000)
    assert.ok(polls < 100, `${polls} polls in ten idle seconds`)
    await close()
  })

  it('fires a schedule of an hour on time by a clock that runs faster than its timers, after a few waits', async () => {
    const world = new SimulatedWorld()
    const log = await withTopics(world, ['in', 'out'])
    const { clock: time } = world
    const start = time.now()
    const [fired, waits]: [number[], number[]] = [[], []]
    // A clock that follows the machine's clock gains at most 5 % of the passing time.
    const clock: Clock = {
      now: () => Math.floor(start + (time.elapsedMs() - start) * 1.05),
      elapsedMs: () => time.elapsedMs(),
      after: (delayMs, act) =>
        time.after(delayMs, () => {
          waits.push(delayMs)
          act()
        }),
    }
    const builder = new StreamsBuilder()
    builder.stream('in', read).process(() => ({
      init: (context) => void context.schedule(3_600_000, 'WALL_CLOCK_TIME', (now) => void fired.push(now)),
      process: () => {},
    }))
    const { close } = await running(world, { topology: builder.build(), log, clock })
    await world.clock.advance(60_000)
    waits.length = 0
    await world.clock.advance(3_600_000)
    assert.equal(fired.length, 1)
    const lateMs = (fired[0] ?? 0) - (start + 3_600_000)
    assert.ok(lateMs >= 0 && lateMs < 500, `${lateMs} ms late`)
    assert.ok(waits.length < 10, `${waits}`)
    await close()
  })

  it('recovers if a log that has fenced the thread is away for a while', async () => {
    const world = new SimulatedWorld({ traits: onKafka })
    const log = await withTopics(world, ['in', 'out'])
    let isFenced = false
    let refusals = 3
    const failing = changed(log, {
      taskProducer: async (options) => {
        if (isFenced && refusals-- > 0) throw new WaggleError('WAGGLE_LOG_WRITE_FAILED', { message: 'No broker answers', next: 'Wait.' })
        const producer = await log.taskProducer(options)
        return changed<TaskProducer>(producer, {
          async commit(point) {
            if (isFenced) return producer.commit(point)
            isFenced = true
            throw new WaggleError('WAGGLE_FENCED', { message: 'Another one writes for these tasks', next: 'Nothing.' })
          },
        })
      },
    })
    const builder = new StreamsBuilder()
    toOut(builder.stream('in', read))
    const { close } = await running(world, { topology: builder.build(), log: failing, commitIntervalMs: 10 })
    await send(world, log, 'in', 3)
    await world.clock.until(() => world.disk.topics.get('out')?.partitions[0]?.records.length === 3, 60_000)
    assert.ok(refusals < 0)
    await close()
  })
})
