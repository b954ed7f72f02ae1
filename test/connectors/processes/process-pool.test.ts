import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LocalProcesses } from '../../../connectors/processes/local-processes.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { Answered, type BeeResult } from '../../../topology/swarm/request/answered.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { call, calls, json, onSocket, scriptFolder } from '../../support/bee-script.ts'

describe('Several processes of a bee', () => {
  const { file } = scriptFolder()

  function open(script: string, { workers = 2, lines = [] }: { workers?: number; lines?: string[] } = {}) {
    const command = [process.execPath, file(script)]
    return new LocalProcesses({ clock: systemClock }).open({
      swarm: 'test',
      bee: 'script',
      command,
      workers,
      env: {},
      log: (_, line) => lines.push(line),
    })
  }

  const value = (outcome: BeeResult | WaggleError) => {
    assert.ok(!(outcome instanceof WaggleError || outcome instanceof Answered) && outcome.kind === 'json')
    return outcome.json
  }

  it('share the calls: the process with the fewest open calls gets the next call', async () => {
    const opened = await open(
      onSocket(
        { waggle: 1 },
        `
      const { existsSync } = await import('node:fs')
      if (json === 'slow') while (!existsSync(${JSON.stringify(file('', 'slow'))} + '-go')) await new Promise((resolve) => setTimeout(resolve, 5))
      write({ id, json: process.pid })`,
      ),
    )
    const slow = call(opened, 'slow')
    const quick = new Set<unknown>()
    for (let at = 0; at < 10; at++) quick.add(value(await call(opened, 'quick')))
    file('', 'slow-go')
    assert.equal(quick.size, 1)
    assert.ok(!quick.has(value(await slow)))
    await opened.close()
  })

  it('alternate if each call ends before the next one begins', async () => {
    const opened = await open(onSocket({ waggle: 1 }, 'write({ id, json: process.pid })'), { workers: 3 })
    const processes: unknown[] = []
    for (let at = 0; at < 6; at++) processes.push(value(await call(opened, at)))
    assert.equal(new Set(processes.slice(0, 3)).size, 3)
    assert.deepEqual(processes.slice(3), processes.slice(0, 3))
    await opened.close()
  })

  it('get the calls of a batch together', async () => {
    const opened = await open(onSocket({ waggle: 1 }, 'write({ id, json: process.pid })'), { workers: 3 })
    for (let at = 0; at < 5; at++) assert.equal(new Set((await opened.call(calls([1, 2, 3, 4]))).map(value)).size, 1)
    await opened.close()
  })

  it('take over the calls that wait for a busy process of the group', async () => {
    // The first call keeps its process busy until all others have ended, although each process holds two more calls.
    const script = onSocket(
      { waggle: 1, window: 16 },
      `
      if (json !== 'block') { write({ id, json: process.pid }); continue }
      const { existsSync } = await import('node:fs')
      while (!existsSync(${JSON.stringify(file('', 'not-yet'))} + '-go')) await new Promise((resolve) => setTimeout(resolve, 5))
      write({ id, json: process.pid })`,
    )
    const opened = await open(script)
    const blocked = call(opened, 'block')
    const others = Array.from({ length: 20 }, (_, at) => call(opened, at))
    // The blocked process holds at most one more call.
    let done = 0
    for (const other of others) void other.then(() => done++)
    while (done < 19) await new Promise((resolve) => setImmediate(resolve))
    file('', 'not-yet-go')
    await Promise.all([blocked, ...others])
    await opened.close()
  })

  it('answer all calls even if one of the processes dies again and again', async () => {
    const lines: string[] = []
    const script = onSocket({ waggle: 1 }, `if (json === 'bad') process.exit(3)\nsetTimeout(write, 5, { id, json })`)
    const opened = await open(script, { workers: 3, lines })
    const values = Array.from({ length: 60 }, (_, at) => (at % 20 === 7 ? 'bad' : at))
    const outcomes = await Promise.all(values.map((one) => call(opened, one)))
    outcomes.forEach((outcome, at) => {
      if (values[at] === 'bad') assert.ok(outcome instanceof WaggleError && outcome.code === 'WAGGLE_BEE_DIED')
      else assert.deepEqual(outcome, json(values[at]))
    })
    await opened.close()
  })

  it('take over the calls of a process that is restarting', async () => {
    // A restarted process says hello when the test allows it.
    const script = `
      import { existsSync, writeFileSync } from 'node:fs'
      const mark = ${JSON.stringify(file('', 'started'))} + '-died'
      if (existsSync(mark)) while (!existsSync(mark + '-go')) await new Promise((resolve) => setTimeout(resolve, 5))
      ${onSocket({ waggle: 1 }, `if (json === 'die' && message.attempt === 1) { writeFileSync(mark, ''); process.exit(3) }\nwrite({ id, json })`)}`
    const opened = await open(script)
    const dying = call(opened, 'die')
    let hasAnswer = false
    void dying.then(() => {
      hasAnswer = true
    })
    for (let at = 0; at < 20; at++) assert.deepEqual(await call(opened, at), json(at))
    assert.equal(hasAnswer, false)
    file('', 'started-died-go')
    assert.deepEqual(await dying, json('die'))
    await opened.close()
  })

  it('take over the calls that wait for a dead process, even if each process was opened separately', async () => {
    // A restarted process says hello when the test allows it.
    const script = `
      import { existsSync, writeFileSync } from 'node:fs'
      const mark = ${JSON.stringify(file('', 'alone'))} + '-died'
      if (existsSync(mark)) while (!existsSync(mark + '-go')) await new Promise((resolve) => setTimeout(resolve, 5))
      ${onSocket({ waggle: 1, window: 1 }, `if (json === 'die' && message.attempt === 1) { writeFileSync(mark, ''); process.exit(3) }\nwrite({ id, json })`)}`
    const processes = new LocalProcesses({ clock: systemClock })
    const group = {}
    const options = { swarm: 'test', bee: 'script', command: [process.execPath, file(script)], env: {}, group, log: () => {} }
    const [first, second] = [await processes.open(options), await processes.open(options)]
    const dying = call(first, 'die')
    const waiting = Array.from({ length: 5 }, (_, at) => call(first, at))
    for (const [at, answer] of waiting.entries()) assert.deepEqual(await answer, json(at))
    file('', 'alone-died-go')
    assert.deepEqual(await dying, json('die'))
    await Promise.all([first.close(), second.close()])
  })

  it('all end if one of the processes cannot start', async () => {
    const script = `
      import { mkdirSync } from 'node:fs'
      try { mkdirSync(${JSON.stringify(file('', 'second'))} + '-dir') } catch { console.log(JSON.stringify({ failed: 'only one can start' })); process.exit(1) }
      ${onSocket({ waggle: 1 }, 'write({ id, json })')}`
    await assert.rejects(open(script), { code: 'WAGGLE_BEE_NOT_STARTED', message: 'script cannot start: only one can start' })
  })

  it('finish their calls before they are closed', async () => {
    const opened = await open(onSocket({ waggle: 1, window: 4 }, `setTimeout(write, 20, { id, json })`), { workers: 3 })
    const answers = Promise.all(Array.from({ length: 30 }, (_, at) => call(opened, at)))
    await opened.close()
    assert.deepEqual(
      await answers,
      Array.from({ length: 30 }, (_, at) => json(at)),
    )
  })
})
