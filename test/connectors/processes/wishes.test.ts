import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { textHeader } from '../../../topology/record.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { call, calls, json, onSocket, openScript, scriptFolder } from '../../support/bee-script.ts'
import { hastyClock } from '../../support/hasty-clock.ts'

const starts = (lines: readonly string[]) => lines.filter((line) => line.includes('starting it again')).length

describe('A bee that wants cancellations', () => {
  const { file } = scriptFolder()
  const hello = { waggle: 1, wants: ['cancel'] }

  it('gets a cancellation when nobody waits for a request any more, and answers the next request', async () => {
    const lines: string[] = []
    const script = onSocket(
      hello,
      `if (message.cancel) write({ id: message.cancel, cancelled: true }); else if (json !== 'wait') write({ id, json })`,
    )
    const clock = hastyClock(20)
    const opened = await openScript(file(script), { lines, clock })
    const abort = new AbortController()
    const waiting = call(opened, 'wait', { signal: abort.signal })
    abort.abort()
    const outcome = await waiting
    assert.ok(outcome instanceof WaggleError && outcome.code === 'WAGGLE_BEE_TIMEOUT')
    await new Promise<void>((resolve) => clock.after(8_000, resolve))
    assert.deepEqual(await call(opened, 'next'), json('next'))
    assert.equal(starts(lines), 0)
    await opened.close()
  })

  it('is restarted if it keeps a cancelled request for 5 seconds, and then answers the next request', async () => {
    const lines: string[] = []
    const opened = await openScript(file(onSocket(hello, `if (json === 'hang') for (;;); write({ id, json })`)), { lines, clock: hastyClock(20) })
    const abort = new AbortController()
    const waiting = call(opened, 'hang', { signal: abort.signal })
    const next = call(opened, 'next')
    abort.abort()
    assert.ok((await waiting) instanceof WaggleError)
    assert.deepEqual(await next, json('next'))
    assert.match(lines[0] ?? '', /it gave no result since a call that timed out; starting it again/)
    await opened.close()
  })

  it('fails a request that it reports as cancelled although nobody has cancelled the request', async () => {
    const opened = await openScript(file(onSocket(hello, 'write({ id, cancelled: true })')))
    const outcome = await call(opened, 1)
    assert.ok(outcome instanceof WaggleError && outcome.code === 'WAGGLE_BEE_PROTOCOL')
    await opened.close()
  })
})

describe('A bee that wants no cancellations', () => {
  const { file } = scriptFolder()

  it('gets no cancellation, so that each message has the id of a request', async () => {
    const script = onSocket({ waggle: 1, wants: 'cancel' }, `if (id === undefined) process.exit(4)\nif (json !== 'late') write({ id, json })`)
    const lines: string[] = []
    const opened = await openScript(file(script), { lines })
    const abort = new AbortController()
    const late = call(opened, 'late', { signal: abort.signal })
    assert.deepEqual(await call(opened, 'first'), json('first'))
    abort.abort()
    await late
    assert.deepEqual(await call(opened, 'next'), json('next'))
    assert.equal(starts(lines), 0)
    await opened.close()
  })
})

describe('A bee with a window', () => {
  const { file } = scriptFolder()

  it('never has more requests without a result than its window allows', async () => {
    const script = onSocket(
      { waggle: 1, window: 3 },
      `
      globalThis.held = [...(globalThis.held ?? []), id]
      if (held.length > 3) process.exit(4)
      if (held.length === 3) setTimeout(() => { const all = held.splice(0); for (const one of all) write({ id: one, json: all.length }) }, 20)`,
    )
    const lines: string[] = []
    const opened = await openScript(file(script), { lines })
    const outcomes = await opened.call(calls(Array(12).fill(0)))
    assert.deepEqual(outcomes, Array(12).fill(json(3)))
    assert.equal(starts(lines), 0)
    await opened.close()
  })

  it('gets no request while its window is 0, and gets requests again when the window is larger', async () => {
    const script = onSocket(
      { waggle: 1 },
      `
      if (json === 'pause') { write({ window: 0 }); setTimeout(() => { globalThis.open = true; write({ window: 2 }) }, 200) }
      write({ id, json: json === 'pause' || globalThis.open === true })`,
    )
    const opened = await openScript(file(script))
    assert.deepEqual(await call(opened, 'pause'), json(true))
    assert.deepEqual(await opened.call(calls(['a', 'b', 'c'])), [json(true), json(true), json(true)])
    await opened.close()
  })

  it('gets the requests of a batch one by one if its window is 1, without the mark that another request follows', async () => {
    const opened = await openScript(file(onSocket({ waggle: 1, window: 1 }, 'write({ id, json: message.more ?? null })')))
    assert.deepEqual(await opened.call(calls(['a', 'b'])), [json(null), json(null)])
    await opened.close()
  })

  for (const window of [0, -1, 1025, 1.5, '3', null]) {
    it(`cannot start with the window ${JSON.stringify(window)}`, async () => {
      await assert.rejects(openScript(file(onSocket({ waggle: 1, window }, ''))), {
        code: 'WAGGLE_BEE_NOT_STARTED',
        message: /wrote the window .*no number from 1 to 1024/,
      })
    })
  }
})

describe('A bee that gets a batch', () => {
  const { file } = scriptFolder()

  it('gets a mark with each request except the last that another request follows', async () => {
    const opened = await openScript(file(onSocket({ waggle: 1 }, 'write({ id, json: message.more ?? null })')))
    assert.deepEqual(await opened.call(calls(['a', 'b', 'c'])), [json(true), json(true), json(null)])
    assert.deepEqual(await call(opened, 'alone'), json(null))
    await opened.close()
  })

  it('gets no mark for a further request if that request cannot be written', async () => {
    const opened = await openScript(file(onSocket({ waggle: 1 }, 'write({ id, json: message.more ?? null })')))
    const [first, second, third] = await opened.call(calls(['a', 'b', 1n]))
    assert.deepEqual([first, second], [json(true), json(null)])
    assert.ok(third instanceof WaggleError && third.code === 'WAGGLE_BEE_INPUT')
    await opened.close()
  })
})

describe('A bee that wants headers', () => {
  const { file } = scriptFolder()
  const headers = () => [textHeader('tenant', 'bears'), { key: 'raw', value: Uint8Array.of(0xff) }, { key: 'none', value: null }]

  it('gets the headers that are valid text', async () => {
    const opened = await openScript(
      file(onSocket({ waggle: 1, wants: ['headers', 'a wish of the future'] }, 'write({ id, json: message.headers ?? null })')),
    )
    assert.deepEqual(await call(opened, 1, { headers }), json({ tenant: 'bears' }))
    assert.deepEqual(await call(opened, 1), json(null))
    assert.deepEqual(await call(opened, 1, { headers: () => [textHeader('a', 'b'), textHeader('large', 'x'.repeat(16 * 1024))] }), json({ a: 'b' }))
    await opened.close()
  })

  it('gets headers, and other bees get none', async () => {
    const opened = await openScript(file(onSocket({ waggle: 1 }, 'write({ id, json: message.headers ?? null })')))
    assert.deepEqual(await call(opened, 1, { headers }), json(null))
    await opened.close()
  })
})

describe('A bee that wants pings', () => {
  const { file } = scriptFolder()

  it('is restarted if it does not answer a ping, and its request is sent again', async () => {
    const lines: string[] = []
    const script = onSocket({ waggle: 1, wants: ['ping'] }, `if (message.attempt === 1) for (;;); write({ id, json: message.attempt })`)
    const opened = await openScript(file(script), { lines, clock: hastyClock(100) })
    assert.deepEqual(await call(opened, 1), json(2))
    assert.match(lines[0] ?? '', /it answered no ping within 30 s; starting it again/)
    await opened.close()
  })

  it('may take longer for a request as long as it answers pings', async () => {
    const lines: string[] = []
    const script = onSocket(
      { waggle: 1, wants: ['ping'] },
      `if (message.ping) write({ pong: message.ping }); else setTimeout(write, 1000, { id, json })`,
    )
    const opened = await openScript(file(script), { lines, clock: hastyClock(60) })
    assert.deepEqual(await call(opened, 'slow'), json('slow'))
    assert.deepEqual(lines, [])
    await opened.close()
  })

  it('is stopped if it answers a ping that was not sent', async () => {
    const lines: string[] = []
    const script = onSocket({ waggle: 1, wants: ['ping'] }, `if (message.attempt === 1) write({ pong: 7 }); else write({ id, json })`)
    const opened = await openScript(file(script), { lines })
    assert.deepEqual(await call(opened, 1), json(1))
    assert.match(lines[0] ?? '', /the pong 7, which answers no ping/)
    await opened.close()
  })
})

describe('A bee that is still loading', () => {
  const { file } = scriptFolder()
  const loading = (times: number) => `
    import { connect } from 'node:net'
    const channel = connect(process.env.WAGGLE_BEE_SOCKET)
    for (let at = 1; at <= ${times}; at++) {
      channel.write(JSON.stringify({ loading: 'part ' + at }) + '\\n')
      await new Promise((resolve) => setTimeout(resolve, 60))
    }
    channel.write('{"waggle": 1}\\n')
    channel.on('data', () => {}).on('end', () => channel.end())`

  it('gets 60 more seconds with each line that reports progress', async () => {
    const lines: string[] = []
    const opened = await openScript(file(loading(10)), { lines, clock: hastyClock(150) })
    assert.deepEqual(lines[9], 'loading part 10')
    await opened.close()
  })

  it('cannot start if it reports progress more than ten times', async () => {
    await assert.rejects(openScript(file(loading(11))), { code: 'WAGGLE_BEE_NOT_STARTED', message: /more than 10 lines before its hello/ })
  })
})

describe('A bee that says why it cannot start', () => {
  const { file } = scriptFolder()
  const failing = (failure: object) => `console.error('a traceback'); console.log(JSON.stringify(${JSON.stringify(failure)})); process.exit(1)`

  it('provides the words, the place and the next step of the error', async () => {
    const failure = { failed: 'No module named torch', place: '/bees/bee.py:3:8', next: 'Add torch to requirements.txt.' }
    await assert.rejects(openScript(file(failing(failure))), {
      code: 'WAGGLE_BEE_NOT_STARTED',
      message: 'script cannot start: No module named torch',
      place: '/bees/bee.py:3:8',
      next: 'Add torch to requirements.txt.',
    })
    await assert.rejects(openScript(file(failing({ failed: 'why' }))), {
      message: 'script cannot start: why',
      next: 'Correct the program of script.',
    })
  })
})
