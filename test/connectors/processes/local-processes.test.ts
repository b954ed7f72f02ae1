import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { LocalProcesses } from '../../../connectors/processes/local-processes.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import type { Clock } from '../../../processor/ports.ts'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import type { OpenProcess } from '../../../topology/swarm/ports/processes.ts'
import { Refused, WaggleError } from '../../../topology/waggle-error.ts'

describe('A bee in its own process', () => {
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

  /** The example of ten lines in bees/PROTOCOL.md, written in JavaScript. */
  const lineByLine = (answer: string) => `
    import { createInterface } from 'node:readline'
    console.log(JSON.stringify({ waggle: 1 }))
    for await (const line of createInterface(process.stdin)) {
      const request = JSON.parse(line)
      console.log(JSON.stringify({ id: request.id, ...(${answer})(request) }))
    }`

  it('can be ten lines of code that read and write JSON lines', async () => {
    const opened = await open(lineByLine('({ json }) => ({ json: { words: json.text.split(" ").length } })'))
    assert.deepEqual(await call(opened, json({ text: 'one two three' })), json({ words: 3 }))
    await opened.close()
  })

  it('can name in the log only requests that it has or has just answered', async () => {
    const file = join(directory, 'logging.mjs')
    const log = `(id) => console.error('\\x1e' + JSON.stringify({ message: 'about ' + id, request_id: id }))`
    const answer = `({ request_id: id, json }) => { const log = ${log}; log(id); log('other'); log(json); return { json: null } }`
    writeFileSync(file, lineByLine(answer))
    const origins: unknown[] = []
    const processes = new LocalProcesses({ clock: systemClock })
    const command = [process.execPath, file]
    const opened = await processes.open({ swarm: 'test', bee: 'script', command, env: {}, log: (_, line, origin) => origins.push([line, origin]) })
    const { signal } = new AbortController()
    for (const [id, value] of [
      ['one', 'two'],
      ['two', 'one'],
    ] as const)
      await opened.call([{ id, payload: json(value), deadline: null, signal }])
    await opened.close()
    assert.deepEqual(origins, [
      ['about one', { request_id: 'one' }],
      ['about other', {}],
      // Nobody has sent this request yet.
      ['about two', {}],
      ['about two', { request_id: 'two' }],
      ['about other', {}],
      ['about one', { request_id: 'one' }],
    ])
  })

  it('gets bytes, tensors, join parts, its identity and its environment, but no other variable of Waggle’s environment', async () => {
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

  it('exchanges tensors in the binary form, byte for byte', async () => {
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
          // The frame is written in two pieces, since it may arrive cut anywhere.
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

  it('still answers after it has refused one input and failed for another', async () => {
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

  it('may answer in any order, and each result goes to the request with its id', async () => {
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

  it('is restarted if it dies, and only an input that kills it twice fails', async () => {
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
    const [, bad, late] = outcomes as readonly (Payload | WaggleError)[]
    assert.ok(bad instanceof WaggleError)
    assert.equal(bad.code, 'WAGGLE_BEE_DIED')
    assert.match(bad.message, /ended by SIGKILL.*about to die/)
    assert.ok(!(late instanceof Error) && late?.kind === 'json')
    assert.equal((late.json as { json: string }).json, 'late')
    assert.ok(lines.some((line) => /starting it again in 0\.1 s/.test(line)))
    await opened.close()
  })

  it('is stopped and restarted if it writes an invalid message, with a line in the log', async () => {
    const lines: string[] = []
    const opened = await open(
      lineByLine(`({ json, attempt }) => { if (attempt === 1 && json === 'noise') console.log('loading model…'); return { json } }`),
      { lines },
    )
    assert.deepEqual(await call(opened, json('noise')), json('noise'))
    assert.ok(lines.some((line) => /no JSON object: "loading model…".*standard error/.test(line)))
    await opened.close()
  })

  it('is restarted if it hangs, and the requests past their time limit fail', async () => {
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

  it('gives an error with its command, the reason and its last output if it cannot start', async () => {
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

  it('finishes its requests before it is closed', async () => {
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

  /** The beginning of longer programs: `answer(id, json)` writes a result. */
  const withAnswer = (body: string) => `
    import { spawn } from 'node:child_process'
    import { appendFileSync, writeFileSync } from 'node:fs'
    import { createInterface } from 'node:readline'
    const answer = (id, json) => console.log(JSON.stringify({ id, json }))
    console.log(JSON.stringify({ waggle: 1 }))
    for await (const line of createInterface(process.stdin)) {
      const { id, json, attempt } = JSON.parse(line)
      ${body}
    }`

  const starts = (lines: readonly string[]) => lines.filter((line) => line.includes('starting it again')).length

  for (const detached of [false, true]) {
    it(`is restarted if it dies while a ${detached ? 'process outside of its group' : 'grandchild'} keeps its pipes open`, async () => {
      const pids = join(directory, `grandchild-${detached}`)
      const opened = await open(
        withAnswer(`
          if (json === 'die' && attempt === 1) {
            const held = spawn('sleep', ['60'], { stdio: 'inherit', detached: ${detached} })
            writeFileSync(${JSON.stringify(pids)}, String(held.pid))
            process.exit(3)
          }
          answer(id, json)`),
      )
      assert.deepEqual(await call(opened, json('die')), json('die'))
      const pid = Number(readFileSync(pids, 'utf8'))
      if (detached) process.kill(pid)
      else await ended(pid)
      await opened.close()
    })
  }

  it('ends together with all processes that it has started when it is closed', async () => {
    const opened = await open(withAnswer(`const started = spawn('sleep', ['60'], { stdio: 'ignore' })\nstarted.unref()\nanswer(id, started.pid)`))
    const outcome = await call(opened, json('start'))
    assert.ok(!(outcome instanceof Error) && outcome.kind === 'json')
    await opened.close()
    await ended(Number(outcome.json))
  })

  for (const [what, flood, said] of [
    [
      'results for requests that nobody sent',
      `for (let i = 0; i < 100_000; i++) answer(1e6 + i, 0)`,
      /a result with the id 1000000, which no open request has/,
    ],
    ['the same result twice', `answer(id, json); answer(id, json)`, /which no open request has/],
    ['blank lines', `process.stdout.write('\\n'.repeat(100_000))`, /1000 blank lines/],
    ['a line that never ends', `process.stdout.write('x'.repeat(70 * 1024 * 1024))`, /more than 67108864 bytes/],
    ['a second hello', `console.log(JSON.stringify({ waggle: 1 }))`, /without the id of its request/],
  ] as const) {
    it(`is stopped and restarted, and a line in the log says why, if it writes ${what}`, async () => {
      const lines: string[] = []
      const opened = await open(withAnswer(`if (json === 'flood' && attempt === 1) { ${flood} }\nelse answer(id, json)`), { lines })
      assert.deepEqual(await call(opened, json('flood')), json('flood'))
      assert.deepEqual(await call(opened, json('next')), json('next'))
      assert.ok(
        lines.some((line) => said.test(line)),
        lines.join('\n'),
      )
      await opened.close()
    })
  }

  it('still gives answers while it floods its log, and only a limited part of its output is logged', async () => {
    const lines: string[] = []
    const opened = await open(
      withAnswer(`
        if (json === 'flood') for (let i = 0; i < 20_000; i++) process.stderr.write('lens cap '.repeat(100) + '\\n')
        answer(id, json)`),
      { lines },
    )
    assert.deepEqual(await call(opened, json('flood')), json('flood'))
    await opened.close()
    assert.ok(lines.length < 5000, `${lines.length} lines`)
    const leftOut = lines.map((line) => Number(/(\d+) more lines within a second were left out/.exec(line)?.[1] ?? 0))
    assert.equal(lines.filter((line) => line.startsWith('lens cap')).length + leftOut.reduce((sum, one) => sum + one, 0), 20_000)
  })

  for (const [what, result] of [
    ['no value', '{ id }'],
    ['a tensor of an impossible shape', `{ id, tensors: [{ name: 'x', datatype: 'FP32', shape: [1e308, 0], base64: '' }] }`],
    ['a tensor with too few bytes', `{ id, tensors: [{ name: 'x', datatype: 'FP32', shape: [2], base64: 'AAAA' }] }`],
    ['a range outside of the body', `{ id, content_type: 'text/plain', at: 0, length: 5 }`],
    ['a content type of two lines', `{ id, content_type: 'text/plain\\r\\nx: y', base64: 'AAAA' }`],
  ] as const) {
    it(`fails only the affected request if it answers one request with ${what}`, async () => {
      const lines: string[] = []
      const opened = await open(withAnswer(`json === 'bad' ? console.log(JSON.stringify(${result})) : answer(id, json)`), { lines })
      const { signal } = new AbortController()
      const [good, bad, next] = await opened.call(
        ['good', 'bad', 'next'].map((value) => ({ id: value, payload: json(value), deadline: null, signal })),
      )
      assert.deepEqual([good, next], [json('good'), json('next')])
      assert.ok(bad instanceof WaggleError)
      assert.equal(bad.code, 'WAGGLE_BEE_PROTOCOL')
      assert.equal(starts(lines), 0)
      await opened.close()
    })
  }

  it('keeps running if a result arrives after its request has timed out', async () => {
    const lines: string[] = []
    const opened = await open(
      withAnswer(`
      if (json === 'late') globalThis.late = id
      else {
        if (json === 'next') answer(globalThis.late, 'late')
        answer(id, json)
      }`),
      { lines },
    )
    const abort = new AbortController()
    const late = call(opened, json('late'), abort.signal)
    assert.deepEqual(await call(opened, json('first')), json('first'))
    abort.abort()
    assert.ok((await late) instanceof WaggleError)
    // Answers arrive in order: when this answer is there, the late answer has arrived too.
    assert.deepEqual(await call(opened, json('next')), json('next'))
    assert.equal(starts(lines), 0)
    await opened.close()
  })

  function nested(depth: number): unknown {
    let value: unknown = 1
    for (let level = 0; level < depth; level++) value = [value]
    return value
  }

  for (const [what, payload] of [
    ['nested too deeply for JSON', json(nested(100_000))],
    ['that JSON cannot hold', json({ big: 1n })],
    ['too large for a message', { kind: 'bytes', contentType: 'image/png', bytes: new Uint8Array(65 * 1024 * 1024) }],
  ] satisfies [string, Payload][]) {
    it(`fails an input ${what}, and answers the other inputs`, async () => {
      const lines: string[] = []
      const opened = await open(withAnswer(`answer(id, json)`), { lines })
      const { signal } = new AbortController()
      const inputs = [json('before'), payload, json('after')]
      const [before, bad, after] = await opened.call(inputs.map((one, at) => ({ id: String(at), payload: one, deadline: null, signal })))
      assert.deepEqual([before, after], [json('before'), json('after')])
      assert.ok(bad instanceof WaggleError)
      assert.equal(bad.code, 'WAGGLE_BEE_INPUT')
      assert.equal(starts(lines), 0)
      await opened.close()
    })
  }

  it('is restarted after a death even if a waiting input cannot be written as JSON', async () => {
    const opened = await open(withAnswer(`if (json === 'die' && attempt === 1) process.exit(3)\nanswer(id, json)`))
    const dying = call(opened, json('die'))
    const bad = call(opened, json(nested(100_000)))
    assert.deepEqual(await dying, json('die'))
    assert.ok((await bad) instanceof WaggleError)
    await opened.close()
  })

  for (const [which, body] of [
    ['in order', `if (json === 'bad') process.exit(3)\nanswer(id, json)`],
    ['concurrently', `json === 'bad' ? setTimeout(() => process.exit(3), 30) : setTimeout(answer, 60, id, json)`],
  ] as const) {
    it(`answers 63 of 64 requests after few deaths if it works ${which} and dies at one request`, async () => {
      const lines: string[] = []
      const opened = await open(withAnswer(body), { lines })
      const { signal } = new AbortController()
      const values = Array.from({ length: 64 }, (_, at) => (at === 40 ? 'bad' : `good ${at}`))
      const outcomes = await opened.call(values.map((value) => ({ id: value, payload: json(value), deadline: null, signal })))
      outcomes.forEach((outcome, at) => {
        if (values[at] === 'bad') assert.ok(outcome instanceof WaggleError && outcome.code === 'WAGGLE_BEE_DIED')
        else assert.deepEqual(outcome, json(values[at]))
      })
      assert.ok(starts(lines) <= 3 + Math.log2(64), `${starts(lines)} deaths`)
      await opened.close()
    })
  }

  it('is restarted without a longer wait if it dies at several requests in a row', async () => {
    const lines: string[] = []
    const opened = await open(withAnswer(`if (json === 'bad') process.exit(3)\nanswer(id, json)`), { lines })
    for (let round = 0; round < 4; round++) assert.ok((await call(opened, json('bad'))) instanceof WaggleError)
    assert.deepEqual(await call(opened, json('good')), json('good'))
    assert.equal(starts(lines), 8)
    assert.ok(
      lines.filter((line) => line.includes('starting it again')).every((line) => line.endsWith('in 0.1 s')),
      lines.join('\n'),
    )
    await opened.close()
  })

  it('is restarted after longer and longer waits if it dies without a request', async () => {
    const lines: string[] = []
    const died = Promise.withResolvers<void>()
    const file = join(directory, 'at-rest.mjs')
    writeFileSync(file, `console.log(JSON.stringify({ waggle: 1 })); setTimeout(() => process.exit(3), 20)`)
    const hurried: Clock = { ...systemClock, after: (ms, callback) => systemClock.after(ms / 20, callback) }
    const opened = await new LocalProcesses({ clock: hurried }).open({
      swarm: 'test',
      bee: 'script',
      command: [process.execPath, file],
      env: {},
      log: (_, line) => {
        lines.push(line)
        if (starts(lines) === 4) died.resolve()
      },
    })
    await died.promise
    assert.deepEqual(
      lines.map((line) => /again in ([\d.]+) s/.exec(line)?.[1]),
      ['0.1', '0.2', '0.4', '0.8'],
    )
    const waiting = call(opened, json('waits'))
    await opened.close()
    assert.ok((await waiting) instanceof WaggleError, 'a call that waits for the next start is settled')
    assert.ok((await call(opened, json('late'))) instanceof WaggleError)
  })

  it('is restarted as soon as its missing program exists again', async () => {
    const program = join(directory, 'program')
    const put = () =>
      writeFileSync(
        program,
        `#!${process.execPath}\n${lineByLine('({ json }) => { if (json === "die") process.exit(3); return { json } }').replace("import { createInterface } from 'node:readline'", "const { createInterface } = require('node:readline');(async () => {")}})()`,
        { mode: 0o755 },
      )
    put()
    const lines: string[] = []
    const missing = Promise.withResolvers<void>()
    const opened = await new LocalProcesses({ clock: systemClock }).open({
      swarm: 'test',
      bee: 'script',
      command: [program],
      env: {},
      log: (_, line) => {
        lines.push(line)
        if (line.includes('cannot be found')) missing.resolve()
      },
    })
    rmSync(program)
    const dying = call(opened, json('die'))
    await missing.promise
    put()
    assert.ok((await dying) instanceof WaggleError)
    assert.deepEqual(await call(opened, json('next')), json('next'))
    await opened.close()
  })

  it('is not started with an invalid environment', async () => {
    await assert.rejects(open('', { env: { BAD: 'a\0b' } }), (error: unknown) => {
      assert.ok(error instanceof WaggleError)
      assert.equal(error.code, 'WAGGLE_BEE_NOT_STARTED')
      return true
    })
  })

  it('is restarted after a death without free file descriptors, as soon as there are free descriptors', async () => {
    const bee = join(directory, 'descriptors-bee.mjs')
    writeFileSync(bee, withAnswer(`if (json === 'die' && attempt === 1) process.exit(3)\nanswer(id, json)`))
    const program = join(directory, 'descriptors.mjs')
    writeFileSync(
      program,
      `import { closeSync, openSync } from 'node:fs'
       import { LocalProcesses } from ${JSON.stringify(new URL('../../../connectors/processes/local-processes.ts', import.meta.url).href)}
       import { systemClock } from ${JSON.stringify(new URL('../../../connectors/system/system-clock.ts', import.meta.url).href)}
       const taken = []
       let hungry = false
       const eat = () => {
         try { while (hungry) taken.push(openSync('/dev/null')) } catch {}
       }
       // All descriptors are taken right before the process is started again.
       const clock = { ...systemClock, after: (ms, callback) => systemClock.after(ms, () => { eat(); callback() }) }
       const log = (_, line) => {
         console.log(line)
         if (line.includes('cannot be started')) {
           hungry = false
           for (const one of taken.splice(0)) closeSync(one)
         }
       }
       const opened = await new LocalProcesses({ clock }).open({ swarm: 's', bee: 'b', command: [process.execPath, ${JSON.stringify(bee)}], env: {}, log })
       hungry = true
       const outcome = await opened.call([{ id: 'one', payload: { kind: 'json', json: 'die' }, deadline: null, signal: new AbortController().signal }])
       console.log('outcome ' + JSON.stringify(outcome[0]))
       await opened.close()`,
    )
    const run = spawn('/bin/sh', ['-c', 'ulimit -n 64; exec "$0" "$1"', process.execPath, program], { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    for await (const chunk of run.stdout) text += chunk
    assert.match(text, /cannot be started/)
    assert.match(text, /outcome .*die/)
  })

  for (const ignores of [false, true]) {
    it(`ends when Waggle is killed${ignores ? ', even if it ignores SIGTERM and the end of its input' : ''}`, async () => {
      const file = join(directory, `orphan-${ignores}.mjs`)
      writeFileSync(
        file,
        ignores
          ? `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.error('pid ' + process.pid); console.log(JSON.stringify({ waggle: 1 }))`
          : `console.error('pid ' + process.pid);${withAnswer('answer(id, json)')}`,
      )
      const waggle = join(directory, `waggle-${ignores}.mjs`)
      writeFileSync(
        waggle,
        `import { LocalProcesses } from ${JSON.stringify(new URL('../../../connectors/processes/local-processes.ts', import.meta.url).href)}
         import { systemClock } from ${JSON.stringify(new URL('../../../connectors/system/system-clock.ts', import.meta.url).href)}
         await new LocalProcesses({ clock: systemClock, finishMs: 1000, termMs: 1000 }).open({
           swarm: 's', bee: 'b', command: [process.execPath, ${JSON.stringify(file)}], env: {}, log: (_, line) => console.log(line) })
         console.log('open')`,
      )
      const parent = spawn(process.execPath, [waggle], { stdio: ['ignore', 'pipe', 'inherit'] })
      let text = ''
      for await (const chunk of parent.stdout) {
        text += chunk
        if (text.includes('open') && /pid \d+/.test(text)) parent.kill('SIGKILL')
      }
      const pid = Number(/pid (\d+)/.exec(text)?.[1])
      await ended(pid)
    })
  }
})

/** Settles when the process no longer exists. */
async function ended(pid: number): Promise<void> {
  while (isRunning(pid)) await new Promise((resolve) => setImmediate(resolve))
}

/** False also for a process that has ended but was not reaped by its parent. */
function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
