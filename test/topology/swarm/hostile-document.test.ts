import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { BeeRegistry } from '../../../bees/registry.ts'
import { checkSwarm } from '../../../topology/swarm/check/check-swarm.ts'
import { checkTogether } from '../../../topology/swarm/check/check-together.ts'
import { planSwarm } from '../../../topology/swarm/plan/plan.ts'
import { SwarmDocument } from '../../../topology/swarm/swarm-document.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { propertyRuns } from '../../support/property-runs.ts'

const registry = new BeeRegistry()
const gateway = 'name: s\nbees:\n- { name: g, type: gateway-input, spec: { name: g } }\n'

/** The text of each mistake. Throws if the error is no collection of mistakes with places. */
function mistakesOf(act: () => unknown, file = 'swarm.yaml'): readonly string[] {
  try {
    act()
    return []
  } catch (thrown) {
    assert.ok(thrown instanceof WaggleError && thrown.cause instanceof AggregateError, thrown instanceof Error ? thrown.stack : String(thrown))
    assert.equal(thrown.code, 'WAGGLE_INVALID_SWARM')
    return thrown.cause.errors.map((mistake: WaggleError) => {
      assert.ok((mistake.place ?? '').startsWith(`${file}:`) && /:[1-9]\d*:[1-9]\d*$/.test(mistake.place ?? ''), mistake.place)
      return `${mistake.place}: ${mistake.message}; ${mistake.next}`
    })
  }
}

const check = (text: string | Uint8Array) => mistakesOf(() => checkSwarm(SwarmDocument.read(Buffer.from(text), 'swarm.yaml'), registry))

const cases: readonly (readonly [what: string, text: string | Uint8Array, mistake: RegExp])[] = [
  ['an alias inside its own anchor', 'name: s\nbees: &a [*a]\n', /^swarm.yaml:2:11: \*a stands inside &a/],
  ['an alias of the whole file', '&a\nname: s\nbees: [*a]\n', /^swarm.yaml:3:8: \*a stands inside &a/],
  ['NUL in a setting', `${gateway}- { name: c, type: container, input: { name: g }, spec: { env: { A: "a\\0b" } } }`, /^swarm.yaml:4:69: .* NUL/],
  ['NUL in a key', 'name: s\n"a\\0": 1', /^swarm.yaml:2:1: .* NUL/],
  ['half a surrogate pair', 'name: "\\ud800"', /^swarm.yaml:1:7: .*surrogate/],
  ['10,000 brackets', `name: s\nbees: ${'['.repeat(10_000)}`, /levels deep/],
  ['10,000 lists in one line', '- '.repeat(10_000), /levels deep/],
  ['50,000 aliases', `a: &a 1\nb: [${Array(50_000).fill('*a').join()}]`, /^swarm.yaml:2:5: .*more than 100 aliases/],
  ['bytes that are not UTF-8', Buffer.from([0x61, 0x3a, 0x0a, 0x62, 0xff]), /^swarm.yaml:2:2: .*UTF-8/],
  ['a merge key', `${gateway}- { <<: { name: x }, name: x, type: respond, input: { name: g } }`, /^swarm.yaml:4:5: unknown key <</],
  ['an infinite timeout', `${gateway}- { name: x, type: respond, input: { name: g }, timeout_seconds: .inf }`, /not Infinity/],
  ['a timeout that is not a number', `${gateway}- { name: x, type: respond, input: { name: g }, timeout_seconds: .nan }`, /not NaN/],
  ['a duplicate key', 'name: s\nname: t\n', /^swarm.yaml:2:1: the key name is a duplicate/],
  ['only comments', '# nothing\n', /^swarm.yaml:1:1: the file is empty/],
  ['two gateways of one name', `${gateway}- { name: h, type: gateway-input, spec: { name: g } }`, /^swarm.yaml:4:49: g has the gateway g already/],
  [
    'a gateway named as a bee that reads Kafka',
    `${gateway.replace('{ name: g }', '{ name: k }')}- { name: k, type: kafka-input, spec: { topic: t } }`,
    /the gateway k already/,
  ],
  [
    'weights of a bee that is not an input',
    `${gateway}- { name: e, type: weighted-average-ensemble, input: { stack: [g] }, spec: { weights: { h: 1 } } }`,
    /^swarm.yaml:4:89: h is not an input of e/,
  ],
]

const many = (count: number, bee: (at: number) => string) => Array.from({ length: count }, (_, at) => `${bee(at)}\n`).join('')
const reader = (at: number, input: string) => `- { name: b${at}, type: respond, input: { name: ${input} } }`

/** Files of nearly the largest size, whose bees all depend on each other. */
const chains: { readonly [what: string]: string } = {
  'a chain of filters': many(
    3000,
    (at) => `- { name: b${at}, type: filter, input: { name: ${at === 0 ? 'g' : `b${at - 1}`} }, spec: { condition: 'x' } }`,
  ),
  'a chain of loops': many(
    3000,
    (at) =>
      `- { name: b${at}, type: loop, input: { stack: [${at === 0 ? 'g' : `b${at - 1}`}, c${at}] }, spec: { while: 'x', body: c${at}, max_rounds: 1 } }\n- { name: c${at}, type: map, input: { name: b${at} }, spec: { expression: '@' } }`,
  ),
  'loops within loops': many(
    2000,
    (at) =>
      `- { name: b${at}, type: loop, input: { stack: [${at === 0 ? 'g' : `b${at - 1}`}, b${at + 1}] }, spec: { while: 'x', body: b${at + 1}, max_rounds: 1 } }`,
  ),
  'a route with many readers': `- { name: r, type: route, input: { name: g }, spec: { routes: { ${Array.from({ length: 8000 }, (_, at) => `b${at}: 'x'`).join(', ')} } } }\n${many(8000, (at) => reader(at, 'r'))}`,
  'a route to nobody': `- { name: r, type: route, input: { name: g }, spec: { routes: { ${Array.from({ length: 20_000 }, (_, at) => `b${at}: 'x'`).join(', ')} } } }`,
}

/** Topics to which only Waggle writes, or which would feed a swarm with its own output. */
const outputs = [
  'waggle.s.g',
  'waggle.s.dead-letters',
  'waggle.gateway.g',
  'waggle.other.bee',
  'waggle.s-answers',
  'waggle.s-accepted-repartition',
  '..',
]

describe('A hostile swarm file', () => {
  for (const [what, text, mistake] of cases) {
    it(`with ${what} is refused with the mistake and its place`, () => {
      const [first] = check(text)
      assert.match(first ?? '', mistake)
    })
  }

  for (const topic of outputs) {
    it(`may not write to ${topic}`, () => {
      assert.match(
        check(`${gateway}- { name: o, type: kafka-output, input: { name: g }, spec: { topic: ${topic} } }`).join(),
        /^swarm.yaml:4:\d+: .*topic/,
      )
    })
  }

  it('may write to another swarm’s gateway', () => {
    assert.deepEqual(check(`${gateway}- { name: o, type: kafka-output, input: { name: g }, spec: { topic: waggle.gateway.other } }`), [])
  })

  for (const topic of ['waggle.s.g', 'waggle.s-answers', 'waggle.other-requests-changelog', 'waggle.gateway.g', 'waggle.id-secret']) {
    it(`may not read ${topic}`, () => {
      assert.match(check(`${gateway}- { name: i, type: kafka-input, spec: { topic: ${topic} } }`).join(), /^swarm.yaml:4:\d+: .*topic/)
    })
  }

  it('may not write to a topic that it reads', () => {
    const bees = '- { name: i, type: kafka-input, spec: { topic: t } }\n- { name: o, type: kafka-output, input: { name: i }, spec: { topic: t } }'
    assert.match(check(gateway + bees).join(), /i reads t: each request would come in again/)
  })

  it('with thousands of mistakes is refused with only the first hundred of them', () => {
    const mistakes = check(`name: s\nbees:\n${Array.from({ length: 5000 }, (_, at) => `- { name: b${at}, input: { name: nobody } }\n`).join('')}`)
    assert.equal(mistakes.length, 101)
    assert.match(mistakes.at(-1) ?? '', /more mistakes/)
    assert.ok(mistakes.join('\n').length < 100_000)
  })

  for (const [what, made] of Object.entries(chains)) {
    it(`with ${what} is checked in at most ten seconds of CPU`, () => {
      const before = process.cpuUsage()
      check(gateway + made)
      const { user, system } = process.cpuUsage(before)
      assert.ok(user + system < 10_000_000, `it took ${(user + system) / 1000} ms`)
    })
  }

  it('with names of 2,000 characters is refused with only the beginning of each name', () => {
    const long = (letter: string, at: number) => `${letter.repeat(1990)}${at}`
    const bees = Array.from({ length: 200 }, (_, at) => `- { name: ${long('a', at)}, type: respond, input: { name: ${long('b', at)} } }\n`)
    for (const mistake of check(gateway + bees.join(''))) assert.ok(mistake.length < 1200)
  })

  it('is refused beside a file with the same name or gateway, and beside itself', () => {
    const swarm = (file: string, text: string) => checkSwarm(SwarmDocument.parse(text, file), registry)
    const [first, renamed] = [swarm('a.yaml', gateway), swarm('b.yaml', gateway.replace('name: s', 'name: t'))]
    assert.match(mistakesOf(() => checkTogether([first, swarm('b.yaml', gateway)]), 'b.yaml').join(), /^b.yaml:1:7: a.yaml has a swarm named s too/)
    assert.match(mistakesOf(() => checkTogether([first, first]), 'a.yaml').join(), /^a.yaml:1:7: a.yaml is given twice/)
    assert.match(mistakesOf(() => checkTogether([first, renamed]), 'b.yaml').join(), /^b.yaml:3:49: a.yaml has a gateway named g too/)
  })

  it('of random values is planned, or refused with mistakes that each have a place', () => {
    fc.assert(
      fc.property(document, (value) => {
        const text = JSON.stringify(value)
        mistakesOf(() =>
          planSwarm(checkSwarm(SwarmDocument.parse(text, 'swarm.yaml'), registry), {
            partitions: 2,
            retentionMs: 1,
            retentionBytes: null,
            answerPartitions: 2,
          }),
        )
      }),
      { numRuns: propertyRuns(300) },
    )
  })
})

const name = fc.oneof(
  fc.constantFrom(
    'a',
    'b',
    'c',
    'a-source',
    'a-join',
    'ledger',
    'gateway',
    'dead-letters',
    '__proto__',
    'constructor',
    'toString',
    '..',
    'a/b',
    '\0',
    '\ud800',
  ),
  fc.string({ unit: 'binary' }),
)
const anything = fc.oneof(fc.constantFrom(null, true, -1, 1e308, 2 ** 53, ''), name, fc.array(name), fc.dictionary(name, name))
const type = fc.constantFrom(...registry.types.map((one) => one.type), 'nothing', 'constructor')
const input = fc.oneof(
  fc.record({ name }),
  fc.record({ join: fc.array(name, { maxLength: 4 }) }),
  fc.record({ stack: fc.array(name, { maxLength: 4 }) }),
  anything,
)
const spec = fc.oneof(
  fc.record({ name }),
  fc.record({ topic: fc.oneof(name, fc.constantFrom('waggle.s.a', 'waggle.gateway.a', 't')) }),
  fc.record({ file: name }),
  fc.record({ weights: fc.dictionary(name, fc.double()) }),
  fc.record({ batch_size: fc.double(), timeout_seconds: fc.double() }),
  fc.dictionary(name, anything),
  anything,
)
const bee = fc.record(
  { name, type, input, spec, gpu: anything, replicas: anything, timeout_seconds: anything, on_timeout: anything },
  { requiredKeys: ['name', 'type'] },
)
const document = fc.oneof(fc.record({ name: fc.oneof(fc.constant('s'), name), bees: fc.array(fc.oneof(bee, anything), { maxLength: 12 }) }), anything)
