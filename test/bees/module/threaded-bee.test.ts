import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Bee, type BeeRequest, ErrorInput } from '../../../bees/define-bee.ts'
import { BeePrinter } from '../../../bees/hosting/bee-printer.ts'
import { openThreadedBee } from '../../../bees/module/threaded-bee.ts'
import type { Printing } from '../../../topology/swarm/ports/printing.ts'
import { Refused, WaggleError } from '../../../topology/waggle-error.ts'
import { fixedReplicas } from '../../support/fixed-replicas.ts'

const source = `
import { threadId, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { ErrorInput, Refused } from 'waggle-streams'
const waiting = []
export default {
  async process(input, request) {
    switch (input.do) {
      case 'thread': return { threadId, isMainThread }
      case 'meet':
        await new Promise((resolve) => { waiting.push(resolve); setTimeout(resolve, 200) })
        return { threadId }
      case 'request': return { id: request.id, attempt: request.attempt, offset: String(request.source.offset), header: Buffer.from(request.headers[0].value).toString() }
      case 'refuse': throw new Refused('not this one')
      case 'throw': throw new TypeError('broken')
      case 'end': return process.exit(7)
      case 'throw later': setTimeout(() => { throw new Error('too late') }); return { ok: true }
      case 'hang': return new Promise(() => {})
      case 'post': parentPort.postMessage(null); parentPort.postMessage({ kind: 'failed', call: 0 }); return { port: String(workerData.port) }
      case 'function': return () => {}
      case 'wait': return new Promise((_, reject) => request.signal.addEventListener('abort', () => reject(request.signal.reason)))
      case 'bytes': return { contentType: 'image/x', bytes: new Uint8Array([1, 2, 3]) }
    }
    if (input instanceof Uint8Array) return { size: input.length, memory: input.buffer.byteLength }
    if (input.failed instanceof ErrorInput) return { code: input.failed.error.code }
    return null
  },
  example: () => ({ do: 'thread' }),
}
export const lists = { processBatch: async (inputs) => inputs.map((input) => (input === 2 ? new Refused('two') : input * 10)) }
export const missing = 7
export const endless = () => { for (;;) console.log('more') }
`

describe('A module bee with workers', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-module-'))
  const path = join(directory, 'work.mjs')
  let bee: Bee<unknown, unknown>
  const lines: string[] = []
  const log = (line: string) => void lines.push(line)
  before(async () => {
    writeFileSync(path, source)
    bee = await openThreadedBee({ module: { path, export: 'default' }, bee: 'work', log }, fixedReplicas(2))
  })
  after(async () => {
    await bee.close?.()
    rmSync(directory, { recursive: true })
  })
  const ask = async (input: unknown, more: Partial<BeeRequest> = {}) => {
    assert.ok('process' in bee)
    return bee.process(input, { ...request(), ...more })
  }

  it('runs in separate threads, and calls at the same time run in different threads', async () => {
    const alone = (await ask({ do: 'thread' })) as { readonly isMainThread: boolean }
    assert.equal(alone.isMainThread, false)
    const both = (await Promise.all([ask({ do: 'meet' }), ask({ do: 'meet' })])) as { readonly threadId: number }[]
    assert.equal(new Set(both.map(({ threadId }) => threadId)).size, 2)
  })

  it('passes the request, bytes, and the errors of other bees to the module', async () => {
    assert.deepEqual(await ask({ do: 'request' }), { id: 'r1', attempt: 2, offset: '12345678901234567890', header: 'value' })
    assert.deepEqual(await ask(Buffer.from('five!'), { contentType: 'text/plain' }), { size: 5, memory: 5 })
    const error = new ErrorInput({ code: 'WAGGLE_TIMEOUT', title: '', status: 504, detail: '', bee: 'model' })
    assert.deepEqual(await ask({ failed: error }, { contentType: 'application/vnd.waggle.joined' }), { code: 'WAGGLE_TIMEOUT' })
    assert.deepEqual(await ask({ do: 'bytes' }), { contentType: 'image/x', bytes: new Uint8Array([1, 2, 3]) })
    assert.deepEqual(bee.example?.(), { do: 'thread' })
  })

  it('passes on the errors of the module, and a refusal as a refusal', async () => {
    await assert.rejects(ask({ do: 'refuse' }), (error) => error instanceof Refused && error.message === 'not this one')
    await assert.rejects(
      ask({ do: 'throw' }),
      (error) => error instanceof WaggleError && error.code === 'WAGGLE_BEE_FAILED' && /broken/.test(error.message),
    )
    await assert.rejects(ask({ do: 'function' }), { code: 'WAGGLE_BEE_OUTPUT' })
  })

  it('fails the calls of a thread that ends, and restarts the thread', async () => {
    await assert.rejects(ask({ do: 'end' }), { code: 'WAGGLE_BEE_FAILED', message: /A thread of work ended: it ended with status 7/ })
    for (let call = 0; call < 4; call++) assert.ok(await ask({ do: 'thread' }))
  })

  it('fails only the call that ends its thread, and tries the other open calls again, one at a time', async () => {
    const one = await openThreadedBee({ module: { path, export: 'default' }, bee: 'work', log }, fixedReplicas(1))
    assert.ok('process' in one)
    const innocents = [1, 2, 3].map(() => one.process({ do: 'meet' }, request()))
    const guilty = one.process({ do: 'end' }, request())
    await assert.rejects(Promise.resolve(guilty), { code: 'WAGGLE_BEE_FAILED' })
    for (const answer of await Promise.all(innocents)) assert.equal(typeof (answer as { readonly threadId: number }).threadId, 'number')
    await one.close?.()
  })

  it('fails only the call that hangs past its time, as long as the thread still accepts other calls', async () => {
    const one = await openThreadedBee({ module: { path, export: 'default' }, bee: 'work', log }, fixedReplicas(1))
    assert.ok('process' in one)
    const abort = new AbortController()
    const hanging = one.process({ do: 'hang' }, { ...request(), signal: abort.signal })
    // The thread accepts its calls in order, so it has the first call by now.
    await one.process({ do: 'thread' }, request())
    const innocent = one.process({ do: 'meet' }, request())
    abort.abort(new Error('its time is over'))
    await assert.rejects(Promise.resolve(hanging), { message: /did not end when its time limit was over/ })
    assert.ok(await innocent)
    await one.close?.()
    await assert.rejects(async () => one.process({ do: 'thread' }, request()), { code: 'WAGGLE_BEE_FAILED', message: 'work is closed' })
  })

  it('restarts a thread that throws after its answer, and logs the place', async () => {
    lines.length = 0
    assert.deepEqual(await ask({ do: 'throw later' }), { ok: true })
    for (let call = 0; lines.length === 0 && call < 1000; call++) await ask({ do: 'thread' })
    assert.match(
      lines.join(),
      /^A thread of work ended, and starts again with the next call: it threw outside of a call: too late \(at .*work\.mjs:\d+/,
    )
    assert.ok(await ask({ do: 'thread' }))
  })

  it('answers through a channel that the module cannot reach', async () => {
    assert.deepEqual(await ask({ do: 'post' }), { port: 'null' })
    assert.ok(await ask({ do: 'thread' }))
  })

  it('aborts a call in its thread when the call’s time has passed', async () => {
    const abort = new AbortController()
    const call = ask({ do: 'wait' }, { signal: abort.signal })
    abort.abort(new WaggleError('WAGGLE_TIMEOUT', { message: 'No result within 5 ms', next: '' }))
    await assert.rejects(call, { code: 'WAGGLE_TIMEOUT', message: 'No result within 5 ms' })
  })

  it('can be closed while a thread prints without end, although the call’s time is over', async () => {
    const abort = new AbortController()
    const port: Printing = {
      call: (_, act) => act(),
      callNow: (_, act) => act(),
      write: () => abort.abort(new WaggleError('WAGGLE_TIMEOUT', { message: 'No result within 5 ms', next: '' })),
    }
    const printing = { port, printer: (requests: readonly BeeRequest[]) => new BeePrinter(() => {}, requests) }
    const endless = await openThreadedBee({ module: { path, export: 'endless' }, bee: 'endless', log, printing }, fixedReplicas(1))
    assert.ok('process' in endless)
    try {
      const call = Promise.resolve(endless.process(null, { ...request(), signal: abort.signal }))
      await assert.rejects(call, { code: 'WAGGLE_TIMEOUT' })
    } finally {
      await endless.close?.()
    }
  })

  it('accepts batches if the module exports processBatch', async () => {
    const lists = await openThreadedBee({ module: { path, export: 'lists' }, bee: 'lists', log }, fixedReplicas(1))
    assert.ok('processBatch' in lists)
    const [one, two, three] = await lists.processBatch([1, 2, 3], [request(), request(), request()])
    assert.deepEqual([one, three], [10, 30])
    assert.ok(two instanceof Refused)
    await lists.close?.()
  })

  it('fails to start if the module lacks the named export', async () => {
    await assert.rejects(openThreadedBee({ module: { path, export: 'missing' }, bee: 'work', log }, fixedReplicas(2)), {
      code: 'WAGGLE_INVALID_MODULE',
    })
  })
})

function request(): BeeRequest {
  const source = {
    bee: 'in',
    topic: 't',
    partition: 0,
    offset: 12345678901234567890n,
    timestamp: 0,
    startedAt: null,
    finishedAt: null,
    batchSize: null,
  }
  const headers = [{ key: 'name', value: Buffer.from('value') }]
  return {
    id: 'r1',
    callId: 'r1;again=2',
    headers,
    contentType: 'application/json',
    notTaken: [],
    deadline: null,
    signal: new AbortController().signal,
    attempt: 2,
    parts: [],
    beginParts: async () => ({ published: [], publish: async () => {} }),
    source,
  }
}
