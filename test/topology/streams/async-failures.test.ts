import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type AsyncCall, type KStream, Materialized, Named, Produced, Serdes, StreamsBuilder, WaggleError } from 'waggle-streams'
import { read, TextProgram, text } from '../../support/text-program.ts'

type Text = KStream<string | null, string | null>
type Config = ConstructorParameters<typeof TextProgram>[1]
const usual = { concurrency: 4, timeoutMs: 100 }

const programOf = (write: (stream: Text) => KStream<string | null, string | null>, config?: Config) =>
  new TextProgram((builder) => write(builder.stream('in', read)).to('out', Produced.with(text, text)), config)

/** A promise that settles when `happen` is called. */
function event(): { readonly happened: Promise<void>; readonly happen: () => void } {
  let happen = () => {}
  const happened = new Promise<void>((resolve) => {
    happen = resolve
  })
  return { happened, happen: () => happen() }
}

describe('An asynchronous call', () => {
  it('gets its record, the number of its attempt, and an abort signal', async () => {
    const calls: AsyncCall<string | null>[] = []
    await using program = programOf((stream) =>
      stream.mapAsync(async (value, call) => {
        calls.push(call)
        return value
      }, usual),
    )
    const headers = [{ key: 'h', value: null }]
    await program.driver.createInputTopic('in', text, text).pipeInput({ key: 'k', value: 'v', timestamp: 5, headers })
    const [call] = calls
    assert.deepEqual([call?.key, call?.value, call?.timestamp, call?.headers, call?.attempt, call?.signal.aborted], ['k', 'v', 5, headers, 1, false])
    assert.deepEqual(program.take(), ['k:v@5'])
  })

  it('is aborted at its timeout and fails, and later results follow if a handler skips the failure', async () => {
    const handled: unknown[] = []
    const slow = event()
    let aborted: unknown
    await using program = programOf(
      (stream) =>
        stream.mapAsync((value, { signal }) => {
          if (value !== 'slow') return Promise.resolve(`${value}!`)
          signal.addEventListener('abort', () => {
            aborted = signal.reason
          })
          slow.happen()
          return new Promise<string>(() => {})
        }, usual),
      {
        processingHandler: ({ code, message }, { node, value, offset }) => {
          handled.push([code, message, node, value, offset])
          return 'resume'
        },
      },
    )
    const piped = [program.pipe(['in', 'k', 'slow', 1]), program.pipe(['in', 'k', 'quick', 2])]
    await slow.happened
    assert.deepEqual([program.take(), aborted], [[], undefined])
    await program.driver.advanceWallClockTime(100)
    await Promise.all(piped)
    assert.deepEqual(program.take(), ['k:quick!@2'])
    assert.ok(aborted instanceof WaggleError && aborted.code === 'WAGGLE_TIMEOUT')
    const node = 'KSTREAM-MAPASYNC-0000000001'
    assert.deepEqual(handled, [
      ['WAGGLE_TIMEOUT', `${node} had no result within 100 ms (task 0_0, topic in, partition 0, offset 0)`, node, 'slow', 0n],
    ])
  })

  it('is retried as often as configured, and then fails with the last error', async () => {
    const attempts: number[] = []
    const failing = (lastBad: number) =>
      programOf((stream) =>
        stream.mapAsync(
          async (value, { attempt }) => {
            attempts.push(attempt)
            if (attempt <= lastBad) throw new RangeError(`bad ${attempt}`)
            return `${value} at ${attempt}`
          },
          { ...usual, retries: 2 },
        ),
      )
    await using lucky = failing(2)
    assert.deepEqual(await lucky.after(['in', 'k', 'v', 1]), ['k:v at 3@1'])
    await using unlucky = failing(3)
    await assert.rejects(unlucky.pipe(['in', 'k', 'v', 1]), (error) => {
      assert.ok(error instanceof WaggleError)
      assert.deepEqual(
        [error.code, error.message],
        ['WAGGLE_PROCESSING_FAILED', 'KSTREAM-MAPASYNC-0000000001 failed in processing: bad 3 (task 0_0, topic in, partition 0, offset 0)'],
      )
      assert.ok(error.cause instanceof RangeError)
      return true
    })
    assert.deepEqual(attempts, [1, 2, 3, 1, 2, 3])
  })

  it('fails if its function throws, as it does if its function rejects', async () => {
    await using program = programOf((stream) =>
      stream.mapAsync(() => {
        throw new Error('at once')
      }, usual),
    )
    await assert.rejects(program.pipe(['in', 'k', 'v']), { code: 'WAGGLE_PROCESSING_FAILED', message: /at once/ })
  })

  it('may return null, and fails if it returns undefined', async () => {
    await using program = programOf((stream) => stream.mapAsync(async () => null, usual))
    assert.deepEqual(await program.after(['in', 'k', 'v', 1]), ['k:null@1'])
    await using forgetful = programOf((stream) => stream.mapAsync(async () => undefined as never, usual))
    await assert.rejects(forgetful.pipe(['in', 'k', 'v']), { code: 'WAGGLE_UNDEFINED_VALUE' })
  })

  it('runs beside at most as many other calls as `concurrency` allows', async () => {
    const open: (() => void)[] = []
    let most = 0
    const two = event()
    await using program = programOf((stream) =>
      stream.mapAsync(
        (value) =>
          new Promise<string | null>((resolve) => {
            open.push(() => resolve(value))
            most = Math.max(most, open.length)
            if (open.length === 2) two.happen()
          }),
        { concurrency: 2, timeoutMs: 100 },
      ),
    )
    const piped = ['a', 'b', 'c', 'd'].map((value) => program.pipe(['in', 'k', value, 1]))
    await two.happened
    let settled = false
    const all = Promise.all(piped).then(() => {
      settled = true
    })
    while (!settled) {
      open.shift()?.()
      await new Promise(setImmediate)
    }
    await all
    assert.equal(most, 2)
    assert.deepEqual(program.take(), ['k:a@1', 'k:b@1', 'k:c@1', 'k:d@1'])
  })

  it('is made again if its task dies', async () => {
    let calls = 0
    const begun = event()
    await using program = programOf((stream) =>
      stream.mapAsync((value) => {
        begun.happen()
        return ++calls === 1 ? new Promise<string>(() => {}) : Promise.resolve(`${value} ${calls}`)
      }, usual),
    )
    void program.pipe(['in', 'k', 'v', 1])
    await begun.happened
    await program.driver.crash()
    assert.deepEqual(program.take(), ['k:v 2@1'])
  })

  it('keeps its key in its partition, so that a later grouping needs no repartition topic', async () => {
    const builder = new StreamsBuilder()
    builder
      .stream('in', read)
      .mapAsync(async (value) => value ?? '', usual)
      .groupByKey()
      .count()
    assert.equal(builder.build().describe().toString().includes('repartition'), false)
  })
})

describe('A batch of an asynchronous step', () => {
  it('fails if the step returns no list, or a list of another length', async () => {
    const giving = (results: unknown) => programOf((stream) => stream.batch({ size: 1, timeoutMs: 1 }).mapAsync(async () => results as never, usual))
    const codes = { WAGGLE_UNDEFINED_VALUE: undefined, WAGGLE_BATCH_LENGTH: 'ab' } as const
    for (const [code, results] of Object.entries(codes)) {
      await using program = giving(results)
      await assert.rejects(program.pipe(['in', 'k', 'v']), { code })
    }
    await using two = giving(['a', 'b'])
    await assert.rejects(two.pipe(['in', 'k', 'v']), { code: 'WAGGLE_BATCH_LENGTH', message: /2 results for 1/ })
  })
})

describe('An asynchronous step', () => {
  it('is refused by build behind a stateful step, with the names of both and the advice to repartition between them', () => {
    const builder = new StreamsBuilder()
    builder
      .stream('in', read)
      .groupByKey()
      .count(Materialized.as('seen'), Named.as('visits'))
      .toStream()
      .mapAsync(async (value) => value, { ...usual, name: 'enrich' })
      .to('out', Produced.with(text, Serdes.long()))
    assert.throws(() => builder.build(), {
      code: 'WAGGLE_ASYNC_AFTER_STATE',
      message: 'enrich is asynchronous, but visits before it keeps state: after a crash, visits would count records twice',
      next: 'Repartition the stream between visits and enrich.',
    })
  })

  it('is refused where it is added if a limit is invalid', () => {
    const stream = new StreamsBuilder().stream('in', read)
    const refused = { code: 'WAGGLE_INVALID_TOPOLOGY' }
    for (const options of [
      { concurrency: 0, timeoutMs: 1 },
      { concurrency: 1, timeoutMs: Number.NaN },
      { concurrency: 1, timeoutMs: 1, retries: -1 },
    ])
      assert.throws(() => stream.mapAsync(async (value) => value, options), refused)
    for (const options of [
      { size: 0, timeoutMs: 1 },
      { size: 1, timeoutMs: -1 },
    ])
      assert.throws(() => stream.batch(options), refused)
  })
})
