import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BeeRegistry } from '../../../../bees/registry.ts'
import { neverJoined } from '../../../../topology/swarm/check/check-branches.ts'
import { checkSwarm } from '../../../../topology/swarm/check/check-swarm.ts'
import { SwarmDocument } from '../../../../topology/swarm/swarm-document.ts'
import type { WaggleError } from '../../../../topology/waggle-error.ts'

const entrance = 'name: s\nbees:\n- { name: in, type: gateway-input, spec: { name: in } }\n'

function mistakesOf(bees: string): readonly string[] {
  try {
    checkSwarm(SwarmDocument.parse(entrance + bees, 'swarm.yaml'), new BeeRegistry())
  } catch (error) {
    const { cause } = error as WaggleError
    return cause instanceof AggregateError ? cause.errors.map((one: WaggleError) => `${one.place}: ${one.message}; ${one.next}`) : [String(error)]
  }
  return []
}

const work = (name: string, input: string) => `- { name: ${name}, type: map, input: ${input}, spec: { expression: '@' } }\n`
const route = (spec: string) => `- { name: way, type: route, input: { name: in }, spec: ${spec} }\n`
const merged = '- { name: one, type: merge, input: { stack: [a, b] } }\n- { name: answer, type: respond, input: { name: one } }\n'
const both = work('a', '{ name: way }') + work('b', '{ name: way }') + merged

describe('The check of branches', () => {
  it('accepts a route whose readers each have a branch', () => {
    assert.deepEqual(mistakesOf(route("{ routes: { a: 'x == `1`' }, default: b }") + both), [])
  })

  it('names a branch to a bee that does not read the route, and suggests the nearest reader', () => {
    assert.deepEqual(mistakesOf(route("{ routes: { aa: 'x == `1`', a: 'y' }, default: b }") + both), [
      'swarm.yaml:4:68: aa does not read way; did you mean a?',
    ])
    assert.deepEqual(mistakesOf(route("{ routes: { a: 'x == `1`' }, default: answer }") + both), [
      'swarm.yaml:4:94: answer does not read way; Use one of its readers: a, b.',
      'swarm.yaml:6:32: b is an unreachable branch: way sends no request to it; Name b under routes or default of way.',
    ])
  })

  it('names branches after a condition that always holds', () => {
    assert.deepEqual(mistakesOf(route("{ routes: { a: '`true`', b: 'x' } }") + both), [
      'swarm.yaml:4:84: b is an unreachable branch: the condition of a always holds; Put a last, as default.',
    ])
    assert.deepEqual(mistakesOf(route("{ match: all, routes: { a: '`true`', b: 'x' } }") + both), [])
  })

  it('names each expression that is not JMESPath, with its place', () => {
    assert.deepEqual(mistakesOf(route("{ routes: { a: 'x > 1' }, default: b }") + both), [
      'swarm.yaml:4:71: The expression cannot be used: "x > 1": Syntax error: invalid token (Number): "1"; Write JMESPath: a number is `100`, a text is \'teddy\', "and" is &&, "or" is ||.',
    ])
    assert.match(
      mistakesOf(`- { name: f, type: filter, input: { name: in }, spec: { condition: 'lenght(x) > \`1\`' } }\n`).join(),
      /^swarm.yaml:4:68: .*there is no function lenght; did you mean length\?/,
    )
    assert.match(mistakesOf(`- { name: m, type: map, input: { name: in }, spec: { expression: '' } }\n`).join(), /^swarm.yaml:4:66: /)
  })

  it('names a bee that reads branches separately, unless it merges, answers or saves them', () => {
    const branches = route("{ routes: { a: 'x' }, default: b }") + work('a', '{ name: way }') + work('b', '{ name: way }')
    const mistakes = mistakesOf(`${branches}${work('c', '{ stack: [a, b] }')}- { name: answer, type: respond, input: { stack: [a, b] } }\n`)
    assert.deepEqual(
      mistakes.map((line) => line.replace(/;.*/, '')),
      [
        'swarm.yaml:7:42: c reads a beside others as they come, and a request may take another branch',
        'swarm.yaml:7:45: c reads b beside others as they come, and a request may take another branch',
      ],
    )
  })

  it('names a merge whose input is not a stack of several bees', () => {
    for (const input of ['{ name: in }', '{ stack: [in] }', '{ join: [in, a] }']) {
      const [first] = mistakesOf(`${work('a', '{ name: in }')}- { name: one, type: merge, input: ${input} }\n`)
      assert.equal(first, 'swarm.yaml:5:36: one merges, and takes several inputs as they come; Use input: { stack: [<bee>, <bee>] }.')
    }
  })

  it('finds a branch that never leads to the answer', () => {
    const yaml = `${entrance}${route("{ routes: { a: 'x', b: 'y' }, default: c }")}${both}- { name: c, type: kafka-output, input: { name: way }, spec: { topic: t } }\n`
    const document = SwarmDocument.parse(yaml, 'swarm.yaml')
    const found = neverJoined(checkSwarm(document, new BeeRegistry()))
    assert.deepEqual(
      found.map(({ path, message }) => `${document.place(path)}: ${message}`),
      ['swarm.yaml:4:95: the branch c never joins the way to answer: a request that takes it alone is answered with 422'],
    )
  })

  it('accepts a branch that leads to a bee that may answer by itself', () => {
    const python = '- { name: c, type: python, input: { name: way }, spec: { file: ./c.py, bee: c } }\n'
    const behind =
      "- { name: c, type: map, input: { name: way }, spec: { expression: '@' } }\n- { name: d, type: python, input: { name: c }, spec: { file: ./c.py, bee: c } }\n"
    for (const branch of [python, behind]) {
      const document = SwarmDocument.parse(`${entrance}${route("{ routes: { a: 'x', b: 'y' }, default: c }")}${both}${branch}`, 'swarm.yaml')
      assert.deepEqual(neverJoined(checkSwarm(document, new BeeRegistry())), [])
    }
  })
})

const loop = (input: string, spec: string) => `- { name: again, type: loop, input: ${input}, spec: ${spec} }\n`
const spec = "{ while: 'x', body: a, max_rounds: 3 }"
const answer = '- { name: answer, type: respond, input: { name: again } }\n'

describe('The check of loops', () => {
  it('accepts at most 100 loops and caches', () => {
    const rings = (count: number) =>
      Array.from({ length: count }, (_, at) =>
        [
          `- { name: l${at}, type: loop, input: { stack: [in, b${at}] }, spec: { while: 'x', body: b${at}, max_rounds: 1 } }\n`,
          work(`b${at}`, `{ name: l${at} }`),
          work(`o${at}`, `{ name: l${at} }`),
        ].join(''),
      ).join('')
    assert.deepEqual(mistakesOf(rings(100)), [])
    assert.deepEqual(mistakesOf(rings(101)), ['swarm.yaml:304:3: there are more than 100 loops and caches; Divide the swarm.'])
  })

  it('accepts a cycle through a loop bee', () => {
    assert.deepEqual(mistakesOf(loop('{ stack: [in, a] }', spec) + work('a', '{ name: again }') + answer), [])
    assert.deepEqual(mistakesOf(loop('{ stack: [a, in] }', spec) + work('a', '{ name: again }') + answer), [])
  })

  it('refuses a cycle without a loop bee, and says how to close it', () => {
    assert.deepEqual(mistakesOf(work('a', '{ stack: [in, b] }') + work('b', '{ name: a }')), [
      'swarm.yaml:4:32: a cycle: a → b → a; Take one of these inputs away, or close the cycle with a bee of type loop, which states max_rounds.',
    ])
  })

  it('refuses a loop without max_rounds', () => {
    assert.match(mistakesOf(loop('{ stack: [in, a] }', "{ while: 'x', body: a }") + work('a', '{ name: again }') + answer).join(), /max_rounds/)
  })

  it('names a body that does not read the loop, or that leads nowhere', () => {
    assert.deepEqual(mistakesOf(loop('{ stack: [in, a] }', spec.replace('body: a', 'body: aa')) + work('a', '{ name: again }') + answer), [
      'swarm.yaml:4:83: aa does not read again; did you mean a?',
    ])
    assert.deepEqual(mistakesOf(loop('{ stack: [in, b] }', spec) + work('a', '{ name: again }') + work('b', '{ name: in }') + answer), [
      'swarm.yaml:4:37: no way leads from a back to again; Add the last bee of a round to the input of again.',
    ])
  })

  it('names a loop without a way out, and a loop without a way in', () => {
    assert.deepEqual(mistakesOf(loop('{ stack: [in, a] }', spec) + work('a', '{ name: again }')), [
      'swarm.yaml:4:3: no request leaves the loop of again: only a reads it; Let a bee after the loop read again.',
    ])
    assert.match(
      mistakesOf(loop('{ stack: [a, b] }', spec) + work('a', '{ name: again }') + work('b', '{ name: a }') + answer).join('\n'),
      /swarm.yaml:4:37: nothing leads into the loop of again/,
    )
  })

  it('names a bee outside of a loop that reads the loop’s body, and a bee in the body that waits for a bee outside', () => {
    const ring = loop('{ stack: [in, b] }', spec) + work('a', '{ name: again }') + work('b', '{ name: a }') + answer
    assert.deepEqual(mistakesOf(ring + work('c', '{ name: a }')), [
      'swarm.yaml:8:32: c is outside of the loop of again and reads a in it, which has a result each round; Read again.',
    ])
    assert.deepEqual(mistakesOf(`${ring}- { name: save, type: save-to-database, input: { stack: [a, b] }, spec: { table: t } }\n`), [])
    const [first] = mistakesOf(ring.replace('{ name: a }', '{ join: [a, in] }'))
    assert.match(first ?? '', /^swarm.yaml:6:32: b is in the loop of again and reads in outside of it/)
  })

  const twoBacks = '- { name: TYPE, type: TYPE, input: { stack: [in, a, b] }, spec: SPEC }\n'
  const heads = { loop: "{ while: 'x', body: m, max_rounds: 3 }", cache: '{ body: m, ttl_seconds: 60 }' }
  for (const [type, spec] of Object.entries(heads)) {
    const head = (input: string) => twoBacks.replaceAll('TYPE', type).replace('SPEC', spec).replace('[in, a, b]', input)
    const fan = work('m', `{ name: ${type} }`) + work('a', '{ name: m }') + work('b', '{ name: m }')
    const out = `- { name: answer, type: respond, input: { name: ${type} } }\n`
    const column = type === 'loop' ? 53 : 55

    it(`refuses a ${type} with two ways back, and proposes a merge`, () => {
      const mistake = `swarm.yaml:4:${column}: a and b lead back to ${type} as they come, so that a request comes back 2 times; Let a bee of type merge read these, and let ${type} read the merge.`
      assert.deepEqual(mistakesOf(head('[in, a, b]') + fan + out), [mistake])
      const routed = fan.replace(
        "type: map, input: { name: TYPE }, spec: { expression: '@' }".replace('TYPE', type),
        `type: route, input: { name: ${type} }, spec: { routes: { a: 'x' }, default: b }`,
      )
      assert.deepEqual(mistakesOf(head('[in, a, b]') + routed + out), [mistake])
      const merge = '- { name: one, type: merge, input: { stack: [a, b] } }\n'
      assert.deepEqual(mistakesOf(head('[in, one]') + routed + merge + out), [])
    })

    it(`refuses a bee in a ${type} that reads several bees of a round separately`, () => {
      assert.deepEqual(mistakesOf(head('[in, c]') + fan + work('c', '{ stack: [a, b] }') + out), [
        `swarm.yaml:8:45: c in the loop of ${type} reads a and b as they come, so that a request comes back 2 times; Let a bee of type merge read these, and let c read the merge.`,
      ])
    })

    it(`refuses several branches as ways into a ${type}, because a request does not take all of them`, () => {
      const ways = work('p', '{ name: way }') + work('q', '{ name: way }')
      const before = route("{ routes: { p: 'x' }, default: q }") + ways
      const [first, second, ...others] = mistakesOf(before + head('[p, q, a]') + work('m', `{ name: ${type} }`) + work('a', '{ name: m }') + out)
      assert.match(first ?? '', new RegExp(`${type} reads p beside others as they come`))
      assert.match(second ?? '', new RegExp(`${type} reads q beside others as they come`))
      assert.deepEqual(others, [])
    })
  }

  it('accepts a loop in a loop, and refuses two ways from the outer round into the inner loop', () => {
    const ring = (inner: string) =>
      `- { name: again, type: loop, input: { stack: [in, end] }, spec: ${spec} }\n${work('a', '{ name: again }')}${work('b', '{ name: again }').replace('again', 'a')}` +
      `- { name: inner, type: loop, input: { stack: ${inner} }, spec: { while: 'x', body: step, max_rounds: 2 } }\n` +
      `${work('step', '{ name: inner }')}${work('end', '{ name: inner }')}${answer}`
    assert.deepEqual(mistakesOf(ring('[b, step]')), [])
    assert.match(mistakesOf(ring('[a, b, step]')).join('\n'), /^swarm.yaml:7:50: inner in the loop of again reads a and b as they come[^\n]*$/)
  })
})
