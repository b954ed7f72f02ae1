import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import {
  bytesIn,
  type Consumer,
  type Gap,
  Handed,
  type Log,
  type LogRecord,
  type RecordRun,
  type RecordValue,
  type StoreChange,
  type Subscription,
  type TopicPartition,
} from '../../processor/ports.ts'
import { textHeader } from '../../topology/record.ts'
import { Serdes } from '../../topology/serdes.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

export interface LogUnderTest {
  readonly log: Log
  /** The clock of the log. A simulated clock is moved by hand; with the real one `advance` waits. */
  readonly clock: { now(): number; advance(ms: number): Promise<void>; settle(): Promise<void> }
  /** The program that enforces the retention of this log. Undefined if the log itself enforces its retention. */
  readonly retentionElsewhere?: string
  /** False: a reader in another thread than the log's is not told of gaps. */
  readonly tellsReaders?: false
  /** Opens the same data as a new process would. */
  reopen(): Promise<Log>
  close(): Promise<void>
}

/** The contract of every log, written against `processor/ports.ts` alone. */
export function logContract(name: string, open: () => Promise<LogUnderTest>): void {
  describe(`${name} keeps the contract of a log`, () => {
    let under: LogUnderTest
    let log: Log

    beforeEach(async () => {
      under = await open()
      log = under.log
      await log.createTopics([topic('in', 4), topic('out', 4)])
    })

    afterEach(() => under.close())

    describe('topics', () => {
      it('have all their partitions, and no records, when they have been created', async () => {
        const names = await log.topics()
        assert.deepEqual(
          ['in', 'nowhere', 'out'].filter((one) => names.includes(one)),
          ['in', 'out'],
        )
        const info = await log.topic('in')
        assert.equal(info?.partitions, 4)
        assert.deepEqual(info?.offsets, Array(4).fill({ start: 0, end: 0 }))
        assert.equal(await log.topic('nowhere'), null)
      })

      it('may be created again with the same number of partitions, but not with another number', async () => {
        await log.createTopics([topic('in', 4)])
        await assert.rejects(log.createTopics([topic('in', 5)]), { code: 'WAGGLE_TOPIC_MISMATCH' })
      })

      it('survive a restart', async () => {
        const again = await under.reopen()
        assert.equal((await again.topic('out'))?.partitions, 4)
      })
    })

    describe('a producer', () => {
      it('gets the offset of each record when that record is durable', async () => {
        const producer = await log.producer()
        const sent = await Promise.all(['a', 'b', 'c'].map((value) => producer.send(record('in', 0, value))))
        assert.deepEqual(
          sent.map(({ offset }) => offset),
          [0, 1, 2],
        )
        const again = await under.reopen()
        assert.deepEqual(await valuesOf(again, 'in', 0, 3), ['a', 'b', 'c'])
      })

      it('may leave the write of a record to the next commit', async () => {
        const producer = await log.producer()
        const waiting = producer.send(record('in', 0, 'rides'), { durable: false })
        const tasks = await log.taskProducer({ group: 'app' })
        await tasks.commit({ positions: [{ topic: 'in', partition: 0, offset: 0, metadata: '' }], state: [] })
        assert.deepEqual(await waiting, { offset: 0 })
      })

      it('appends further records while many records are not durable yet', async () => {
        const producer = await log.producer()
        for (let round = 0; round < 20; round++)
          await Promise.all(Array.from({ length: 50 }, (_, at) => producer.send(record('in', at % 4, `${round}-${at}`))))
        const info = await log.topic('in')
        assert.equal(
          info?.offsets.reduce((sum, { end }) => sum + end, 0),
          1000,
        )
      })
    })

    describe('records', () => {
      it('keep key, value, headers and timestamp, even if one of these is null', async () => {
        const producer = await log.producer()
        const headers = [textHeader('content-type', 'image/jpeg'), { key: 'empty', value: null }]
        await producer.send({ topic: 'in', partition: 1, key: bytes('key'), value: bytes('value'), headers, timestamp: 12 })
        await producer.send({ topic: 'in', partition: 1, key: null, value: null, headers: [], timestamp: 13 })
        for (const read of [() => log, () => under.reopen()]) {
          const [first, second] = await recordsOf(await read(), 'in', 1, 2)
          assert.equal(text(first?.key), 'key')
          assert.equal(text(first?.value), 'value')
          assert.equal(first?.timestamp, 12)
          assert.deepEqual(
            first?.headers.map(({ key, value }) => [key, value === null ? null : text(value)]),
            [
              ['content-type', 'image/jpeg'],
              ['empty', null],
            ],
          )
          assert.equal(second?.key, null)
          assert.equal(second?.value, null)
          assert.equal(second?.timestamp, 13)
        }
      })

      it('may have any size, and large records may stand between small ones', async () => {
        const producer = await log.producer()
        const sizes = [0, 1, 16 * 1024, 16 * 1024 + 1, 3 * 1024 * 1024, 10]
        await Promise.all(
          sizes.map((size, at) =>
            producer.send({ topic: 'in', partition: 0, key: null, value: Buffer.alloc(size, at + 1), headers: [], timestamp: 1 }),
          ),
        )
        const again = await under.reopen()
        const read = await recordsOf(again, 'in', 0, sizes.length)
        assert.deepEqual(
          read.map(({ value }) => bytesOf(value)?.length),
          sizes,
        )
        for (const [at, { value }] of read.entries()) assert.ok(bytesOf(value)?.every((byte) => byte === at + 1))
      })

      it('are kept if another caller creates their topic at the same time', async () => {
        const producer = await log.producer()
        await Promise.all(
          Array.from({ length: 5 }, async (_, at) => {
            await log.createTopics([topic('new', 1)])
            await producer.send(record('new', 0, `v${at}`))
          }),
        )
        assert.deepEqual((await log.topic('new'))?.offsets, [{ start: 0, end: 5 }])
      })

      it('stay for the retention that the last call of createTopics set', async () => {
        await log.createTopics([{ ...topic('wished', 1), retentionMs: 1000 }])
        await log.createTopics([{ ...topic('wished', 1), retentionMs: 2000 }])
        await log.createTopics([{ ...topic('wished', 1), retentionMs: null }])
        assert.equal((await log.topic('wished'))?.retentionMs, 2000)
        assert.equal((await (await under.reopen()).topic('wished'))?.retentionMs, 2000)
      })

      it('are deleted past the retention of their topic, oldest first, and the offsets of later records stay', async (t) => {
        if (under.retentionElsewhere !== undefined) return t.skip(under.retentionElsewhere)
        await log.createTopics([{ ...topic('short', 1), retentionMs: 1000 }])
        const producer = await log.producer()
        const now = under.clock.now()
        await producer.send({ ...record('short', 0, 'old'), timestamp: now })
        await producer.send({ ...record('short', 0, 'new'), timestamp: now + 200_000 })
        await under.clock.advance(150_000)
        assert.deepEqual((await log.topic('short'))?.offsets, [{ start: 1, end: 2 }])
        assert.deepEqual(await valuesOf(log, 'short', 0, 1, 1), ['new'])
      })
    })

    describe('deleteBefore', () => {
      it('deletes records before the given offset, and none from that offset on', async (t) => {
        if (log.deleteBefore === undefined) return t.skip('This log keeps what is done')
        const producer = await log.producer()
        // Each record is sent in a call of its own, so that each record is a run of its own.
        for (let at = 0; at < 10; at++) await producer.send(record('in', 1, `v${at}`))
        await log.deleteBefore([{ topic: 'in', partition: 1, offset: 6 }])
        const { start = 0, end = 0 } = (await log.topic('in'))?.offsets[1] ?? {}
        assert.ok(start > 0 && start <= 6, `${start}`)
        assert.equal(end, 10)
        assert.deepEqual(await valuesOf(log, 'in', 1, 4, 6), ['v6', 'v7', 'v8', 'v9'])
        await log.deleteBefore([{ topic: 'in', partition: 1, offset: 2 }])
        const again = await under.reopen()
        assert.deepEqual((await again.topic('in'))?.offsets, [nothing, { start, end: 10 }, nothing, nothing])
        assert.deepEqual(await valuesOf(again, 'in', 1, 4, 6), ['v6', 'v7', 'v8', 'v9'])
        await (await again.producer()).send(record('in', 1, 'v10'))
        await again.deleteBefore?.([{ topic: 'in', partition: 1, offset: 11 }])
        assert.equal((await again.topic('in'))?.offsets[1]?.end, 11)
      })
    })

    describe('a position whose records were deleted', () => {
      for (const [name, answer, values] of [
        ['continues at the offset that `outOfRange` returns', 2, ['c']],
        ['fails the poll if `outOfRange` throws', null, []],
      ] as const) {
        it(name, async (t) => {
          if (under.retentionElsewhere !== undefined) return t.skip(under.retentionElsewhere)
          await log.createTopics([topic('short', 1)])
          const producer = await log.producer()
          for (const value of ['a', 'b', 'c']) await producer.send(record('short', 0, value))
          const tasks = await log.taskProducer({ group: 'app' })
          await tasks.commit({ positions: [{ topic: 'short', partition: 0, offset: 0, metadata: '' }], state: [] })
          await log.deleteBefore?.([{ topic: 'short', partition: 0, offset: 1 }])
          const asked: unknown[] = []
          const outOfRange = async (place: TopicPartition, offset: number) => {
            asked.push([place, offset])
            if (answer === null) throw new WaggleError('WAGGLE_POSITION_GONE', { message: 'gone', next: 'none' })
            return answer
          }
          const consumer = await log.subscribe({ ...subscription(['short']), outOfRange })
          if (answer === null) await assert.rejects(polled(consumer, 1), { code: 'WAGGLE_POSITION_GONE' })
          else assert.deepEqual(await polled(consumer, 1), values)
          assert.deepEqual(asked[0], [{ topic: 'short', partition: 0 }, 0])
          await consumer.close()
        })
      }
    })

    describe('records that are deleted before they are read', () => {
      it('are reported to their reader as a gap, and the next record is read', async (t) => {
        if (log.deleteBefore === undefined) return t.skip('This log keeps what is done')
        const producer = await log.producer()
        for (let at = 0; at < 10; at++) await producer.send(record('in', 1, `v${at}`))
        const tasks = await log.taskProducer({ group: 'app' })
        await tasks.commit({ positions: [{ topic: 'in', partition: 1, offset: 1, metadata: '' }], state: [] })
        await log.deleteBefore([{ topic: 'in', partition: 1, offset: 6 }])
        const start = (await log.topic('in'))?.offsets[1]?.start ?? 0
        assert.ok(start > 1, `${start}`)
        const told: Gap[] = []
        const reader = log.read({ topic: 'in', partition: 1, from: 1, to: 10, onGap: (gap) => told.push(gap) })
        const offsets: number[] = []
        for await (const { records } of reader) offsets.push(...records.map(({ offset }) => offset))
        assert.equal(offsets[0], start)
        assert.deepEqual(told, under.tellsReaders === false ? [] : [{ topic: 'in', partition: 1, from: 1, to: start }])
        const asked: unknown[] = []
        const outOfRange = async (place: TopicPartition, offset: number) => {
          asked.push([place, offset])
          return start
        }
        const consumer = await log.subscribe({ ...subscription(['in']), outOfRange })
        assert.equal((await polled(consumer, 10 - start))[0], `v${start}`)
        assert.deepEqual(asked, [[{ topic: 'in', partition: 1 }, 1]])
        await consumer.close()
      })

      it('are not reported to a reader that starts without a position', async (t) => {
        if (log.deleteBefore === undefined) return t.skip('This log keeps what is done')
        const producer = await log.producer()
        for (let at = 0; at < 10; at++) await producer.send(record('in', 1, `v${at}`))
        await log.deleteBefore([{ topic: 'in', partition: 1, offset: 6 }])
        const start = (await log.topic('in'))?.offsets[1]?.start ?? 0
        const told: unknown[] = []
        const reader = log.read({ topic: 'in', partition: 1, from: 0, to: 10, onGap: (gap) => told.push(gap) })
        for await (const { records } of reader) assert.ok(records.length > 0)
        const outOfRange = async (place: TopicPartition, offset: number) => {
          told.push([place, offset])
          return start
        }
        const consumer = await log.subscribe({ ...subscription(['in']), outOfRange })
        assert.equal((await polled(consumer, 10 - start))[0], `v${start}`)
        assert.deepEqual(told, [])
        await consumer.close()
      })
    })

    describe('a commit', () => {
      it('makes its records, positions and state durable together', async () => {
        const producer = await log.taskProducer({ group: 'app' })
        producer.append(record('out', 2, 'made'))
        await producer.commit({
          positions: [{ topic: 'in', partition: 2, offset: 7, metadata: 'note' }],
          state: log.state === null ? [] : [change('app/2', 'counts', { a: '1', b: '2' })],
        })
        const again = await under.reopen()
        assert.deepEqual(await valuesOf(again, 'out', 2, 1), ['made'])
        const consumer = await again.subscribe(subscription(['in']))
        assert.deepEqual(await consumer.committed({ topic: 'in', partition: 2 }), { offset: 7, metadata: 'note' })
        assert.equal(await consumer.committed({ topic: 'in', partition: 3 }), null)
        if (again.state !== null) assert.equal(text(again.state.open('app/2', 'counts').get(bytes('a'))), '1')
        await consumer.close()
      })

      it('may hold positions of several groups', async () => {
        const producer = await log.taskProducer({ group: 'app' })
        await producer.commit({
          positions: [
            { topic: 'in', partition: 0, offset: 1, metadata: '' },
            { topic: 'in', partition: 0, offset: 2, metadata: '', group: 'other' },
          ],
          state: [],
        })
        const [own, other] = await Promise.all([log.subscribe(subscription(['in'])), log.subscribe(subscription(['in'], 'other'))])
        assert.equal((await own.committed({ topic: 'in', partition: 0 }))?.offset, 1)
        assert.equal((await other.committed({ topic: 'in', partition: 0 }))?.offset, 2)
        await own.close()
        await other.close()
      })

      it('takes effect in the order of the calls, even if no caller awaits it', async () => {
        const producer = await log.taskProducer({ group: 'app' })
        const commits = ['1', '2', '3'].map((value, at) => {
          producer.append(record('out', 0, value))
          return producer.commit({
            positions: [{ topic: 'in', partition: 0, offset: at + 1, metadata: value }],
            state: log.state === null ? [] : [change('app/0', 's', { key: value })],
          })
        })
        await Promise.all(commits)
        const again = await under.reopen()
        assert.deepEqual(await valuesOf(again, 'out', 0, 3), ['1', '2', '3'])
        if (again.state !== null) assert.equal(text(again.state.open('app/0', 's').get(bytes('key'))), '3')
      })

      it('contains no record that was appended after the call of commit', async () => {
        const producer = await log.taskProducer({ group: 'app' })
        producer.append(record('out', 0, 'before'))
        const committed = producer.commit({ positions: [], state: [] })
        producer.append(record('out', 0, 'after'))
        await committed
        assert.equal((await valuesOf(log, 'out', 0, 1))[0], 'before')
        // At least once, later records may be in the topic before their own commit.
        const end = log.traits.atomicCommit ? (await log.topic('out'))?.offsets[0]?.end : 1
        assert.ok(end !== undefined && end >= 1)
        assert.deepEqual(await valuesBetween(log, 'out', 0, 0, end), ['before'])
      })

      it('returns the end offset of its records in each partition, unless the log keeps state itself', async () => {
        const producer = await log.taskProducer({ group: 'app' })
        for (const [partition, value] of [0, 0, 2].entries()) producer.append(record('out', value, String(partition)))
        const { ends } = await producer.commit({ positions: [], state: [] })
        if (ends.length === 0) return assert.notEqual(log.state, null)
        assert.deepEqual(
          ends.toSorted((a, b) => a.partition - b.partition),
          [
            { topic: 'out', partition: 0, offset: 2 },
            { topic: 'out', partition: 2, offset: 1 },
          ],
        )
        assert.deepEqual(await producer.commit({ positions: [], state: [] }), { ends: [] })
      })

      it('leaves nothing behind when it is aborted', async () => {
        const producer = await log.taskProducer({ group: 'app' })
        producer.append(record('out', 0, 'dropped'))
        await producer.abort()
        producer.append(record('out', 0, 'kept'))
        await producer.commit({ positions: [], state: [] })
        assert.deepEqual(await valuesOf(log, 'out', 0, 1), ['kept'])
        const again = await under.reopen()
        assert.deepEqual(await valuesOf(again, 'out', 0, 1), ['kept'])
      })
    })

    describe('state', () => {
      const fill = async (entries: { readonly [key: string]: string | null }) => {
        const producer = await log.taskProducer({ group: 'app' })
        await producer.commit({ positions: [], state: [change('app/0', 'store', entries)] })
        await producer.close()
      }
      const keysOf = (range: Iterable<readonly [Uint8Array, Uint8Array]> | undefined) => [...(range ?? [])].map(([key]) => text(key))

      it('is ordered by the bytes of its keys, and read from an inclusive start to an exclusive end, in either direction', async (t) => {
        if (log.state === null) return t.skip('this log keeps no state: it is rebuilt from changelogs')
        await fill({ b: '2', a: '1', d: '4', c: '3' })
        const store = log.state?.open('app/0', 'store')
        assert.deepEqual(keysOf(store?.range(null, null)), ['a', 'b', 'c', 'd'])
        assert.deepEqual(keysOf(store?.range(bytes('b'), bytes('d'))), ['b', 'c'])
        assert.deepEqual(keysOf(store?.range(bytes('b'), null, { reverse: true })), ['d', 'c', 'b'])
      })

      it('is separate for each task and for each store', async (t) => {
        if (log.state === null) return t.skip('this log keeps no state: it is rebuilt from changelogs')
        await fill({ a: '1' })
        assert.equal(log.state?.open('app/1', 'store').get(bytes('a')), null)
        assert.equal(log.state?.open('app/0', 'other').get(bytes('a')), null)
        assert.deepEqual(keysOf(log.state?.open('app/0', 'other').range(null, null)), [])
      })

      it('loses all rows before a given row when it is cleared, if the log supports that', async (t) => {
        if (log.state === null) return t.skip('this log keeps no state: it is rebuilt from changelogs')
        await fill({ a: '1', b: '2', c: '3' })
        const store = log.state?.open('app/0', 'store')
        store?.clearBefore?.(bytes('b'))
        assert.deepEqual(keysOf(store?.range(null, null)), store?.clearBefore === undefined ? ['a', 'b', 'c'] : ['b', 'c'])
      })

      it('gives the values of many keys at once, in order, and nothing for deleted keys', async (t) => {
        if (log.state === null) return t.skip('this log keeps no state: it is rebuilt from changelogs')
        await fill({ a: '1', b: '2' })
        await fill({ a: null, c: '3' })
        const found = log.state?.open('app/0', 'store').getMany(['c', 'a', 'b', 'x'].map(bytes))
        assert.deepEqual(
          found?.map((value) => (value === null ? null : text(value))),
          ['3', null, '2', null],
        )
      })
    })

    describe('a consumer', () => {
      it('gives all records in order, from the start or from the time of its subscription', async () => {
        const producer = await log.producer()
        await producer.send(record('in', 0, 'early'))
        const earliest = await joined(log, subscription(['in']))
        const latest = await joined(log, { ...subscription(['in'], 'late'), offsetReset: 'latest' })
        assert.deepEqual(await polled(latest, 0), [])
        await producer.send(record('in', 0, 'later'))
        assert.deepEqual(await polled(earliest, 2), ['early', 'later'])
        assert.deepEqual(await polled(latest, 1), ['later'])
        await earliest.close()
        await latest.close()
      })

      it('waits for new records', async () => {
        const consumer = await joined(log, subscription(['in']))
        const waiting = polled(consumer, 1)
        const producer = await log.producer()
        await producer.send(record('in', 3, 'came'))
        assert.deepEqual(await waiting, ['came'])
        await consumer.close()
      })

      it('stops its wait at the time limit, or when it is woken', async () => {
        const consumer = await joined(log, subscription(['in']))
        const overdue = consumer.poll({ maxRecords: 10, maxWaitMs: 100 })
        await under.clock.advance(100)
        assert.deepEqual(await overdue, [])
        const woken = consumer.poll({ maxRecords: 10, maxWaitMs: 60_000 })
        await under.clock.settle()
        consumer.wakeup()
        assert.deepEqual(await woken, [])
        await consumer.close()
      })

      it('gives no record of a paused partition, and continues at the same offset after a resume', async () => {
        const producer = await log.producer()
        await producer.send(record('in', 0, 'a'))
        await producer.send(record('in', 1, 'b'))
        const consumer = await joined(log, subscription(['in']))
        consumer.pause([{ topic: 'in', partition: 0 }])
        assert.deepEqual(await polled(consumer, 1), ['b'])
        assert.deepEqual(await polled(consumer, 0), [])
        assert.equal(consumer.hasMore({ topic: 'in', partition: 0 }), true)
        assert.equal(consumer.hasMore({ topic: 'in', partition: 1 }), false)
        consumer.resume([{ topic: 'in', partition: 0 }])
        assert.deepEqual(await polled(consumer, 1), ['a'])
        await consumer.close()
      })

      it('continues at the offset to which it seeks', async () => {
        const producer = await log.producer()
        for (const value of ['a', 'b', 'c']) await producer.send(record('in', 0, value))
        const consumer = await log.subscribe(subscription(['in']))
        assert.deepEqual(await polled(consumer, 3), ['a', 'b', 'c'])
        consumer.seek({ topic: 'in', partition: 0 }, 1)
        assert.deepEqual(await polled(consumer, 2), ['b', 'c'])
        await consumer.close()
      })

      it('starts at the group’s position after a restart', async () => {
        const producer = await log.producer()
        for (const value of ['a', 'b', 'c']) await producer.send(record('in', 0, value))
        const tasks = await log.taskProducer({ group: 'app' })
        await tasks.commit({ positions: [{ topic: 'in', partition: 0, offset: 2, metadata: '' }], state: [] })
        const again = await under.reopen()
        const consumer = await again.subscribe(subscription(['in']))
        assert.deepEqual(await polled(consumer, 1), ['c'])
        await consumer.close()
      })

      it('gives at most as many records as requested, and the others in the next poll', async () => {
        const producer = await log.producer()
        for (let at = 0; at < 10; at++) await producer.send(record('in', 0, String(at)))
        const again = await under.reopen()
        const consumer = await joined(again, subscription(['in']))
        const first = (await consumer.poll({ maxRecords: 4, maxWaitMs: 60_000 })).flatMap(({ records }) => records)
        assert.deepEqual(
          first.map(({ value }) => text(value)),
          ['0', '1', '2', '3'],
        )
        assert.deepEqual(await polled(consumer, 6), ['4', '5', '6', '7', '8', '9'])
        await consumer.close()
      })

      it('gives no uncommitted record with isolation committed', async () => {
        const consumer = await joined(log, subscription(['out']))
        const producer = await log.taskProducer({ group: 'app' })
        producer.append(record('out', 0, 'open'))
        if (log.traits.atomicCommit) assert.deepEqual(await polled(consumer, 0), [])
        await producer.commit({ positions: [], state: [] })
        assert.deepEqual(await polled(consumer, 1), ['open'])
        await consumer.close()
      })

      it('gives values before their commit as the same objects, if the log hands records on', async (t) => {
        if (!log.traits.handsOn) return t.skip('this log does not hand on')
        const consumer = await log.subscribe({ ...subscription(['out']), isolation: 'handed' })
        await consumer.poll({ maxRecords: 1, maxWaitMs: 0 })
        const producer = await log.taskProducer({ group: 'app' })
        const handed = new Handed('out', 'as it is', Serdes.string() as never, [])
        producer.append({ topic: 'out', partition: 0, key: null, value: handed, headers: [], timestamp: 1 })
        const [run] = await consumer.poll({ maxRecords: 1, maxWaitMs: 60_000 })
        assert.equal(run?.records[0]?.value, handed)
        await producer.commit({ positions: [], state: [] })
        assert.deepEqual(await valuesOf(await under.reopen(), 'out', 0, 1), ['as it is'])
      })

      it('loses records that were handed on and then dropped, and gets its partitions again', async (t) => {
        if (!log.traits.handsOn) return t.skip('this log does not hand on')
        const told: string[] = []
        const consumer = await log.subscribe({ ...subscription(['out']), isolation: 'handed', listener: listener(told) })
        await consumer.poll({ maxRecords: 1, maxWaitMs: 0 })
        const producer = await log.taskProducer({ group: 'app' })
        producer.append(record('out', 0, 'dropped'))
        assert.deepEqual(await polled(consumer, 1), ['dropped'])
        await producer.abort()
        assert.deepEqual(await polled(consumer, 0), [])
        assert.deepEqual(told, ['assigned 4', 'lost 4', 'assigned 4'])
        await consumer.close()
      })
    })

    describe('a group', () => {
      it('gives each partition to one member, and moves partitions as members join and leave', async () => {
        const told: string[] = []
        const first = await log.subscribe({ ...subscription(['in']), listener: listener(told, 'first ') })
        await polledUntil([first], () => told.length === 1)
        const second = await log.subscribe({ ...subscription(['in']), listener: listener(told, 'second ') })
        await polledUntil([second, first], () => told.length === 3)
        assert.deepEqual(told, ['first assigned 4', 'first revoked 2', 'second assigned 2'])
        const producer = await log.producer()
        for (let partition = 0; partition < 4; partition++) await producer.send(record('in', partition, String(partition)))
        const both = [...(await polled(first, 2)), ...(await polled(second, 2))]
        assert.deepEqual(both.sort(), ['0', '1', '2', '3'])
        await second.close()
        await polledUntil([first], () => told.length === 4)
        assert.equal(told.at(-1), 'first assigned 2')
        await first.close()
      })

      it('gives partitions with the same number to the same member, whatever their topic', async () => {
        const owned = [new Set<string>(), new Set<string>()]
        const members: Consumer[] = []
        for (const own of owned) {
          const places = (partitions: readonly TopicPartition[]) => partitions.map((one) => `${one.topic} ${one.partition}`)
          members.push(
            await log.subscribe({
              ...subscription(['in', 'out']),
              listener: {
                assigned: (partitions) => places(partitions).forEach((place) => void own.add(place)),
                revoked: (partitions) => places(partitions).forEach((place) => void own.delete(place)),
                lost: (partitions) => places(partitions).forEach((place) => void own.delete(place)),
              },
            }),
          )
        }
        await polledUntil(members, () => owned.every(({ size }) => size === 4))
        for (const own of owned) for (const place of own) assert.ok(own.has(place.replace(/^\w+/, (name) => (name === 'in' ? 'out' : 'in'))), place)
        for (const member of members) await member.close()
      })

      it('lets each member keep its partitions when a member asks to join again', async () => {
        const told: string[] = []
        const consumer = await log.subscribe({ ...subscription(['in']), listener: listener(told) })
        await polledUntil([consumer], () => told.length === 1)
        consumer.rejoin()
        const producer = await log.producer()
        for (const value of ['a', 'b', 'c']) {
          await producer.send(record('in', 0, value))
          assert.deepEqual(await polled(consumer, 1), [value])
        }
        assert.deepEqual(told, ['assigned 4'])
        await consumer.close()
      })

      it('lets a member commit before its partitions are taken', async () => {
        const producer = await log.taskProducer({ group: 'app' })
        const told: string[] = []
        const first = await log.subscribe({
          ...subscription(['in']),
          listener: {
            ...listener(told),
            async revoked(partitions) {
              await producer.commit({ positions: partitions.map((one) => ({ ...one, offset: 5, metadata: '' })), state: [] })
            },
          },
        })
        await polledUntil([first], () => told.length === 1)
        const second = await log.subscribe({ ...subscription(['in']), listener: listener(told) })
        await polledUntil([second, first], () => told.length === 2)
        const positions = await Promise.all([0, 1, 2, 3].map((partition) => second.committed({ topic: 'in', partition })))
        assert.equal(positions.filter((position) => position?.offset === 5).length, 2)
        await first.close()
        await second.close()
      })
    })

    describe('a member that is closed while partitions are taken from it', () => {
      it('gets no more partitions, and the other members get all partitions', async () => {
        const told: string[] = []
        const owned = new Set<number>()
        const closings: Promise<void>[] = []
        const first = await log.subscribe({
          ...subscription(['in']),
          listener: { ...listener(told, 'first '), revoked: () => void closings.push(first.close()) },
        })
        await polledUntil([first], () => told.length === 1)
        const assigned = (partitions: readonly TopicPartition[]) => partitions.forEach(({ partition }) => void owned.add(partition))
        const second = await log.subscribe({ ...subscription(['in']), listener: { ...listener([]), assigned } })
        for (let isClosed = false; !isClosed; ) {
          await second.poll({ maxRecords: 0, maxWaitMs: 0 })
          isClosed = await first.poll({ maxRecords: 0, maxWaitMs: 0 }).then(
            () => false,
            () => true,
          )
          await new Promise((resolve) => setImmediate(resolve))
        }
        await polledUntil([second], () => owned.size === 4)
        await Promise.all(closings)
        assert.deepEqual(told, ['first assigned 4'])
        await second.close()
      })
    })

    describe('a reader', () => {
      it('reads the given range and ends', async () => {
        const producer = await log.producer()
        for (const value of ['a', 'b', 'c', 'd']) await producer.send(record('in', 0, value))
        const values: string[] = []
        for await (const { records } of log.read({ topic: 'in', partition: 0, from: 1, to: 3 }))
          values.push(...records.map(({ value }) => text(value)))
        assert.deepEqual(values, ['b', 'c'])
      })

      it('follows new records until it is closed', async () => {
        const producer = await log.producer()
        await producer.send(record('in', 0, 'before'))
        const reader = log.read({ topic: 'in', partition: 0, from: -1 })
        await reader.ready
        const first = reader[Symbol.asyncIterator]().next()
        await producer.send(record('in', 0, 'after'))
        const { value } = (await first) as { value: RecordRun }
        assert.deepEqual(
          value.records.map((one) => text(one.value)),
          ['after'],
        )
        await reader.close()
      })

      it('ends when it is closed, and fails when its log is closed', async () => {
        const range = { topic: 'in', partition: 0, from: 0, to: 10 }
        const producer = await log.producer()
        await producer.send(record('in', 0, 'a'))
        const readers = [log.read(range), log.read(range)] as const
        const [own, others] = readers.map((reader) => reader[Symbol.asyncIterator]())
        for (const runs of [own, others]) assert.equal((await runs?.next())?.done, false)
        const ended = own?.next()
        await readers[0].close()
        assert.equal((await ended)?.done, true)
        const failed = assert.rejects(async () => others?.next(), { code: 'WAGGLE_CLOSED' })
        await log.close()
        await failed
        await assert.rejects(log.read(range)[Symbol.asyncIterator]().next(), { code: 'WAGGLE_CLOSED' })
      })
    })
  })
}

const nothing = { start: 0, end: 0 }

function topic(name: string, partitions: number) {
  return { name, partitions, cleanup: 'delete' as const, retentionMs: null }
}

function record(name: string, partition: number, value: string) {
  return { topic: name, partition, key: null, value: bytes(value), headers: [], timestamp: 1 }
}

function subscription(topics: readonly string[], group = 'app'): Subscription {
  return { group, topics, offsetReset: 'earliest', isolation: 'committed', listener: listener([]) }
}

function listener(told: string[], who = '') {
  return {
    assigned: (partitions: readonly TopicPartition[]) => void told.push(`${who}assigned ${partitions.length}`),
    revoked: (partitions: readonly TopicPartition[]) => void told.push(`${who}revoked ${partitions.length}`),
    lost: (partitions: readonly TopicPartition[]) => void told.push(`${who}lost ${partitions.length}`),
  }
}

function change(task: string, store: string, entries: { readonly [key: string]: string | null }): StoreChange {
  const rows = Object.entries(entries).map(([key, value]) => [bytes(key), value === null ? null : bytes(value)] as const)
  return { task, store, entries: rows, logged: null }
}

/** Subscribes. Settles when the member has its partitions. */
async function joined(log: Log, wanted: Subscription): Promise<Consumer> {
  let isAssigned = false
  const assigned = () => {
    isAssigned = true
  }
  const consumer = await log.subscribe({ ...wanted, listener: { ...wanted.listener, assigned } })
  await polledUntil([consumer], () => isAssigned)
  return consumer
}

/** Polls until the condition holds. Members of a group in several processes learn of each other with a delay. */
async function polledUntil(consumers: readonly Consumer[], isSo: () => boolean): Promise<void> {
  while (!isSo()) {
    for (const consumer of consumers) await consumer.poll({ maxRecords: 0, maxWaitMs: 0 })
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** The values of the next `count` records. With 0, the values that are available now. */
async function polled(consumer: Consumer, count: number): Promise<readonly string[]> {
  const values: string[] = []
  do {
    const runs = await consumer.poll({ maxRecords: 100, maxWaitMs: count === 0 ? 0 : 60_000 })
    for (const { records } of runs) values.push(...records.map(({ value }) => text(value)))
  } while (values.length < count)
  return values
}

async function recordsOf(log: Log, name: string, partition: number, count: number, from = 0): Promise<readonly LogRecord[]> {
  const records: LogRecord[] = []
  for await (const run of log.read({ topic: name, partition, from })) {
    records.push(...run.records)
    if (records.length >= count) break
  }
  return records
}

async function valuesBetween(log: Log, topic: string, partition: number, from: number, to: number): Promise<readonly string[]> {
  const values: string[] = []
  for await (const { records } of log.read({ topic, partition, from, to })) values.push(...records.map(({ value }) => text(value)))
  return values
}

async function valuesOf(log: Log, name: string, partition: number, count: number, from = 0): Promise<readonly string[]> {
  return (await recordsOf(log, name, partition, count, from)).map(({ value }) => text(value))
}

function bytes(value: string): Uint8Array {
  return Buffer.from(value)
}

function bytesOf(value: RecordValue | null | undefined): Uint8Array | null {
  return bytesIn(value ?? null)
}

function text(value: RecordValue | null | undefined): string {
  return Buffer.from(bytesOf(value) ?? []).toString()
}
