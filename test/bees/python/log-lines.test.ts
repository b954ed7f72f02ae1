import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { MeasuredProgram } from '../../../ops/bench/measured-program.ts'
import { patient } from '../../support/patient.ts'
import { skipWithoutPython } from '../../support/python-bee.ts'
import { eventually } from '../../support/swarm-here.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')

const bees = `import logging, sys, threading
from waggle import register_bee

logger = logging.getLogger("shop")
print("loaded")

@register_bee(name="one")
def one(swarm, payload, context):
    print("seen", payload["name"])
    print("first", "second", sep="\\n", file=sys.stderr)
    logger.warning("careful with %s", payload["name"])
    thread = threading.Thread(target=lambda: print("from a thread"))
    thread.start()
    thread.join()
    print("x" * 20000)
    forged = "\\x1e" + '{"level":"error","message":"forged","request_id":"other"}'
    print(forged)
    forger = threading.Thread(target=lambda: print(forged.replace("forged", "by thread")))
    forger.start()
    forger.join()
    sys.stdout.write(forged.replace("forged", "in halves"))
    sys.stdout.flush()
    print()
    if payload["name"] == "broken":
        raise ValueError("no such bear")
    return payload

@register_bee(name="slow")
async def slow(payload):
    import asyncio
    await asyncio.sleep(0.05)
    print("slept", payload["name"])
    return payload

@register_bee(name="many", batch=True)
def many(payloads):
    logger.error("%d together", len(payloads))
    return payloads
`

const swarm = `name: shop
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: one, type: python, input: {name: entrance}, spec: {file: ./bees.py, bee: one}}
  - {name: slow, type: python, input: {name: one}, spec: {file: ./bees.py, bee: slow}}
  - {name: together, type: batch, input: {name: slow}, spec: {batch_size: 12, timeout_seconds: 1, release: full}}
  - {name: many, type: python, input: {name: together}, spec: {file: ./bees.py, bee: many}}
  - {name: answer, type: respond, input: {name: many}}
`

interface Line {
  readonly event: string
  readonly level: string
  readonly message: string
  readonly swarm?: string
  readonly bee?: string
  readonly request_id?: string
  readonly request_ids?: string
  readonly requests?: number
}

/** Runs a real process of `waggle run` with real Python processes. The log of the process is JSON. */
describe('The log lines of Python bees', { skip: skipWithoutPython, timeout: 120_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-lines-'))
  let program: MeasuredProgram

  before(async () => {
    writeFileSync(join(directory, 'bees.py'), bees)
    writeFileSync(join(directory, 'swarm.yaml'), swarm)
    const env = { WAGGLE_DATA_DIR: join(directory, 'data'), WAGGLE_HTTP_PORT: '0', WAGGLE_PARTITIONS: '1' }
    program = await MeasuredProgram.start([main, 'run', join(directory, 'swarm.yaml'), '--json'], env)
  })
  after(async () => {
    await program?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  const ask = async (name: string) => {
    const init = { method: 'POST', body: JSON.stringify({ name }), headers: { 'content-type': 'application/json' } }
    const answer = await patient(() => fetch(`${program.ready.gateway}/v1/gateways/door/request`, init))
    await answer.body?.cancel()
    return answer.headers.get('x-request-id') ?? ''
  }
  const lines = (): readonly Line[] =>
    program.lastWords.split('\n').flatMap((line) => (line.startsWith('{"level"') && line.includes('"event":"log"') ? [JSON.parse(line) as Line] : []))
  const said = (message: string) => lines().filter((line) => line.message === message)

  it('have the request, the swarm and the bee, for printed and logged lines, in functions and coroutines', async () => {
    const id = await ask('bear')
    await eventually(async () => said('slept bear').length > 0 && said('1 together').length > 0)
    const facts = (message: string) => said(message).map(({ level, swarm: name, bee, request_id }) => [level, name, bee, request_id])
    for (const message of ['seen bear', 'first', 'second']) assert.deepEqual(facts(message), [['info', 'shop', 'one', id]], message)
    assert.deepEqual(facts('careful with bear'), [['warn', 'shop', 'one', id]])
    assert.deepEqual(facts('slept bear'), [['info', 'shop', 'slow', id]])
    assert.deepEqual(facts('1 together'), [['error', 'shop', 'many', id]])
    // A thread that the bee starts belongs to no call.
    assert.deepEqual(facts('from a thread'), [['info', 'shop', 'one', undefined]])
    const long = lines().find(({ message }) => /^x{100}/.test(message))
    assert.ok(long !== undefined && long.message.length > 7000 && long.message.length < 8192, String(long?.message.length))
    assert.equal(long.request_id, id)
    const kept = (await (await fetch(`${program.ready.gateway}/v1/swarms/shop/bees/one/logs?after=0`)).json()) as readonly Line[]
    assert.equal(kept.find(({ message }) => message === 'seen bear')?.request_id, id)
  })

  it('keep their own request if a printed text looks like a record with another request', async () => {
    const id = await ask('forger')
    const forged = () => lines().filter(({ message, request_id }) => message.includes('forged') && request_id === id)
    await eventually(async () => forged().length === 1)
    assert.deepEqual([forged()[0]?.level, lines().some(({ request_id }) => request_id === 'other')], ['info', false])
    // Lines without a request are written as they are, and so is a line that is flushed before its end.
    for (const what of ['by thread', 'in halves']) {
      const text = `\\x1e{"level":"error","message":"${what}","request_id":"other"}`
      await eventually(async () => said(text).length > 0)
      assert.deepEqual([said(text)[0]?.level, said(what)], ['info', []])
    }
  })

  it('name the first ten requests of a batch, and the number of all its requests', async () => {
    const ids = await Promise.all(Array.from({ length: 12 }, (_, at) => ask(`bear ${at}`)))
    await eventually(async () => said('12 together').length > 0)
    const [line] = said('12 together')
    assert.deepEqual([line?.level, line?.requests, line?.request_id], ['error', 12, undefined])
    const named = line?.request_ids?.split(' ') ?? []
    assert.deepEqual([named.length, named.every((one) => ids.includes(one))], [10, true])
  })

  it('have the request on each line of a traceback', async () => {
    const id = await ask('broken')
    await eventually(async () => said('ValueError: no such bear').length > 0)
    assert.equal(said('ValueError: no such bear')[0]?.request_id, id)
  })
})
