import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { Gateway, GatewayError, type RequestEvent } from 'waggle-streams/client'
import { MeasuredProgram } from '../../ops/bench/measured-program.ts'
import { freePort } from '../support/free-port.ts'
import { patient } from '../support/patient.ts'

/** A stream waits through two starts of a process, which take their time on a busy machine. No promise has a time limit. */
const patienceMs = 600_000
const main = resolve(import.meta.dirname, '..', '..', 'ops', 'cli', 'main.ts')

/**
 * Three bees. `counts` gives the same parts in each run. `resumes` gives other parts in a second run, but begins with the parts that it has
 * published. `dices` gives other parts from the start.
 */
const functions = `
const run = process.pid
const pause = () => new Promise((done) => setTimeout(done, 40))
export async function* counts({ parts }) {
  for (let at = 0; at < parts; at++) { await pause(); yield \`part \${at};\` }
}
export async function* resumes({ parts }, request) {
  yield* request.parts
  for (let at = request.parts.length; at < parts; at++) { await pause(); yield \`part \${at} of \${run};\` }
}
export async function* dices({ parts }) {
  for (let at = 0; at < parts; at++) { await pause(); yield \`part \${at} of \${run};\` }
}
`
const python = `
import asyncio
import os
from waggle import register_bee

@register_bee(name="resumes")
async def resumes(payload, context):
    for part in context.parts:
        yield part
    for number in range(len(context.parts), payload["parts"]):
        await asyncio.sleep(0.04)
        yield f"part {number} of {os.getpid()};"
`

const swarm = (spec: string) => `name: talk
bees:
  - {name: entrance, type: gateway-input, spec: {name: talk}}
  - {name: chat, input: {name: entrance}, timeout_seconds: ${patienceMs / 1000}, ${spec}}
  - {name: answer, type: respond, input: {name: chat}}
`
const kinds = {
  'that gives the same parts again': 'type: module, spec: {file: ./functions.mjs, bee: counts}',
  'that goes on behind its parts': 'type: module, spec: {file: ./functions.mjs, bee: resumes}',
  'in a thread that goes on behind its parts': 'type: module, spec: {file: ./functions.mjs, bee: resumes, workers: 1}',
  'in Python that goes on behind its parts': 'type: python, spec: {file: ./bees.py, bee: resumes}',
}

class Talk {
  readonly directory = mkdtempSync(join(tmpdir(), 'waggle-parts-'))
  readonly #port: number
  #program: MeasuredProgram | null = null

  private constructor(port: number, spec: string) {
    this.#port = port
    writeFileSync(join(this.directory, 'functions.mjs'), functions)
    writeFileSync(join(this.directory, 'bees.py'), python)
    writeFileSync(join(this.directory, 'swarm.yaml'), swarm(spec))
  }

  static async open(spec: string): Promise<Talk> {
    const talk = new Talk(await freePort(), spec)
    await talk.start()
    return talk
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  async start(): Promise<void> {
    this.#program = await MeasuredProgram.start([main, 'run', join(this.directory, 'swarm.yaml'), '--json'], {
      WAGGLE_DATA_DIR: join(this.directory, 'data'),
      WAGGLE_HTTP_PORT: String(this.#port),
    })
  }

  /** Kills the process with `kill -9`, and starts it again. */
  async killed(): Promise<void> {
    await this.#program?.kill('with its children')
    await this.start()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program?.kill('with its children')
    rmSync(this.directory, { recursive: true, force: true })
  }
}

describe('A stream of parts through two kill -9 of the process', () => {
  for (const [kind, spec] of Object.entries(kinds))
    it(`loses, doubles and changes no part of a bee ${kind}`, async () => {
      await using talk = await Talk.open(spec)
      const gateway = new Gateway(talk.url, { timeoutMs: patienceMs })
      const parts = 30
      const events: RequestEvent[] = []
      let restart = Promise.resolve()
      for await (const event of gateway.stream({ parts }, { gateway: 'talk' })) {
        events.push(event)
        if (event.kind === 'part' && (event.number === 7 || event.number === 15)) restart = restart.then(() => talk.killed())
      }
      await restart
      const got = events.flatMap((event) => (event.kind === 'part' ? [event] : []))
      assert.deepEqual(
        got.map(({ number }) => number),
        Array.from({ length: parts }, (_, at) => at),
      )
      const [accepted, answer] = [events[0], events.at(-1)]
      assert.ok(accepted?.kind === 'accepted' && answer?.kind === 'answer')
      // A later run has computed the answer. The answer must consist of the parts that the caller got.
      assert.equal(answer.answer, got.map(({ part }) => part).join(''))
      const [, ...numbers] = String(answer.answer).split('part ')
      assert.deepEqual(
        numbers.map((text) => Number.parseInt(text, 10)),
        Array.from({ length: parts }, (_, at) => at),
      )
      assert.equal(events.filter(({ kind: one }) => one === 'accepted').length, 1)
      // A caller who asks later gets the same parts.
      const later = await patient(() => fetch(`${talk.url}/v1/requests/${accepted.requestId}/events`))
      const laterText = await later.text()
      assert.equal(later.status, 200, laterText)
      const told = [...laterText.matchAll(/"part":("[^"]*")/g)].map(([, part]) => JSON.parse(part ?? '') as unknown)
      assert.deepEqual(
        told,
        got.map(({ part }) => part),
      )
    })

  it('ends in an error and mixes no parts of two runs if the bee gives other parts in its second run', async () => {
    await using talk = await Talk.open('type: module, spec: {file: ./functions.mjs, bee: dices}')
    const gateway = new Gateway(talk.url, { timeoutMs: patienceMs })
    const parts: unknown[] = []
    let restart = Promise.resolve()
    const failed = await (async () => {
      for await (const event of gateway.stream({ parts: 20 }, { gateway: 'talk' })) {
        if (event.kind !== 'part') continue
        parts.push(event.part)
        if (event.number === 5) restart = talk.killed()
      }
    })().catch((error: unknown) => error)
    await restart
    assert.ok(failed instanceof GatewayError)
    assert.equal(failed.code, 'WAGGLE_PARTS_DIFFER')
    assert.equal(new Set(parts.map((part) => String(part).replace(/^part \d+/, ''))).size, 1)
  })
})
