import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { SwarmTestDriver } from 'waggle-streams/testing'

const directory = mkdtempSync(join(tmpdir(), 'waggle-bad-input-'))
after(() => rmSync(directory, { recursive: true, force: true }))

interface Case {
  readonly what: string
  /** The lines of the swarm file between its entrance and its `respond` bee, which reads `work`. */
  readonly bees: string
  /** The source of `work.ts` beside the swarm file. */
  readonly module?: string
  readonly input?: unknown
  /** The bee that fails, if it is not `work`. */
  readonly bee?: string
  /** Null for an input that is refused, which leaves no dead letter. */
  readonly code: string | null
  readonly detail: RegExp
  /** The time after which the request fails. Default: it fails at once. */
  readonly afterMs?: number
}

const ofModule = '  - {name: work, type: module, input: {name: entrance}, timeout_seconds: 5, spec: {file: ./work.ts}}'
const inThreads = ofModule.replace('./work.ts', './work.ts, workers: 1')
const inBatches = `  - {name: together, type: batch, input: {name: entrance}, spec: {batch_size: 2, timeout_seconds: 0}}
${ofModule.replace('{name: entrance}', '{name: together}')}`
const ofSteps = ofModule.replace('type: module', 'type: streams').replace(', timeout_seconds: 5', '')
const joined = (type: string) => `  - {name: left, type: map, input: {name: entrance}, spec: {expression: left}}
  - {name: right, type: map, input: {name: entrance}, spec: {expression: right}}
  - {name: work, type: ${type}, input: {join: [left, right]}}`
const bytes = Buffer.from('no JSON')
const good = { label: 'teddy', scores: { teddy: 1 } }

const cases: readonly Case[] = [
  {
    what: 'a module that throws',
    bees: ofModule,
    module: 'export default () => { throw new Error("no bear") }',
    code: 'WAGGLE_BEE_FAILED',
    detail: /no bear/,
  },
  {
    what: 'a module that throws a text',
    bees: ofModule,
    module: 'export default () => { throw "no bear" }',
    code: 'WAGGLE_BEE_FAILED',
    detail: /no bear/,
  },
  {
    what: 'a module that gives nothing',
    bees: ofModule,
    module: 'export default () => {}',
    code: 'WAGGLE_BEE_OUTPUT',
    detail: /work gave a result that cannot be passed on: nothing is not a JSON value/,
  },
  { what: 'a module that gives NaN', bees: ofModule, module: 'export default () => ({ score: NaN })', code: 'WAGGLE_BEE_OUTPUT', detail: /NaN/ },
  {
    what: 'a module that gives a function',
    bees: ofModule,
    module: 'export default () => () => 1',
    code: 'WAGGLE_BEE_OUTPUT',
    detail: /function/,
  },
  {
    what: 'a module that gives a cycle',
    bees: ofModule,
    module: 'export default () => { const a = {}; a.a = a; return a }',
    code: 'WAGGLE_BEE_OUTPUT',
    detail: /cannot be passed on/,
  },
  {
    what: 'a module whose JSON is no JSON',
    bees: ofModule,
    module: 'export default () => ({ contentType: "application/json", bytes: Buffer.from("{") })',
    code: 'WAGGLE_BEE_OUTPUT',
    detail: /JSON/,
  },
  {
    what: 'a module whose tensor has another shape than its data',
    bees: ofModule,
    module: 'export default () => ({ tensors: { x: { datatype: "FP32", shape: [3], data: new Float32Array(2) } } })',
    code: 'WAGGLE_BEE_OUTPUT',
    detail: /the tensor "x" has 8 bytes for the shape \[3\]/,
  },
  {
    what: 'a module of batches that gives no list',
    bees: inBatches,
    module: 'export default { processBatch: () => 1 }',
    code: 'WAGGLE_BEE_OUTPUT',
    detail: /work gave no list of results/,
  },
  {
    what: 'a module of batches that gives too few results',
    bees: inBatches,
    module: 'export default { processBatch: () => [] }',
    code: 'WAGGLE_BATCH_LENGTH',
    detail: /0 results for 1 rows/,
  },
  {
    what: 'a module that never answers',
    bees: ofModule,
    module: 'export default () => new Promise(() => {})',
    code: 'WAGGLE_TIMEOUT',
    detail: /No result within 5000 ms/,
    afterMs: 6000,
  },
  {
    what: 'a module in a thread that ends',
    bees: inThreads,
    module: 'export default () => process.exit(3)',
    code: 'WAGGLE_BEE_FAILED',
    detail: /A thread of work ended: it ended with status 3/,
  },
  { what: 'a module in a thread that gives NaN', bees: inThreads, module: 'export default () => NaN', code: 'WAGGLE_BEE_OUTPUT', detail: /NaN/ },
  {
    what: 'steps of the DSL that throw',
    bees: ofSteps,
    module: 'export default { connect: (input) => input.mapValues(() => { throw new Error("no bear") }) }',
    code: 'WAGGLE_PROCESSING_FAILED',
    detail: /no bear/,
  },
  {
    what: 'steps of the DSL that give NaN',
    bees: ofSteps,
    module: 'export default { connect: (input) => input.mapValues(() => NaN) }',
    code: 'WAGGLE_BEE_OUTPUT',
    detail: /NaN/,
  },
  {
    what: 'a filter over a field that is missing',
    bees: '  - {name: work, type: filter, input: {name: entrance}, spec: {condition: "amount > `1`"}}',
    code: 'WAGGLE_EXPRESSION',
    detail: /"amount > `1`" gave null, which is neither true nor false/,
  },
  {
    what: 'a filter over bytes',
    bees: '  - {name: work, type: filter, input: {name: entrance}, spec: {condition: "amount > `1`"}}',
    input: bytes,
    code: 'WAGGLE_EXPRESSION',
    detail: /An expression reads JSON, and the input is application\/octet-stream/,
  },
  {
    what: 'a condition that throws',
    bees: '  - {name: work, type: filter, input: {name: entrance}, spec: {condition: "abs(name) > `1`"}}',
    input: { name: 'Bea' },
    code: 'WAGGLE_EXPRESSION',
    detail: /The expression "abs\(name\) > `1`" failed/,
  },
  {
    what: 'a map that throws',
    bees: '  - {name: work, type: map, input: {name: entrance}, spec: {expression: "abs(name)"}}',
    input: { name: 'Bea' },
    code: 'WAGGLE_EXPRESSION',
    detail: /The expression "abs\(name\)" failed/,
  },
  {
    what: 'a route whose condition throws',
    bees: `  - {name: ways, type: route, input: {name: entrance}, spec: {routes: {work: "abs(name) > \`1\`"}}}
  - {name: work, type: map, input: {name: ways}, spec: {expression: "@"}}`,
    input: { name: 'Bea' },
    bee: 'ways',
    code: 'WAGGLE_EXPRESSION',
    detail: /"abs\(name\) > `1`" failed/,
  },
  {
    what: 'a loop whose condition throws',
    bees: `  - {name: work, type: loop, input: {stack: [entrance, step]}, spec: {while: "abs(name) > \`1\`", body: step, max_rounds: 3}}
  - {name: step, type: map, input: {name: work}, spec: {expression: "@"}}`,
    input: { name: 'Bea' },
    code: 'WAGGLE_EXPRESSION',
    detail: /"abs\(name\) > `1`" failed/,
  },
  {
    what: 'a cache around a bee that fails',
    bees: `  - {name: work, type: cache, input: {stack: [entrance, step]}, spec: {body: step, ttl_seconds: 60}}
  - {name: step, type: map, input: {name: work}, spec: {expression: "abs(name)"}}`,
    input: { name: 'Bea' },
    bee: 'step',
    code: 'WAGGLE_EXPRESSION',
    detail: /"abs\(name\)" failed/,
  },
  ...['weighted-average-ensemble', 'majority-vote'].flatMap((type): readonly Case[] => [
    {
      what: `a ${type} of a text`,
      bees: joined(type),
      input: { left: good, right: 'teddy' },
      code: 'WAGGLE_NO_PREDICTION',
      detail: /right gave no prediction: \{ (scores|label)/,
    },
    { what: `a ${type} of nothing`, bees: joined(type), input: { left: good }, code: 'WAGGLE_NO_PREDICTION', detail: /right gave no prediction/ },
    {
      what: `a ${type} of other fields`,
      bees: joined(type),
      input: { left: { label: 1, scores: { teddy: 'much' } }, right: good },
      code: 'WAGGLE_NO_PREDICTION',
      detail: /left gave no prediction/,
    },
  ]),
  {
    what: 'an image-preprocess of JSON',
    bees: '  - {name: work, type: image-preprocess, input: {name: entrance}, spec: {resize: 8, layout: NHWC}}',
    code: null,
    detail: /A picture is needed: send its bytes/,
  },
  {
    what: 'an image-preprocess of bytes that are no picture',
    bees: '  - {name: work, type: image-preprocess, input: {name: entrance}, spec: {resize: 8, layout: NHWC}}',
    input: bytes,
    code: null,
    detail: /picture/,
  },
  {
    what: 'an http-call whose address needs a field',
    bees: '  - {name: work, type: http-call, input: {name: entrance}, spec: {url: "http://127.0.0.1:1/{id}", method: GET}}',
    code: null,
    detail: /this input has no field id, which the address needs/,
  },
]

describe('A bee that gets or gives what it should not', () => {
  for (const [at, { what, bees, module, input = {}, bee = 'work', code, detail, afterMs = 0 }] of cases.entries())
    it(`fails its request with the reason, and keeps one dead letter unless it refuses the input: ${what}`, async () => {
      const folder = join(directory, String(at))
      mkdirSync(folder)
      const file = join(folder, 'swarm.yaml')
      if (module !== undefined) writeFileSync(join(folder, 'work.ts'), module)
      writeFileSync(
        file,
        `name: bad-input\nbees:\n  - {name: entrance, type: gateway-input, spec: {name: inputs}}\n${bees}\n  - {name: answer, type: respond, input: {name: work}}\n`,
      )
      await using driver = new SwarmTestDriver(file)
      const asked = driver.request(input)
      if (afterMs > 0) await driver.advanceWallClockTime(afterMs)
      const { status, body } = await asked
      const problem = body as { readonly bee: string; readonly code: string; readonly detail: string }
      assert.deepEqual([status, problem.bee], [code === null ? 422 : 502, bee], JSON.stringify(body))
      assert.match(problem.detail, detail)
      const letters = driver.deadLetters().map((letter) => ({ bee: letter.bee, code: letter.error.code }))
      assert.deepEqual(letters, code === null ? [] : [{ bee, code }])
    })
})

describe('A save-to-database bee', () => {
  for (const [what, input, payload] of [
    ['a number', 7, '7'],
    ['a text', 'teddy', '"teddy"'],
    ['nothing', null, 'null'],
    ['a label and scores of another kind', { label: 1, scores: { bear: 'much', teddy: null } }, '{"label":1,"scores":{"bear":"much","teddy":null}}'],
    ['scores that are a list of texts', { label: 'teddy', scores: 'teddy' }, '{"label":"teddy","scores":"teddy"}'],
    ['bytes', bytes, '{"bytes":7}'],
  ] as const)
    it(`saves a row with the payload, and with the label and the scores that fit: ${what}`, async () => {
      await using driver = new SwarmTestDriver({
        name: 'bad-input',
        bees: [
          { name: 'entrance', type: 'gateway-input', spec: { name: 'inputs' } },
          { name: 'save', type: 'save-to-database', input: { name: 'entrance' }, spec: { table: 'predictions' } },
        ],
      })
      assert.equal((await driver.request(input)).status, 202)
      const rows = driver.rows('predictions').map((row) => [row.label, row.score, row.scores, row.payload])
      const label = (input as { readonly label?: unknown } | null)?.label === 'teddy' ? 'teddy' : ''
      assert.deepEqual(rows, [[label, 0, {}, payload]])
      assert.deepEqual(driver.deadLetters(), [])
    })
})
