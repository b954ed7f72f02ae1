import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { BeeRegistry } from '../../../../bees/registry.ts'
import { checkSwarm } from '../../../../topology/swarm/check/check-swarm.ts'
import { SwarmDocument } from '../../../../topology/swarm/swarm-document.ts'
import { WaggleError } from '../../../../topology/waggle-error.ts'

const registry = new BeeRegistry()

function mistakesOf(yaml: string): readonly string[] {
  try {
    checkSwarm(SwarmDocument.parse(yaml, 'swarm.yaml'), registry)
  } catch (error) {
    assert.ok(error instanceof WaggleError)
    assert.equal(error.code, 'WAGGLE_INVALID_SWARM')
    assert.ok(error.cause instanceof AggregateError)
    return error.cause.errors.map((one: WaggleError) => `${one.place}: ${one.message}; ${one.next}`)
  }
  return []
}

function only(yaml: string): string {
  const mistakes = mistakesOf(yaml)
  assert.equal(mistakes.length, 1, mistakes.join('\n'))
  return mistakes[0] ?? ''
}

const good = `name: good
bees:
  - name: door
    type: gateway-input
    spec:
      name: door
  - name: work
    type: module
    input:
      name: door
    spec:
      file: ./work.ts
  - name: answer
    type: respond
    input:
      name: work
`

describe('The check of a swarm file', () => {
  it('returns the bees in their order for a file without a mistake', () => {
    const { name, bees } = checkSwarm(SwarmDocument.parse(good, 'swarm.yaml'), registry)
    assert.equal(name, 'good')
    assert.deepEqual(
      bees.map((bee) => bee.name),
      ['door', 'work', 'answer'],
    )
  })

  it('accepts both files of the teddy swarm', () => {
    for (const file of ['swarm.yaml', 'swarm-container.yaml']) {
      const path = new URL(`../../../../swarms/teddy-bear-detector/${file}`, import.meta.url)
      assert.equal(checkSwarm(SwarmDocument.parse(readFileSync(path, 'utf8'), file), registry).bees.length, 9)
    }
  })

  for (const [word, type] of [
    ['onnx', 'tensor-rt'],
    ['sklearn', 'tensor-rt'],
    ['PyTorch', 'tensor-rt'],
    ['keras', 'tf-serving'],
    ['saved_model', 'tf-serving'],
    ['typescript', 'module'],
    ['docker', 'container'],
    ['http', 'gateway-input'],
    ['answer', 'respond'],
    ['clickhouse', 'save-to-database'],
    ['kafka', 'kafka-output'],
  ] as const) {
    it(`suggests the bee type ${type} for the word ${word}`, () => {
      const [mistake = ''] = mistakesOf(`name: a\nbees:\n  - {name: door, type: ${word}}\n`)
      assert.match(mistake, new RegExp(`there is no bee type ${word}; .*\\b${type}\\b`))
      assert.ok(registry.find(type) !== null)
    })
  }

  it('names all thirteen mistakes of a file, each with its place and the correction', () => {
    const mistakes = mistakesOf(`name: Ten Mistakes
colour: brown
bees:
  - name: door
    type: gatway-input
    spec:
      name: door
  - name: gate
    type: gateway-input
    spec:
      nmae: gate
  - name: batching
    type: batch
    input:
      name: gate
    spec:
      batch_size: many
      timeout_seconds: 0.1
  - name: model
    type: tensor-rt
    input:
      name: batchign
    spec:
      model: ./model.onnx
  - name: model
    type: respond
    input:
      name: gate
  - name: dead-letters
    type: module
    input:
      name: gate
    spec:
      file: ./a.ts
  - name: alone
    type: module
    spec:
      file: ./b.ts
  - name: listening
    type: kafka-input
    spec:
      topic: waggle.id-secret
  - name: round
    type: module
    input:
      name: round
    spec:
      file: '{{ secrets. }}'
    on_error: never
`)
    const expected: readonly (readonly [place: string, words: RegExp])[] = [
      ['1:7', /is not a valid name/],
      ['2:1', /unknown key colour/],
      ['5:11', /no bee type gatway-input; did you mean gateway-input\?/],
      ['11:7', /unknown key nmae; did you mean name\?/],
      ['17:19', /batch_size must be an integer/],
      ['22:13', /batchign.*did you mean batching\?/],
      ['25:11', /a bee named model already/],
      ['29:11', /the name dead-letters is taken/],
      ['35:5', /alone.*input/],
      ['42:14', /waggle\.id-secret is a topic that Waggle keeps for itself/],
      ['46:7', /a cycle: round → round/],
      ['48:13', /names no secret/],
      ['49:15', /on_error cannot be "never"/],
    ]
    for (const [place, words] of expected)
      assert.ok(
        mistakes.some((mistake) => mistake.startsWith(`swarm.yaml:${place}: `) && words.test(mistake)),
        `${place} ${words} is not in\n${mistakes.join('\n')}`,
      )
  })

  it('names the place of a bee that no gateway reaches', () => {
    assert.match(
      mistakesOf(`${good}  - name: a
    type: module
    input: {name: b}
    spec: {file: ./a.ts}
  - name: b
    type: module
    input: {name: a}
    spec: {file: ./b.ts}
`).join('\n'),
      /swarm\.yaml:\d+:\d+: .*(cycle|circle|→)/,
    )
  })

  it('needs the size and the time of a batch, unless the batch has a target latency', () => {
    const wrongWith = (spec: string) =>
      mistakesOf(`${good}  - { name: batching, type: batch, input: { name: work }, spec: ${spec} }
  - { name: more, type: module, input: { name: batching }, spec: { file: ./a.ts } }
`)
    assert.deepEqual(wrongWith('{ target_latency_ms: 40 }'), [])
    assert.deepEqual(wrongWith('{ target_latency_ms: 40, batch_size: 8, timeout_seconds: 0 }'), [])
    assert.deepEqual(wrongWith('{ batch_size: 8 }'), [
      'swarm.yaml:17:65: timeout_seconds is missing; Add timeout_seconds: How long the oldest row may wait for others.',
    ])
    assert.deepEqual(wrongWith('{ batch_size: many, timeout_seconds: 1 }').length, 1)
    assert.match(wrongWith('{ target_latency_ms: 0 }').join(), /target_latency_ms must be > 0, not 0/)
  })

  it('names the missing keys of a spec that is empty', () => {
    for (const [type, keys] of [
      ['tf-serving', /^swarm\.yaml:17:\d+: spec is empty; Set one of model, url, /],
      ['container', /^swarm\.yaml:17:\d+: spec is empty; Set one of image, /],
    ] as const)
      assert.match(only(`${good}  - { name: more, type: ${type}, input: { name: work }, spec: {} }\n`), keys)
    assert.match(
      only(`${good}  - { name: more, type: tensor-rt, input: { name: work }, spec: { model: m, traffic: {} } }\n`),
      /traffic is empty; Write at least one entry\.$/,
    )
  })

  it('refuses a batch that feeds a join, because a join waits for one record of each input', () => {
    const batch = '  - { name: batching, type: batch, input: { name: work }, spec: { batch_size: 2, timeout_seconds: 1 } }\n'
    for (const [type, spec] of [
      ['module', '{ file: ./both.ts }'],
      ['save-to-database', '{ table: t }'],
      ['weighted-average-ensemble', '{}'],
    ])
      assert.match(
        only(`${good}${batch}  - { name: both, type: ${type}, input: { join: [door, batching] }, spec: ${spec} }\n`),
        /^swarm\.yaml:18:\d+: both joins, and cannot be fed batches; Let both read what batching reads\.$/,
      )
  })

  it('refuses a GPU for a bee that cannot use one', () => {
    for (const [type, spec] of [
      ['weighted-average-ensemble', '{}'],
      ['save-to-database', '{ table: t }'],
      ['kafka-output', '{ topic: t }'],
      ['batch', '{ batch_size: 2, timeout_seconds: 1 }'],
    ])
      assert.match(
        only(`${good}  - { name: more, type: ${type}, input: { name: work }, gpu: 1, spec: ${spec} }\n`),
        /^swarm\.yaml:17:\d+: more is a [a-z-]+, which cannot use a GPU; Remove gpu\.$/,
      )
    assert.deepEqual(mistakesOf(good.replace('type: module', 'type: module\n    gpu: 1')), [])
  })

  it('refuses YAML tags, explosive anchors, a second document, duplicate keys and more than a megabyte', () => {
    assert.match(only(good.replace('name: good', 'name: !!js/function good')), /tag/i)
    assert.match(only(`${good}---\n${good}`), /second document/)
    assert.match(only(good.replace('name: good', 'name: good\nname: better')), /unique|duplicate/i)
    assert.match(only(`# ${'x'.repeat(1024 * 1024)}\n${good}`), /1048576 bytes/)
    const bomb = Array.from(
      { length: 9 },
      (_, at) =>
        `a${at}: &a${at} [${Array(9)
          .fill(at === 0 ? 'lol' : `*a${at - 1}`)
          .join(', ')}]`,
    ).join('\n')
    assert.match(only(`${bomb}\n${good}`), /expand/)
  })

  it('refuses an empty file, or a file that is not a map, with that reason', () => {
    assert.match(only(''), /empty/)
    assert.ok(mistakesOf('- a\n- b\n').length > 0)
  })

  it('accepts an alias of a type', () => {
    const yaml = good.replace('type: module', 'type: bytewax/tf_serving').replace('file: ./work.ts', 'model: ./model.pb')
    assert.deepEqual(mistakesOf(yaml), [])
  })
})
