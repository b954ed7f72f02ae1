import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Env, eventually, SwarmHere } from '../../support/swarm-here.ts'

/** `measure` says what it was given, or gives a large result. `use` reads such a result when `wait` has seen the file that the request names. */
const bees = `  - {name: measure, type: module, input: {name: entrance}, spec: {file: ./measure.mjs, bee: measure}}
  - {name: wait, type: module, input: {name: entrance}, spec: {file: ./measure.mjs, bee: wait}}
  - {name: use, type: module, input: {join: [measure, wait]}, spec: {file: ./measure.mjs, bee: use}}
  - {name: answer, type: respond, input: {name: use}}`
const measure = `import { existsSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
export const measure = (input, { contentType }) => {
  if (input instanceof Uint8Array) return { bytes: input.length, contentType, sum: input.reduce((sum, byte) => (sum + byte) % 9973, 0) }
  return input.grow === undefined ? { characters: JSON.stringify(input).length } : { contentType: 'image/x-large', bytes: new Uint8Array(input.grow).fill(7) }
}
export const wait = async (input) => {
  while (input.until !== undefined && !existsSync(input.until)) await setTimeout(10)
  return {}
}
export const use = ({ measure }) => (measure instanceof Uint8Array ? { contentType: 'image/x-large', bytes: measure } : measure)
`

describe('A payload that is too large for the log', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-claims-'))
  after(() => rmSync(directory, { recursive: true, force: true }))
  const data = join(directory, 'data')
  const env: Env = { WAGGLE_CLAIM_STORE: 'data-directory', WAGGLE_MAX_INLINE_BYTES: '2048', WAGGLE_DATA_DIR: data }
  let swarm: SwarmHere
  before(async () => {
    swarm = await SwarmHere.open(env, { bees, files: { 'measure.mjs': measure } })
  })
  after(() => swarm[Symbol.asyncDispose]())

  const claims = () =>
    readdirSync(join(data, 'claims'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() && entry.name !== 'store')
  const clear = () => {
    for (const { parentPath, name } of claims()) unlinkSync(join(parentPath, name))
  }
  const send = (body: Uint8Array, { verb = 'request', headers = {} }: { readonly verb?: string; readonly headers?: Env } = {}) =>
    fetch(`${swarm.url}/v1/gateways/${swarm.name}/${verb}`, {
      method: 'POST',
      body: new Uint8Array(body),
      headers: { 'content-type': 'image/x-any', ...headers },
    })

  it('reaches its reader completely, and leaves a reference of a few hundred bytes in the log', async () => {
    clear()
    const picture = new Uint8Array(100_000).map((_, at) => at % 256)
    const response = await send(picture)
    assert.deepEqual(await response.json(), {
      bytes: 100_000,
      contentType: 'image/x-any',
      sum: picture.reduce((sum, byte) => (sum + byte) % 9973, 0),
    })
    assert.equal(claims().length, 1)
    const [object] = claims()
    assert.ok(object !== undefined && Buffer.from(picture).equals(readFileSync(join(object.parentPath, object.name))))
    const records = await eventually(async () => {
      const page = await fetch(`${swarm.url}/v1/topics/waggle.gateway.${swarm.name}/records?from=start&max=1000`)
      const text = await page.text()
      return text.includes(object.name) ? text : null
    })
    assert.ok(records.length < 5_000, `${records.length} characters`)
    assert.match(records, /application\/vnd\.waggle\.claim\+json/)
  })

  it('travels in the log if it is no larger than WAGGLE_MAX_INLINE_BYTES', async () => {
    clear()
    assert.equal(((await (await send(new Uint8Array(2_048))).json()) as { readonly bytes: number }).bytes, 2_048)
    assert.equal(claims().length, 0)
    assert.equal(((await (await send(new Uint8Array(2_049))).json()) as { readonly bytes: number }).bytes, 2_049)
    assert.equal(claims().length, 1)
  })

  it('may be the answer, also of a request that is read later or sent again', async () => {
    clear()
    const headers = { 'idempotency-key': 'large-answer' }
    const first = await swarm.ask({ grow: 50_000 }, { headers })
    assert.equal(first.headers.get('content-type'), 'image/x-large')
    assert.deepEqual(new Uint8Array(await first.arrayBuffer()), new Uint8Array(50_000).fill(7))
    // One object is from the bee that made the payload, and one object is from the bee that passed it on.
    assert.equal(claims().length, 2)
    const again = await swarm.ask({ grow: 50_000 }, { headers })
    assert.equal((await again.arrayBuffer()).byteLength, 50_000)
    const found = await fetch(`${swarm.url}/v1/requests/${first.headers.get('x-request-id')}`)
    const { state, answer } = (await found.json()) as { readonly state: string; readonly answer: { readonly base64: string } }
    assert.deepEqual([state, Buffer.from(answer.base64, 'base64').length], ['answered', 50_000])
  })

  it('may be JSON, and is refused as ever under a key that came with another body', async () => {
    clear()
    const headers = { 'idempotency-key': 'large-json' }
    const text = 'x'.repeat(10_000)
    assert.deepEqual(await (await swarm.ask({ text }, { headers })).json(), { characters: 10_011 })
    assert.equal((await swarm.ask({ text: `${text}y` }, { headers })).status, 422)
    assert.deepEqual(await (await swarm.ask({ text }, { headers })).json(), { characters: 10_011 })
    // Only the object of the first request stays. No record names the objects of the later requests.
    await eventually(async () => (claims().length === 1 ? true : null))
  })

  it('fails its request with WAGGLE_CLAIM_MISSING and a dead letter if its object is missing', async () => {
    const { id, status, detail } = await failing((path) => unlinkSync(path))
    assert.equal(status, 502)
    assert.match(detail, /is not in the claim store data-directory:[0-9a-f]{16}: somebody else has deleted it/)
    assert.deepEqual(await lettersOf(id), [['use', 'WAGGLE_CLAIM_MISSING']])
  })

  it('fails its request with WAGGLE_CLAIM_ALTERED and a dead letter if its object has other bytes', async () => {
    for (const content of [new Uint8Array(30_000).fill(1), new Uint8Array(29_999), new Uint8Array(30_001)]) {
      const { id, status, detail } = await failing((path) => writeFileSync(path, content))
      assert.equal(status, 502)
      assert.match(detail, /is not what was put there/)
      assert.deepEqual(await lettersOf(id), [['use', 'WAGGLE_CLAIM_ALTERED']])
    }
  })

  it('gives an error if it is the answer and its object is missing when a caller reads the answer', async () => {
    clear()
    const response = await swarm.ask({ grow: 50_000 })
    await response.arrayBuffer()
    clear()
    const found = await fetch(`${swarm.url}/v1/requests/${response.headers.get('x-request-id')}`)
    const { state, problem } = (await found.json()) as { readonly state: string; readonly problem: { readonly code: string } }
    assert.deepEqual([state, problem.code], ['failed', 'WAGGLE_CLAIM_MISSING'])
  })

  it('is counted in the metrics and on the page, with the bytes that payloads may have', async () => {
    clear()
    assert.equal((await send(new Uint8Array(100_000))).status, 200)
    await (await swarm.ask({ grow: 50_000 })).arrayBuffer()
    const metrics = await (await fetch(`${swarm.url}/metrics`)).text()
    const value = (name: string) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(metrics)?.[1])
    const [put, fetched] = [value('waggle_claims_put_bytes_total'), value('waggle_claims_fetched_bytes_total')]
    assert.ok(put >= 200_000 && fetched >= 200_000 && value('waggle_claims_put_total') >= 3, `${put} and ${fetched} bytes`)
    const state = (await (await fetch(`${swarm.url}/v1/live/${swarm.name}`)).json()) as {
      readonly claims: { readonly bytes: number; readonly max_bytes: number }
    }
    assert.ok(state.claims.bytes >= 200_000 && state.claims.max_bytes > state.claims.bytes, JSON.stringify(state.claims))
    assert.ok(value('waggle_claim_store_bytes') >= 200_000 && value('waggle_claim_store_max_bytes') > 200_000, metrics.slice(0, 100))
    assert.equal(await eventually(async () => /^waggle_claims_answer_bytes 0$/m.test(await (await fetch(`${swarm.url}/metrics`)).text())), true)
  })

  it('cannot be named by a caller from outside', async () => {
    const response = await send(Buffer.from('{}'), { headers: { 'content-type': 'application/vnd.waggle.claim+json' } })
    assert.equal(response.status, 415)
  })

  /** Sends a request whose bee has made a large payload, damages the payload before the next bee reads it, and returns the problem. */
  async function failing(damage: (path: string) => void): Promise<{ readonly id: string; readonly status: number; readonly detail: string }> {
    clear()
    const until = join(directory, `go-${randomUUID()}`)
    const asked = swarm.ask({ grow: 30_000, until })
    const object = await eventually(async () => claims().find(({ parentPath, name }) => statSync(join(parentPath, name)).size === 30_000) ?? null)
    damage(join(object.parentPath, object.name))
    writeFileSync(until, '')
    const response = await asked
    const { detail } = (await response.json()) as { readonly detail: string }
    return { id: response.headers.get('x-request-id') ?? '', status: response.status, detail }
  }

  /** The bees and codes of the dead letters of a request. */
  async function lettersOf(id: string): Promise<readonly (readonly [string, string])[]> {
    const letters = await eventually(async () => {
      const response = await fetch(`${swarm.url}/v1/dead-letters`)
      const { dead_letters: all } = (await response.json()) as {
        readonly dead_letters: readonly { readonly request_id: string; readonly bee: string; readonly code: string }[]
      }
      const own = all.filter(({ request_id }) => request_id === id)
      return own.length > 0 ? own : null
    })
    return letters.map(({ bee, code }) => [bee, code] as const)
  }
})

describe('A synchronous bee', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-claims-'))
  after(() => rmSync(directory, { recursive: true, force: true }))
  const env: Env = { WAGGLE_CLAIM_STORE: 'data-directory', WAGGLE_MAX_INLINE_BYTES: '2048', WAGGLE_DATA_DIR: join(directory, 'data') }

  it('reads a large payload from the gateway, from a bee and from a join', async () => {
    const several = `  - {name: size, type: map, input: {name: entrance}, spec: {expression: 'length(text)'}}
  - {name: double, type: module, input: {name: entrance}, spec: {file: ./double.mjs}}
  - {name: twice, type: map, input: {name: double}, spec: {expression: 'length(text)'}}
  - {name: both, type: map, input: {join: [size, twice, double]}, spec: {expression: '{size: size, twice: twice, again: length(double.text)}'}}
  - {name: answer, type: respond, input: {name: both}}`
    await using swarm = await SwarmHere.open(env, { bees: several, files: { 'double.mjs': 'export default ({ text }) => ({ text: text + text })' } })
    for (const characters of [5_000, 10])
      assert.deepEqual(await (await swarm.ask({ text: 'x'.repeat(characters) })).json(), {
        size: characters,
        twice: 2 * characters,
        again: 2 * characters,
      })
  })

  it('passes the reference on if it passes its input on, to bees, loops and the caller', async () => {
    const passing = `  - {name: few, type: filter, input: {name: entrance}, spec: {condition: 'length(text) > to_number(\`4000\`)'}}
  - {name: again, type: loop, input: {stack: [few, grow]}, spec: {body: grow, while: 'length(text) < to_number(\`6000\`)', max_rounds: 3}}
  - {name: grow, type: module, input: {name: again}, spec: {file: ./grow.mjs}}
  - {name: answer, type: respond, input: {name: again}}`
    await using swarm = await SwarmHere.open(
      { ...env, WAGGLE_DATA_DIR: join(directory, 'passing') },
      { bees: passing, files: { 'grow.mjs': "export default ({ text }) => ({ text: text + 'x'.repeat(1000) })" } },
    )
    assert.deepEqual(await (await swarm.ask({ text: 'x'.repeat(4_500) })).json(), { text: 'x'.repeat(6_500) })
    assert.equal((await swarm.ask({ text: 'x'.repeat(3_000) })).status, 422)
    const sizes = await eventually(async () => {
      const topics = (await (await fetch(`${swarm.url}/v1/topics`)).json()) as readonly { readonly name: string }[]
      const found: [string, number][] = []
      for (const { name } of topics.filter((topic) => topic.name.includes(swarm.name))) {
        const response = await fetch(`${swarm.url}/v1/topics/${name}/records?from=start&max=1000`)
        const { records } = (await response.json()) as { readonly records: readonly { readonly value: string | null }[] }
        for (const { value } of records) found.push([name, value?.length ?? 0])
      }
      return found.some(([name]) => name.endsWith('.answer')) && found
    })
    // The filtered text of 3,000 characters is refused, so nothing of it goes on.
    for (const [name, characters] of sizes) assert.ok(characters < 1_000, `${name} has a value of ${characters} characters`)
  })

  it('compares large inputs of a cache without fetching them, and keeps no large result', async () => {
    const cached = `  - {name: memo, type: cache, input: {stack: [entrance, work]}, spec: {body: work, ttl_seconds: 3600}}
  - {name: work, type: module, input: {name: memo}, spec: {file: ./count.mjs}}
  - {name: answer, type: respond, input: {name: memo}}`
    const count = `let calls = 0
export default ({ text, large }) => ({ calls: ++calls, text: large ? text : text.length })`
    await using swarm = await SwarmHere.open({ ...env, WAGGLE_DATA_DIR: join(directory, 'cache') }, { bees: cached, files: { 'count.mjs': count } })
    const text = 'z'.repeat(5_000)
    const callsOf = async (body: object) => ((await (await swarm.ask(body)).json()) as { readonly calls: number }).calls
    assert.deepEqual([await callsOf({ text }), await callsOf({ text }), await callsOf({ text: `${text}z` })], [1, 1, 2])
    assert.deepEqual([await callsOf({ text, large: true }), await callsOf({ text, large: true })], [3, 4])
  })

  it('passes a large payload on to a topic of another application, which gets the payload itself', async () => {
    const output = `  - {name: out, type: kafka-output, input: {name: entrance}, spec: {topic: decisions}}
  - {name: answer, type: respond, input: {name: entrance}}`
    await using swarm = await SwarmHere.open({ ...env, WAGGLE_DATA_DIR: join(directory, 'output') }, { bees: output })
    const text = 'y'.repeat(5_000)
    assert.deepEqual(await (await swarm.ask({ text })).json(), { text })
    await eventually(async () => {
      const response = await fetch(`${swarm.url}/v1/topics/decisions/records?from=start&max=1000`)
      return response.ok && (await response.text()).includes(text.slice(0, 1_000))
    })
  })
})
