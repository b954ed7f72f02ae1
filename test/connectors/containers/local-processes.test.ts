import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { LocalProcesses } from '../../../connectors/containers/local-processes.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import type { Payload } from '../../../topology/swarm/payload.ts'
import type { OpenProcess } from '../../../topology/swarm/ports/processes.ts'
import { Refused, WaggleError } from '../../../topology/waggle-error.ts'

describe('A bee in a process of its own', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-processes-'))
  after(() => rmSync(directory, { recursive: true }))
  let scripts = 0

  async function open(script: string, { env = {}, lines = [] }: { env?: { [name: string]: string }; lines?: string[] } = {}): Promise<OpenProcess> {
    const file = join(directory, `${scripts++}.mjs`)
    writeFileSync(file, script)
    return new LocalProcesses({ clock: systemClock }).open({
      swarm: 'test',
      bee: 'script',
      command: [process.execPath, file],
      env,
      log: (_, line) => lines.push(line),
    })
  }

  function call(opened: OpenProcess, payload: Payload, signal = new AbortController().signal): Promise<Payload | WaggleError> {
    return opened.call([{ id: 'one', payload, deadline: null, signal }]).then(([outcome]) => outcome as Payload | WaggleError)
  }

  const json = (value: unknown): Payload => ({ kind: 'json', json: value })

  /** The ten lines that bees/PROTOCOL.md shows, in JavaScript. */
  const lineByLine = (answer: string) => `
    import { createInterface } from 'node:readline'
    console.log(JSON.stringify({ waggle: 1 }))
    for await (const line of createInterface(process.stdin)) {
      const request = JSON.parse(line)
      console.log(JSON.stringify({ id: request.id, ...(${answer})(request) }))
    }`

  it('speaks JSON lines in ten lines', async () => {
    const opened = await open(lineByLine('({ json }) => ({ json: { words: json.text.split(" ").length } })'))
    assert.deepEqual(await call(opened, json({ text: 'one two three' })), json({ words: 3 }))
    await opened.close()
  })

  it('is given bytes, tensors, parts, its identity and its environment, and nothing else of ours', async () => {
    process.env.WAGGLE_SECRET_OF_TEST = 'hidden'
    const opened = await open(lineByLine('(request) => ({ json: { request, env: process.env } })'), { env: { OWN: 'yes' } })
    const payload: Payload = {
      kind: 'joined',
      parts: new Map<string, Payload>([
        ['bytes', { kind: 'bytes', contentType: 'image/png', bytes: Uint8Array.of(1, 2, 3) }],
        ['tensors', { kind: 'tensors', tensors: { x: { datatype: 'FP32', shape: [2], data: Float32Array.of(1, 2) } } }],
        ['failed', { kind: 'error', error: { code: 'WAGGLE_BEE_FAILED', status: 502, title: 'A bee failed', detail: 'why', bee: 'failed' } }],
      ]),
    }
    const outcome = await call(opened, payload)
    assert.ok(!(outcome instanceof Error) && outcome.kind === 'json')
    const { request, env } = outcome.json as {
      request: { request_id: string; attempt: number; parts: { [bee: string]: object } }
      env: NodeJS.ProcessEnv
    }
    assert.equal(request.request_id, 'one')
    assert.equal(request.attempt, 1)
    assert.deepEqual(request.parts.bytes, { content_type: 'image/png', base64: 'AQID' })
    assert.deepEqual(request.parts.tensors, {
      content_type: 'application/vnd.waggle.tensors',
      tensors: [{ name: 'x', datatype: 'FP32', shape: [2], base64: Buffer.from(Float32Array.of(1, 2).buffer).toString('base64') }],
    })
    assert.equal((request.parts.failed as { error: { detail: string } }).error.detail, 'why')
    assert.deepEqual([env.OWN, env.WAGGLE_SWARM, env.WAGGLE_BEE, env.WAGGLE_PROTOCOL], ['yes', 'test', 'script', '1'])
    assert.equal(env.WAGGLE_SECRET_OF_TEST, undefined)
    await opened.close()
  })

  it('speaks the binary form: tensors there and back, byte for byte', async () => {
    const opened = await open(`
      process.stdout.write(JSON.stringify({ waggle: 1, form: 'binary' }) + '\\n')
      let rest = Buffer.alloc(0)
      process.stdin.on('data', (chunk) => {
        rest = Buffer.concat([rest, chunk])
        while (rest.length >= 8 && rest.length >= 8 + rest.readUInt32LE(0) + rest.readUInt32LE(4)) {
          const end = 8 + rest.readUInt32LE(0)
          const body = rest.subarray(end, end + rest.readUInt32LE(4))
          const { id, tensors } = JSON.parse(rest.subarray(8, end))
          rest = rest.subarray(end + body.length)
          const head = Buffer.from(JSON.stringify({ id, tensors }))
          const lengths = Buffer.alloc(8)
          lengths.writeUInt32LE(head.length)
          lengths.writeUInt32LE(body.length, 4)
          // In two pieces: a frame may come cut anywhere.
          process.stdout.write(Buffer.concat([lengths, head.subarray(0, 3)]))
          setImmediate(() => process.stdout.write(Buffer.concat([head.subarray(3), body])))
        }
      })`)
    const sent: Payload = {
      kind: 'tensors',
      tensors: {
        image: { datatype: 'UINT8', shape: [1, 5], data: Uint8Array.of(1, 2, 3, 4, 5) },
        scale: { datatype: 'FP64', shape: [1], data: Float64Array.of(0.5) },
      },
    }
    assert.deepEqual(await call(opened, sent), sent)
    await opened.close()
  })

  it('refuses an input, or fails at it, and goes on', async () => {
    const opened = await open(lineByLine('({ json }) => json === 1 ? { refuse: "not a photo" } : json === 2 ? { error: "lens cap" } : { json }'))
    const refused = await call(opened, json(1))
    assert.ok(refused instanceof Refused)
    assert.equal(refused.message, 'not a photo')
    const failed = await call(opened, json(2))
    assert.ok(failed instanceof WaggleError)
    assert.deepEqual([failed.code, failed.message], ['WAGGLE_BEE_FAILED', 'lens cap'])
    assert.deepEqual(await call(opened, json(3)), json(3))
    await opened.close()
  })

  it('gives results in any order to the requests they belong to', async () => {
    const opened = await open(`
      import { createInterface } from 'node:readline'
      console.log(JSON.stringify({ waggle: 1 }))
      const held = []
      for await (const line of createInterface(process.stdin)) {
        held.push(JSON.parse(line))
        if (held.length === 3) for (const { id, json } of held.splice(0).reverse()) console.log(JSON.stringify({ id, json }))
      }`)
    const { signal } = new AbortController()
    const outcomes = await opened.call([1, 2, 3].map((value) => ({ id: String(value), payload: json(value), deadline: null, signal })))
    assert.deepEqual(outcomes, [json(1), json(2), json(3)])
    await opened.close()
  })

  it('that dies is started again, and only what kills it twice fails', async () => {
    const lines: string[] = []
    const opened = await open(
      lineByLine(`({ json, attempt }) => {
        if (json === 'bad') { console.error('about to die'); process.kill(process.pid, 'SIGKILL') }
        return { json: { json, attempt } }
      }`),
      { lines },
    )
    const { signal } = new AbortController()
    const outcomes = await opened.call(['good', 'bad', 'late'].map((value) => ({ id: value, payload: json(value), deadline: null, signal })))
    const [, bad, late] = outcomes
    assert.ok(bad instanceof WaggleError)
    assert.equal(bad.code, 'WAGGLE_BEE_DIED')
    assert.match(bad.message, /ended by SIGKILL.*about to die/)
    assert.ok(!(late instanceof Error) && late?.kind === 'json')
    assert.equal((late.json as { json: string }).json, 'late')
    assert.ok(lines.some((line) => /starting it again in 0\.1 s/.test(line)))
    await opened.close()
  })

  it('that writes what is no message is stopped, told so in the log, and started again', async () => {
    const lines: string[] = []
    const opened = await open(
      lineByLine(`({ json, attempt }) => { if (attempt === 1 && json === 'noise') console.log('loading model…'); return { json } }`),
      { lines },
    )
    assert.deepEqual(await call(opened, json('noise')), json('noise'))
    assert.ok(lines.some((line) => /no JSON object: "loading model…".*standard error/.test(line)))
    await opened.close()
  })

  it('that hangs fails what outlived its time, and is started again', async () => {
    const opened = await open(lineByLine(`({ json }) => { if (json === 'hang') for (;;); return { json } }`))
    const abort = new AbortController()
    const hanging = call(opened, json('hang'), abort.signal)
    setImmediate(() => abort.abort())
    const outcome = await hanging
    assert.ok(outcome instanceof WaggleError)
    assert.equal(outcome.code, 'WAGGLE_BEE_TIMEOUT')
    assert.deepEqual(await call(opened, json('next')), json('next'))
    await opened.close()
  })

  it('that cannot start says what it was, why, and its last words', async () => {
    await assert.rejects(open(`console.error('no model at /models'); process.exit(4)`), (error: unknown) => {
      assert.ok(error instanceof WaggleError)
      assert.equal(error.code, 'WAGGLE_BEE_NOT_STARTED')
      assert.match(error.message, /ended with status 4; its last words: no model at \/models/)
      return true
    })
    const missing = new LocalProcesses({ clock: systemClock }).open({ swarm: 's', bee: 'b', command: ['no-such-program'], env: {}, log: () => {} })
    await assert.rejects(missing, /cannot be found: no-such-program/)
    await assert.rejects(open(`console.log(JSON.stringify({ waggle: 2 }))`), /no hello/)
  })

  it('finishes what it has when it is closed', async () => {
    const mark = join(directory, 'finished')
    const opened = await open(`
      import { createInterface } from 'node:readline'
      import { writeFileSync } from 'node:fs'
      console.log(JSON.stringify({ waggle: 1 }))
      for await (const line of createInterface(process.stdin)) {
        const { id, json } = JSON.parse(line)
        setTimeout(() => console.log(JSON.stringify({ id, json })), 50)
      }
      writeFileSync(${JSON.stringify(mark)}, '')`)
    const answered = call(opened, json('last'))
    await opened.close()
    assert.deepEqual(await answered, json('last'))
    assert.ok(existsSync(mark))
  })
})
