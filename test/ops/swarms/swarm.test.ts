import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Type } from 'typebox'
import { defineBee, defineSwarm, loadSwarm, Serdes, type SwarmDefinition, Topology, WaggleError } from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'

const shout = defineBee({
  type: 'shout',
  summary: 'Loud.',
  delivery: 'Again.',
  spec: Type.Object({}, { additionalProperties: false }),
  create: () => ({ process: ({ text }: { readonly text: string }) => text.toUpperCase() }),
})

const loud: SwarmDefinition = {
  name: 'loud',
  bees: [
    { name: 'input', type: 'gateway-input', spec: { name: 'talk' } },
    { name: 'shout', type: shout, input: { name: 'input' } },
    { name: 'answer', type: 'respond', input: { name: 'shout' } },
  ],
}

function mistakesOf(thrown: unknown): readonly WaggleError[] {
  assert.ok(thrown instanceof WaggleError)
  assert.equal(thrown.code, 'WAGGLE_INVALID_SWARM')
  assert.ok(thrown.cause instanceof AggregateError)
  return thrown.cause.errors
}

function mistakesIn(definition: unknown): readonly WaggleError[] {
  try {
    defineSwarm(definition as SwarmDefinition)
  } catch (thrown) {
    return mistakesOf(thrown)
  }
  return []
}

describe('defineSwarm', () => {
  it('returns the name, the plan in three formats, and a topology', () => {
    const swarm = defineSwarm(loud)
    assert.equal(swarm.name, 'loud')
    assert.match(swarm.plan(), /^loud: 3 bees in 2 sub-topologies/)
    assert.equal(swarm.plan('text'), swarm.plan())
    assert.deepEqual(JSON.parse(swarm.plan('json')).bees, [
      { name: 'input', type: 'gateway-input' },
      { name: 'shout', type: 'shout' },
      { name: 'answer', type: 'respond' },
    ])
    assert.match(swarm.plan('mermaid'), /^flowchart LR/)
    assert.ok(swarm.topology instanceof Topology)
    assert.throws(() => swarm.plan('svg' as 'text'), { code: 'WAGGLE_INVALID_CONFIG', next: 'Use one of text, json, mermaid.' })
  })

  it('returns a topology that runs', async () => {
    await using driver = new TopologyTestDriver(defineSwarm(loud).topology)
    const requests = driver.createInputTopic('waggle.gateway.talk', Serdes.string(), Serdes.json())
    const answers = driver.createOutputTopic('waggle.loud.answer', Serdes.string(), Serdes.json())
    const headers = [{ key: 'content-type', value: Buffer.from('application/json') }]
    await requests.pipeInput({ key: null, value: { text: 'hello' }, headers })
    assert.equal(answers.readRecord().value, 'HELLO')
  })

  it('names every mistake at once, each with the place of the call and the path in the definition', () => {
    const mistakes = mistakesIn({
      name: 'loud',
      bees: [
        { name: 'input', type: 'gateway-input', spec: { nam: 'talk' } },
        { name: 'shout', type: 'modul', input: { name: 'inputt' }, spec: {} },
        { name: 'answer', type: 'respond', input: { name: 'input' }, replicas: 0 },
      ],
    })
    const here = /^(.*swarm\.test\.ts):\d+:\d+: (.*)$/
    assert.deepEqual(
      mistakes.map(({ place = '', message }) => [here.exec(place)?.[1], here.exec(place)?.[2], message]),
      [
        [import.meta.filename, 'bees[2].replicas', 'replicas must be >= 1, not 0'],
        [import.meta.filename, 'bees[0].spec', 'name is missing'],
        [import.meta.filename, 'bees[0].spec.nam', 'unknown key nam'],
        [import.meta.filename, 'bees[1].type', 'there is no bee type modul'],
        [import.meta.filename, 'bees[1].input.name', 'there is no bee inputt'],
      ],
    )
  })

  for (const [what, definition, message] of [
    ['nothing', undefined, /the file must be an object/],
    ['a list', [], /must be an object/],
    ['no bees', { name: 'x' }, /bees is missing/],
    ['an empty list of bees', { name: 'x', bees: [] }, /bees must NOT have fewer than 1 items/],
    ['bees that are not a list', { name: 'x', bees: {} }, /bees must be an array/],
    ['a bee that is null', { name: 'x', bees: [null] }, /must be an object/],
    ['an unknown key', { ...loud, size: 3 }, /unknown key size/],
    ['a type that defineBee did not make', { name: 'x', bees: [{ name: 'a', type: { type: 'a' } }] }, /defineBee has not made/],
    ['two bee types with the same name', { name: 'x', bees: [loud.bees[1], { name: 'b', type: { ...shout } }] }, /two bee types have the name shout/],
    [
      'a cycle',
      {
        name: 'x',
        bees: [
          { name: 'a', type: shout, input: { name: 'b' } },
          { name: 'b', type: shout, input: { name: 'a' } },
        ],
      },
      /a cycle/,
    ],
    ['a name that Waggle uses itself', { name: 'gateway', bees: loud.bees }, /the name gateway is taken/],
  ] as const) {
    it(`refuses ${what}`, () => {
      const mistakes = mistakesIn(definition)
      assert.ok(
        mistakes.some((mistake) => message.test(mistake.message)),
        mistakes.map((mistake) => mistake.message).join('\n') || 'no mistake',
      )
      for (const { place, next } of mistakes) assert.ok(place?.startsWith(import.meta.filename) && next !== '', place)
    })
  }
})

describe('loadSwarm', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-load-swarm-'))
  after(() => rmSync(directory, { recursive: true }))

  it('returns the swarm of a file', async () => {
    const swarm = await loadSwarm('swarms/hello-world/swarm.yaml')
    assert.equal(swarm.name, 'hello-world')
    assert.match(swarm.plan(), /greet/)
    assert.ok(swarm.topology instanceof Topology)
  })

  it('names every mistake of a file with its line and column', async () => {
    const file = join(directory, 'swarm.yaml')
    writeFileSync(file, 'name: wrong\nbees:\n  - {name: input, type: gateway-inputt}\n  - {name: answer, type: respond, input: {name: inptu}}\n')
    await assert.rejects(loadSwarm(file), (thrown) => {
      assert.deepEqual(
        mistakesOf(thrown).map(({ place, message }) => `${place}: ${message}`),
        [`${file}:3:25: there is no bee type gateway-inputt`, `${file}:4:49: there is no bee inptu`],
      )
      return true
    })
  })

  it('rejects a missing file, and a path that is not a text', async () => {
    await assert.rejects(loadSwarm(join(directory, 'nowhere.yaml')), { code: 'WAGGLE_FILE_NOT_FOUND' })
    await assert.rejects(loadSwarm(undefined as never), { code: 'WAGGLE_INVALID_CONFIG' })
  })
})
