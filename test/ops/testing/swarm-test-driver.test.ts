import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Type } from 'typebox'
import { defineBee, Refused, type SwarmDefinition, WaggleError } from 'waggle-streams'
import { SwarmTestDriver } from 'waggle-streams/testing'
import { smallModel } from '../../../ops/bench/small-model.ts'

const bear = { label: 'bear', scores: { bear: 0.75, teddy: 0.25 } }
const teddy = { label: 'teddy', scores: { bear: 0.25, teddy: 0.75 } }

/** Two models in parallel, batches of four, an ensemble, an answer and a table. */
function pair(changes: { readonly [bee: string]: object } = {}): SwarmDefinition {
  const bees = [
    { name: 'input', type: 'gateway-input', spec: { name: 'photos' } },
    { name: 'batching', type: 'batch', input: { name: 'input' }, spec: { batch_size: 4, timeout_seconds: 2, release: 'full' } },
    { name: 'left', type: 'tensor-rt', input: { name: 'batching' }, spec: { model: 'there-is-none.onnx', labels: ['bear', 'teddy'] } },
    { name: 'right', type: 'tensor-rt', input: { name: 'input' }, spec: { model: 'there-is-none.onnx', labels: ['bear', 'teddy'] } },
    { name: 'ensemble', type: 'weighted-average-ensemble', input: { join: ['left', 'right'] }, timeout_seconds: 5, spec: {} },
    { name: 'answer', type: 'respond', input: { name: 'ensemble' } },
    { name: 'save', type: 'save-to-database', input: { stack: ['left', 'right'] }, spec: { table: 'predictions' } },
  ]
  return { name: 'pair', bees: bees.map((bee) => ({ ...bee, ...changes[bee.name] })) }
}

const unbatched = { left: { input: { name: 'input' } } }

describe('SwarmTestDriver', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-test-driver-'))
  after(() => rmSync(directory, { recursive: true }))

  it('answers a request with fakes instead of models, and shows the output of each bee and the saved rows', async () => {
    await using driver = new SwarmTestDriver(pair({ ...unbatched }), { models: { left: () => bear, right: () => teddy }, startTimeMs: 5000 })
    const { status, requestId, body } = await driver.request({ photo: 1 })
    const models = { left: { scores: bear.scores, weight: 0.5 }, right: { scores: teddy.scores, weight: 0.5 } }
    assert.deepEqual([status, body], [200, { label: 'bear', scores: { bear: 0.5, teddy: 0.5 }, models }])
    assert.deepEqual(driver.published('left'), [bear])
    assert.deepEqual(driver.published('right'), [teddy])
    assert.deepEqual(driver.published('input'), [{ photo: 1 }])
    assert.deepEqual(driver.published('answer'), [body])
    assert.deepEqual(
      driver
        .rows('predictions')
        .map(({ bee, request_id, label, score, predicted_at }) => ({ bee, request_id, label, score, predicted_at }))
        .sort((a, b) => String(a.bee).localeCompare(String(b.bee))),
      [
        { bee: 'left', request_id: requestId, label: 'bear', score: 0.75, predicted_at: 5000 },
        { bee: 'right', request_id: requestId, label: 'teddy', score: 0.75, predicted_at: 5000 },
      ],
    )
    assert.deepEqual(driver.deadLetters(), [])
  })

  it('returns the answer of a program in the middle of a swarm, and calls no later bee', async () => {
    const program = `console.log('{"waggle": 1}')
      for await (const line of require('node:readline').createInterface(process.stdin)) {
        const { id, json } = JSON.parse(line)
        console.log(JSON.stringify({ id, json, respond: json.sure === true }))
      }`
    const bees = [
      { name: 'input', type: 'gateway-input', spec: { name: 'door' } },
      { name: 'first', type: 'container', input: { name: 'input' }, spec: { command: ['node', '-e', `(async () => {${program}})()`] } },
      { name: 'later', type: 'map', input: { name: 'first' }, spec: { expression: '{later: sure}' } },
      { name: 'answer', type: 'respond', input: { name: 'later' } },
    ]
    await using driver = new SwarmTestDriver({ name: 's', bees })
    assert.deepEqual((await driver.request({ sure: true })).body, { sure: true })
    assert.deepEqual((await driver.request({ sure: false })).body, { later: false })
    assert.deepEqual([driver.published('first'), driver.published('later')], [[{ sure: false }], [{ later: false }]])
  })

  it('passes the model’s input to a fake, and awaits a promise of the fake', async () => {
    const seen: unknown[] = []
    const right = async (input: unknown) => {
      seen.push(input)
      return teddy
    }
    await using driver = new SwarmTestDriver(pair(unbatched), { models: { left: () => bear, right } })
    await driver.request(Uint8Array.of(1, 2), { headers: { 'content-type': 'image/png' } })
    assert.deepEqual(seen, [Uint8Array.of(1, 2)])
  })

  it('holds a batch that is not full until the batch’s time has passed', async () => {
    await using driver = new SwarmTestDriver(pair(), { models: { left: () => bear, right: () => teddy } })
    const answer = driver.request({ photo: 1 })
    await driver.advanceWallClockTime(1900)
    assert.deepEqual([driver.published('left'), driver.published('right')], [[], [teddy]])
    await driver.advanceWallClockTime(200)
    assert.equal((await answer).status, 200)
    assert.deepEqual(driver.published('left'), [bear])
  })

  it('sends a full batch without waiting', async () => {
    await using driver = new SwarmTestDriver(pair(), { models: { left: () => bear, right: () => teddy } })
    const answers = await Promise.all([1, 2, 3, 4].map((photo) => driver.request({ photo })))
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200, 200],
    )
  })

  it('lets a join continue without a late input if the swarm says so', async () => {
    const late = { left: { ...unbatched.left, timeout_seconds: 60 }, ensemble: { on_timeout: 'partial' } }
    await using driver = new SwarmTestDriver(pair(late), { models: { left: () => new Promise(() => {}), right: () => teddy } })
    const answer = driver.request({ photo: 1 })
    await driver.advanceWallClockTime(4900)
    assert.deepEqual(driver.published('ensemble'), [])
    await driver.advanceWallClockTime(200)
    const { models } = (await answer).body as { readonly models: object }
    assert.deepEqual(models, { right: { scores: teddy.scores, weight: 1 } })
  })

  it('answers 504 at the deadline of a request, and names the missing input', async () => {
    await using driver = new SwarmTestDriver(pair({ left: { ...unbatched.left, timeout_seconds: 60 } }), {
      models: { left: () => new Promise(() => {}), right: () => teddy },
    })
    const answer = driver.request({ photo: 1 }, { headers: { 'X-Timeout-Seconds': '3' } })
    await driver.advanceWallClockTime(3100)
    const { status, body } = await answer
    assert.equal(status, 504)
    assert.match(JSON.stringify(body), /left/)
  })

  it('answers 502 for a bee that throws, and keeps the bee’s input as a dead letter', async () => {
    const left = () => {
      throw new Error('The model is gone')
    }
    await using driver = new SwarmTestDriver(pair(unbatched), { models: { left, right: () => teddy } })
    const { status, requestId, body } = await driver.request({ photo: 1 })
    assert.equal(status, 502)
    assert.equal((body as { readonly bee: string }).bee, 'left')
    const [letter, ...others] = driver.deadLetters()
    assert.deepEqual(others, [])
    assert.deepEqual([letter?.bee, letter?.requestId, letter?.input], ['left', requestId, { photo: 1 }])
    assert.ok(letter?.error instanceof WaggleError)
    assert.match(String(letter.error), /The model is gone/)
    assert.deepEqual(
      driver.rows('predictions').map(({ bee }) => bee),
      ['right'],
    )
  })

  it('answers 502 for a bee that never answers, when the time of its call has passed', async () => {
    const file = join(directory, 'silent.yaml')
    writeFileSync(join(directory, 'silent.ts'), 'export default () => new Promise(() => {})')
    writeFileSync(
      file,
      `name: silent
bees:
  - {name: input, type: gateway-input, spec: {name: inputs}}
  - {name: work, type: module, input: {name: input}, timeout_seconds: 5, spec: {file: ./silent.ts}}
  - {name: answer, type: respond, input: {name: work}}
`,
    )
    await using driver = new SwarmTestDriver(file)
    // The clock moves although the module is not loaded yet.
    const answer = driver.request({})
    await driver.advanceWallClockTime(5000)
    assert.deepEqual([(await answer).status, driver.deadLetters().map(({ error }) => error.code)], [502, ['WAGGLE_TIMEOUT']])
  })

  it('answers 422 for an input that a bee refuses, without a dead letter', async () => {
    const left = () => {
      throw new Refused('No bear is that small')
    }
    await using driver = new SwarmTestDriver(pair(unbatched), { models: { left, right: () => teddy } })
    const { status, body } = await driver.request({ photo: 1 })
    assert.deepEqual([status, (body as { readonly detail: string }).detail], [422, 'No bear is that small'])
    assert.deepEqual(driver.deadLetters(), [])
  })

  it('returns the stored answer for the same idempotency key, and 422 for another body', async () => {
    let calls = 0
    const right = () => {
      calls++
      return teddy
    }
    await using driver = new SwarmTestDriver(pair(unbatched), { models: { left: () => bear, right } })
    const headers = { 'Idempotency-Key': 'one' }
    const first = await driver.request({ photo: 1 }, { headers })
    assert.deepEqual(await driver.request({ photo: 1 }, { headers }), first)
    assert.equal((await driver.request({ photo: 2 }, { headers })).status, 422)
    assert.equal(calls, 1)
  })

  it('refuses an unknown gateway with 404, a wrong time with 400, and a body that is not JSON with 400', async () => {
    await using driver = new SwarmTestDriver(pair(unbatched), { models: { left: () => bear, right: () => teddy } })
    assert.equal((await driver.request({}, { gateway: 'videos' })).status, 404)
    assert.equal((await driver.request({}, { gateway: 'photos', headers: { 'x-timeout-seconds': 'soon' } })).status, 400)
    assert.equal((await driver.request(Buffer.from('{'), { headers: { 'content-type': 'application/json' } })).status, 400)
  })

  it('runs a swarm file with its real module and its real model', async () => {
    writeFileSync(
      join(directory, 'four.ts'),
      'export default ({ numbers }) => ({ tensors: { input: { datatype: "FP32", shape: [4], data: Float32Array.from(numbers) } } })',
    )
    writeFileSync(join(directory, 'small.onnx'), smallModel({ features: 4, labels: 2 }))
    const file = join(directory, 'swarm.yaml')
    writeFileSync(
      file,
      `name: real
bees:
  - {name: input, type: gateway-input, spec: {name: numbers}}
  - {name: four, type: module, input: {name: input}, spec: {file: ./four.ts}}
  - {name: model, type: tensor-rt, input: {name: four}, spec: {model: ./small.onnx, labels: [low, high]}}
  - {name: answer, type: respond, input: {name: model}}
`,
    )
    await using driver = new SwarmTestDriver(file)
    const { status, body } = await driver.request({ numbers: [1, 2, 3, 4] })
    assert.equal(status, 200, JSON.stringify(body))
    assert.deepEqual(Object.keys((body as { readonly scores: object }).scores), ['low', 'high'])
    assert.deepEqual(driver.published('model'), [body])
  })

  it('rejects the first request with the place of the bee if that bee cannot be opened', async () => {
    const file = join(directory, 'lacking.yaml')
    writeFileSync(
      file,
      `name: lacking
bees:
  - {name: input, type: gateway-input, spec: {name: numbers}}
  - {name: step, type: module, input: {name: input}, spec: {file: ./lacking.ts}}
  - {name: answer, type: respond, input: {name: step}}
`,
    )
    await using driver = new SwarmTestDriver(file)
    await assert.rejects(driver.request({}), { code: 'WAGGLE_FILE_NOT_FOUND', place: /lacking\.yaml:4:\d+$/ })
  })

  it('answers 202 for a swarm without a respond bee, and shows the swarm’s rows', async () => {
    const bees = pair(unbatched).bees.filter(({ name }) => name !== 'answer' && name !== 'ensemble')
    await using driver = new SwarmTestDriver({ name: 'silent', bees }, { models: { left: () => bear, right: () => teddy } })
    const { status, requestId, body } = await driver.request({ photo: 1 })
    assert.deepEqual([status, body], [202, { request_id: requestId }])
    assert.equal(driver.rows('predictions').length, 2)
  })

  it('runs bee types that were made with defineBee', async () => {
    const shout = defineBee({
      type: 'shout',
      summary: 'Loud.',
      delivery: 'Again.',
      spec: Type.Object({ mark: Type.String() }, { additionalProperties: false }),
      create: ({ spec, now }) => ({ process: ({ text }: { readonly text: string }) => ({ text: text.toUpperCase() + spec.mark, at: now() }) }),
    })
    const swarm = {
      name: 'loud',
      bees: [
        { name: 'input', type: 'gateway-input', spec: { name: 'talk' } },
        { name: 'shout', type: shout, input: { name: 'input' }, spec: { mark: '!' } },
        { name: 'answer', type: 'respond', input: { name: 'shout' } },
      ],
    }
    await using driver = new SwarmTestDriver(swarm, { startTimeMs: 7 })
    assert.deepEqual((await driver.request({ text: 'hello' })).body, { text: 'HELLO!', at: 7 })
  })

  it('refuses an unknown bee in a fake or a call and an unknown table, each with the nearest names', () => {
    const unknown = (next: RegExp) => ({ code: 'WAGGLE_UNKNOWN_BEE', next })
    assert.throws(() => new SwarmTestDriver(pair(), { models: { lefd: () => bear } }), unknown(/Did you mean left\?/))
    const driver = new SwarmTestDriver(pair(), { models: { left: () => bear } })
    assert.throws(() => driver.published('rihgt'), unknown(/Did you mean right\?/))
    assert.throws(() => driver.rows('prediction'), unknown(/Use one of predictions/))
    assert.throws(() => new SwarmTestDriver(pair(), { models: { input: () => bear } }), { code: 'WAGGLE_INVALID_CONFIG' })
    assert.throws(() => new SwarmTestDriver(join(directory, 'nowhere.yaml')), { code: 'WAGGLE_FILE_NOT_FOUND' })
  })

  it('refuses to move time back', async () => {
    await using driver = new SwarmTestDriver(pair(), { models: { left: () => bear, right: () => teddy } })
    await assert.rejects(driver.advanceWallClockTime(-1), { code: 'WAGGLE_INVALID_CONFIG' })
  })
})
