import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { call, calls, json, neverAborted, onSocket, openScript, scriptFolder } from '../../support/bee-script.ts'

describe('A bee that connects to its socket', () => {
  const { file } = scriptFolder()

  it('gets requests and writes results on the socket, and its standard output goes to its log', async () => {
    const lines: string[] = []
    const script = onSocket({ waggle: 1 }, `console.log('printed', json); console.log('{"id": 1}'); write({ id, json })`)
    const opened = await openScript(file(script), { lines })
    assert.deepEqual(await opened.call(calls(['a', 'b'])), [json('a'), json('b')])
    await opened.close()
    assert.deepEqual(lines, ['printed a', '{"id": 1}', 'printed b', '{"id": 1}'])
  })

  it('exchanges frames on the socket that are larger than the socket’s buffer', async () => {
    const script = `
      import { connect } from 'node:net'
      const channel = connect(process.env.WAGGLE_BEE_SOCKET, () => channel.write('{"waggle": 1, "form": "binary"}\\n'))
      console.log('not a message')
      let rest = Buffer.alloc(0)
      channel.on('data', (chunk) => {
        rest = Buffer.concat([rest, chunk])
        while (rest.length >= 8 && rest.length >= 8 + rest.readUInt32LE(0) + rest.readUInt32LE(4)) {
          const end = 8 + rest.readUInt32LE(0)
          const body = rest.subarray(end, end + rest.readUInt32LE(4))
          const head = Buffer.from(JSON.stringify({ ...JSON.parse(rest.subarray(8, end)) }))
          rest = rest.subarray(end + body.length)
          const lengths = Buffer.alloc(8)
          lengths.writeUInt32LE(head.length)
          lengths.writeUInt32LE(body.length, 4)
          channel.write(Buffer.concat([lengths, head, body]))
        }
      })
      channel.on('end', () => channel.end())`
    const lines: string[] = []
    const opened = await openScript(file(script), { lines })
    const sent: Payload = {
      kind: 'tensors',
      tensors: { x: { datatype: 'FP32', shape: [3, 500_000], data: Float32Array.from({ length: 1_500_000 }, (_, at) => at) } },
    }
    const [first, second] = await opened.call([1, 2].map((id) => ({ id: String(id), payload: sent, deadline: null, signal: neverAborted })))
    assert.deepEqual(first, sent)
    assert.deepEqual(second, sent)
    await opened.close()
    assert.deepEqual(lines, ['not a message'])
  })

  it('is started again with a new socket when it dies, and its request is not lost', async () => {
    const lines: string[] = []
    const script = onSocket({ waggle: 1 }, `if (json === 'die' && message.attempt === 1) process.exit(3)\nwrite({ id, json: message.attempt })`)
    const opened = await openScript(file(script), { lines })
    assert.deepEqual(await call(opened, 'die'), json(2))
    await opened.close()
    assert.deepEqual(lines, ['the process ended with status 3; starting it again in 0.1 s'])
  })

  it('loses no byte of its answer even if it exits right after the answer', async () => {
    const script = onSocket({ waggle: 1 }, `channel.write(JSON.stringify({ id, json: 'x'.repeat(1_000_000) }) + '\\n', () => process.exit(3))`)
    const opened = await openScript(file(script))
    assert.deepEqual(await call(opened, 1), json('x'.repeat(1_000_000)))
    await opened.close()
  })

  it('has a second to exit after it closes the connection', async () => {
    const lines: string[] = []
    const script = onSocket(
      { waggle: 1 },
      `if (json === 'shut') { channel.destroy(); setInterval(() => {}, 1000); await new Promise(() => {}) }\nwrite({ id, json })`,
    )
    const opened = await openScript(file(script), { lines })
    assert.deepEqual(await opened.call(calls(['a', 'b'])), [json('a'), json('b')])
    const outcome = await call(opened, 'shut')
    assert.ok(outcome instanceof WaggleError && outcome.code === 'WAGGLE_BEE_DIED')
    assert.match(lines[0] ?? '', /was ended by SIGKILL/)
    await opened.close()
  })

  it('may flood standard output and standard error: its log stays bounded, and its results arrive', async () => {
    const lines: string[] = []
    const flood = `for (let at = 0; at < 5000; at++) { process.stdout.write('out\\n'); process.stderr.write('err\\n') }`
    const opened = await openScript(file(onSocket({ waggle: 1 }, `${flood}\nwrite({ id, json })`)), { lines })
    assert.deepEqual(await call(opened, 1), json(1))
    await opened.close()
    assert.ok(lines.length <= 2000, `${lines.length} lines`)
  })

  it('leaves no socket file behind, and neither does a bee that uses its standard streams', async (test) => {
    const { TMPDIR } = process.env
    const folder = mkdtempSync(join(tmpdir(), 'waggle-sockets-'))
    process.env.TMPDIR = folder
    test.after(() => {
      if (TMPDIR === undefined) delete process.env.TMPDIR
      else process.env.TMPDIR = TMPDIR
      rmSync(folder, { recursive: true })
    })
    const socket = await openScript(file(onSocket({ waggle: 1 }, 'write({ id, json })')))
    const standard = await openScript(
      file(`
        import { createInterface } from 'node:readline'
        console.log('{"waggle": 1}')
        for await (const line of createInterface(process.stdin)) { const { id, json } = JSON.parse(line); console.log(JSON.stringify({ id, json })) }`),
    )
    assert.deepEqual(await Promise.all([call(socket, 1), call(standard, 2)]), [json(1), json(2)])
    assert.deepEqual(readdirSync(folder), [])
    await Promise.all([socket.close(), standard.close()])
    assert.deepEqual(readdirSync(folder), [])
  })
})

describe('A bee that writes to its standard output', () => {
  const { file } = scriptFolder()

  it('exchanges messages on its standard streams, and a later connection to its socket is refused', async () => {
    const script = `
      import { connect } from 'node:net'
      import { createInterface } from 'node:readline'
      console.log('{"waggle": 1}')
      for await (const line of createInterface(process.stdin)) {
        const { id } = JSON.parse(line)
        const refused = await new Promise((resolve) => connect(process.env.WAGGLE_BEE_SOCKET).on('connect', () => resolve('none')).on('error', ({ code }) => resolve(code)))
        console.log(JSON.stringify({ id, json: refused }))
      }`
    const opened = await openScript(file(script))
    assert.deepEqual(await call(opened, 1), json('ENOENT'))
    await opened.close()
  })

  it('cannot start if its first line is not a hello message', async () => {
    const script = `console.log('Loading weights…'); setInterval(() => {}, 1000)`
    await assert.rejects(openScript(file(script)), { code: 'WAGGLE_BEE_NOT_STARTED', message: /no JSON object: "Loading weights…"/ })
  })
})
