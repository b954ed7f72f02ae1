import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CallParts } from '../../../bees/hosting/call-parts.ts'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import type { PartsRun } from '../../../topology/swarm/ports/published-parts.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'

const json = (value: unknown): Payload => ({ kind: 'json', json: value })

interface Given {
  /** The parts of earlier runs; null: the log no longer has some of them. */
  readonly before?: readonly unknown[] | null
  /** The numbers of writes that fail, counted from 0. */
  readonly failing?: readonly number[]
  readonly signal?: AbortSignal
}

/** Parts over a log in memory, whose records are `NUMBER:VALUE`. */
async function opened({ before = [], failing = [], signal = new AbortController().signal }: Given) {
  const written: string[] = []
  let writes = 0
  const run: PartsRun = {
    before: before?.map(json) ?? null,
    add: async (number, part) => {
      if (failing.includes(writes++)) throw new Error('the disk is full')
      written.push(`${number}:${part.kind === 'json' ? String(part.json) : part.kind}`)
    },
    fail: async () => void written.push('fail'),
  }
  const parts = await CallParts.begin({
    port: { begin: async () => run },
    call: { bee: 'chat', id: 'r', rounds: '', gateway: null, since: 0 },
    redact: (part) => (part.kind === 'json' && part.json === 'secret' ? json('…') : part),
    signal,
    after: (_, act) => queueMicrotask(act),
  })
  return { parts, written }
}

describe('The parts of a call', () => {
  it('are written in order, without their secrets, and finish when the log has them', async () => {
    const { parts, written } = await opened({})
    for (let at = 0; at < 100; at++) await parts.publish(at === 50 ? 'secret' : at)
    await parts.finish()
    assert.deepEqual(
      written,
      Array.from({ length: 100 }, (_, at) => `${at}:${at === 50 ? '…' : at}`),
    )
    assert.equal((parts.result() as { readonly json: readonly unknown[] }).json[50], '…')
  })

  it('are compared and not written again if an earlier run has written them', async () => {
    const { parts, written } = await opened({ before: ['a', '…'] })
    assert.deepEqual(parts.published, ['a', '…'])
    for (const part of ['a', 'secret', 'c']) await parts.publish(part)
    await parts.finish()
    assert.deepEqual(written, ['2:c'])
    assert.deepEqual(parts.result(), json('a…c'))
  })

  it('fail if the log no longer has all parts of an earlier run', async () => {
    await assert.rejects(opened({ before: null }), { code: 'WAGGLE_PARTS_DIFFER' })
  })

  it('fail if they differ from the parts of an earlier run, or if there are fewer of them', async () => {
    const differing = await opened({ before: ['a', 'b'] })
    await differing.parts.publish('a')
    await assert.rejects(differing.parts.publish('c'), { code: 'WAGGLE_PARTS_DIFFER' })
    await assert.rejects(differing.parts.finish(), { code: 'WAGGLE_PARTS_DIFFER' })
    const fewer = await opened({ before: ['a', 'b'] })
    await fewer.parts.publish('a')
    await assert.rejects(fewer.parts.finish(), { code: 'WAGGLE_PARTS_DIFFER' })
  })

  it('wait for a log that accepts no records now, and still arrive in order', async () => {
    const { parts, written } = await opened({ failing: [0, 2, 5] })
    for (const part of ['a', 'b', 'c']) await parts.publish(part)
    await parts.finish()
    // A number that arrived before the missing number does not count, and is written again after it.
    const inOrder: string[] = []
    for (const record of written) if (Number(record.split(':')[0]) === inOrder.length) inOrder.push(record)
    assert.deepEqual(inOrder, ['0:a', '1:b', '2:c'])
  })

  it('end with the call', async () => {
    const abort = new AbortController()
    const { parts } = await opened({ signal: abort.signal, failing: Array.from({ length: 1000 }, (_, at) => at) })
    await parts.publish('a')
    abort.abort(new WaggleError('WAGGLE_TIMEOUT', { message: 'too late', next: 'Nothing.' }))
    await assert.rejects(parts.publish('b'), { code: 'WAGGLE_TIMEOUT' })
    await assert.rejects(parts.finish(), { code: 'WAGGLE_TIMEOUT' })
  })
})
