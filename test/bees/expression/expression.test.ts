import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Expression } from '../../../bees/expression/expression.ts'

const evaluate = (text: string, input: unknown) => Expression.parse(text).evaluate(input)
const codeOf = 'WAGGLE_EXPRESSION'
const long = 'a'.repeat(20_000)

describe('An expression', () => {
  it('reads fields, compares, and makes new objects', () => {
    const input = { amount: 120, label: 'teddy', items: [{ price: 1 }, { price: 9 }] }
    assert.equal(evaluate("amount > `100` && label == 'teddy'", input), true)
    assert.deepEqual(evaluate('{label: label, total: sum(items[*].price)}', input), { label: 'teddy', total: 10 })
    assert.deepEqual(evaluate('let $least = `5` in items[?price > $least]', input), [{ price: 9 }])
    assert.equal(evaluate('items == items', input), true)
    assert.equal(evaluate('items[0] == items[1]', input), false)
    assert.equal(evaluate('items[0] != items[1]', input), true)
    assert.deepEqual(evaluate('[[`1`], [`2`, `3`]][]', input), [1, 2, 3])
  })

  it('reads a field called constructor or __proto__ only if the input itself has that field', () => {
    for (const name of ['constructor', 'toString', '__proto__']) assert.equal(evaluate(`"${name}"`, {}), null)
    assert.equal(evaluate('"constructor"', { constructor: 1 }), 1)
    assert.equal(evaluate('"__proto__"', JSON.parse('{"__proto__": 2}')), 2)
  })

  it('is refused before it runs if it is not JMESPath, too long, too deep, or calls an unknown function', () => {
    for (const [text, message] of [
      ['a >> b', /Syntax error/],
      ['amount > 100', /Syntax error/],
      ['', /Syntax error/],
      ['('.repeat(2000), /./],
      [`${'!'.repeat(400)}a`, /nested more than 300 deep/],
      ['a'.repeat(5000), /5000 characters/],
      ['nothing(a)', /there is no function nothing/],
    ] as const)
      assert.throws(() => Expression.parse(text), { code: codeOf, message })
    assert.throws(() => Expression.parse('lenght(a)'), { next: 'did you mean length?' })
  })

  it('fails for an input of the wrong type', () => {
    assert.throws(() => evaluate('sum(a)', { a: ['x'] }), { code: codeOf, message: /sum\(\) expected argument 1/ })
    assert.throws(() => evaluate('a + b', { a: 1, b: 'x' }), { code: codeOf })
    assert.throws(() => evaluate('group_by(a, &k)', { a: [{ k: 1 }] }), { code: codeOf, message: /the key of group_by must be a text, and is 1/ })
    for (const text of ['sort(a)', 'sort_by(a, &@)']) assert.throws(() => evaluate(text, { a: ['x', 1] }), { code: codeOf })
    assert.throws(() => evaluate('pad_left(a, `-1`)', { a: 'x' }), { code: codeOf })
  })

  it('trims texts of any length, as JMESPath specifies', () => {
    const spaces = ' '.repeat(100_000)
    assert.equal(evaluate('trim(a)', { a: `\t${spaces}a${spaces}b\n` }), `a${spaces}b`)
    assert.equal(evaluate('trim_right(a)', { a: ` a ${spaces}` }), ' a')
    assert.equal(evaluate('trim_left(a)', { a: `${spaces} a ` }), 'a ')
    assert.equal(evaluate("trim(a, 'xy')", { a: 'xyx a yx' }), ' a ')
    assert.equal(evaluate('trim(a)', { a: spaces }), '')
    assert.throws(() => evaluate('trim(a)', { a: 1 }), { code: codeOf })
    assert.throws(() => evaluate("trim(a, 'x', 'y')", { a: 'a' }), { code: codeOf })
  })

  it('replaces parts of a long text within its limit of steps', () => {
    assert.equal(evaluate("replace(a, 'lo', 'LO')", { a: `hello ${long}` }), `helLO ${long}`)
    assert.equal(evaluate("replace(a, 'l', 'L', `1`)", { a: 'hello' }), 'heLlo')
  })

  it('groups and merges by keys such as __proto__ and constructor as by any other key', () => {
    const a = ['__proto__', 'constructor', 'x', '__proto__'].map((k) => ({ k }))
    assert.deepEqual(
      Object.entries(evaluate('group_by(a, &k)', { a }) as object).map(([key, group]) => [key, (group as readonly unknown[]).length]),
      [
        ['__proto__', 2],
        ['constructor', 1],
        ['x', 1],
      ],
    )
    const own = JSON.parse('{"__proto__": 1, "b": 2}') as unknown
    assert.deepEqual(Object.entries(evaluate('merge(@, {b: `3`, "__proto__": `4`})', own) as object), [
      ['__proto__', 4],
      ['b', 3],
    ])
  })

  it('sorts numbers by size, and texts by code point', () => {
    assert.deepEqual(evaluate('sort(@)', [10, 9, 1, -2]), [-2, 1, 9, 10])
    assert.deepEqual(evaluate('sort(@)', ['\u{1f41d}', '\uffff', 'ab', 'a', '']), ['', 'a', 'ab', '\uffff', '\u{1f41d}'])
    assert.deepEqual(
      evaluate('sort_by(@, &k)[*].n', [
        { k: 'b', n: 1 },
        { k: 'a', n: 2 },
        { k: 'b', n: 3 },
      ]),
      [2, 1, 3],
    )
    assert.deepEqual(evaluate('sort(@)', []), [])
  })

  it('finds, splits and replaces long texts in the same way as short texts', () => {
    for (const needle of ['ab', 'ab'.repeat(50), `${'a'.repeat(80)}b`]) {
      const input = { text: `x${needle}y${needle}a${needle}`, needle, other: `${needle}z` }
      const { text } = input
      assert.equal(evaluate('contains(text, needle)', input), true)
      assert.equal(evaluate('contains(text, other)', input), false)
      assert.equal(evaluate('find_first(text, needle)', input), 1)
      assert.equal(evaluate('find_first(text, needle, `2`)', input), text.indexOf(needle, 2))
      assert.equal(evaluate('find_last(text, needle)', input), text.lastIndexOf(needle))
      assert.equal(evaluate('find_last(text, other)', input), null)
      assert.deepEqual(evaluate('split(text, needle)', input), text.split(needle))
      assert.deepEqual(evaluate('split(text, needle, `1`)', input), ['x', text.slice(1 + needle.length)])
      assert.equal(
        evaluate("replace(text, needle, '$&')", input),
        text.replaceAll(needle, () => '$&'),
      )
      assert.equal(evaluate("replace(text, needle, '-', `1`)", input), `x-${text.slice(1 + needle.length)}`)
    }
    assert.deepEqual(evaluate("split(@, '-', `5`)", 'a-b'), ['a', 'b'])
    assert.deepEqual(
      [evaluate("split(@, '')", 'abc'), evaluate("split(@, '', `1`)", 'abc'), evaluate("split(@, '')", '')],
      [['a', 'b', 'c'], ['a', 'bc'], []],
    )
    assert.throws(() => evaluate("split(@, '-', `-1`)", 'a-b'), { code: codeOf })
  })

  const [many, part] = ['a'.repeat(400_000), 'a'.repeat(40_000)]
  const slow: { readonly [what: string]: readonly [text: string, input: unknown] } = {
    'a long text inside a longer text': ['contains(a, b)', { a: many, b: `${part}b${part}` }],
    'a search for a long text from the end': ['find_last(a, b)', { a: many, b: `${part.slice(1)}ba` }],
    'a search for a long text from the start': ['find_first(a, b)', { a: many, b: `${part}b${part}` }],
    'a split by a long text': ['length(split(a, b))', { a: many, b: `${part}b${part}` }],
    'a replacement of a long text': ["length(replace(a, b, 'c'))", { a: many, b: `${part}b${part}` }],
    'a replacement that contains a pattern of JavaScript': [`length(replace('xb', 'b', '$\`b', \`28\`))`, {}],
    'a trim by many characters': ['length(trim(a, b))', { a: many, b: `${'b'.repeat(400_000)}a` }],
    'a sort by long texts': ['length(sort_by(a, &join($.c, [$.b, $.c])))', { a: Array(20).fill(0), b: part, c: 'x' }],
    'a sort of many elements by the same long text': ['length(sort_by(a, &$.b))', { a: Array(5_000).fill(0), b: many }],
    'a comparison of long texts for each element': ['length(a[?$.b == $.c])', { a: Array(10_000).fill(0), b: many, c: `${many.slice(1)}b` }],
  }
  for (const [what, [text, input]] of Object.entries(slow)) {
    it(`takes at most 1.5 s of CPU, whether it returns a result or is stopped: ${what}`, () => {
      const before = process.cpuUsage()
      try {
        assert.equal(typeof evaluate(text, input), text.startsWith('contains') ? 'boolean' : text.startsWith('find') ? 'object' : 'number')
      } catch (error) {
        assert.match(String(error), /takes more than 100000 steps/)
      }
      const { user, system } = process.cpuUsage(before)
      assert.ok(user + system < 1_500_000, `it took ${(user + system) / 1000} ms`)
    })
  }

  it('counts as a condition only if its result is true or false', () => {
    assert.equal(Expression.parse('a').holds({ a: false }), false)
    assert.throws(() => Expression.parse('amont > `1`').holds({ amount: 2 }), { code: codeOf, message: /gave null/ })
    assert.throws(() => Expression.parse('a').holds({ a: 3 }), { message: /gave the number 3/ })
    assert.throws(() => Expression.parse('a').holds({ a: ['x'] }), { message: /gave a list/ })
    assert.equal(Expression.parse('not_null(a, `0`) > `1`').holds({}), false)
  })

  const doubled = (part: string) => Array(60).fill(part).join(' | ')
  const hostile: { readonly [what: string]: readonly [text: string, input: unknown] } = {
    'nested projections over a long list': ['length(a[*].[$.a[*].[$.a[*]]])', { a: Array(1000).fill({}) }],
    'nested maps': ['map(&map(&map(&@, $.a), $.a), a)', { a: Array(1000).fill({}) }],
    'a list that doubles and is flattened': [doubled('[@,@][]'), [1]],
    'a list that doubles and becomes a text': [`${Array(60).fill('[@,@]').join(' | ')} | to_string(@)`, 1],
    'lists that double and are compared': [`let $a = (${doubled('[@,@]')}), $b = (${doubled('[@,@]')}) in $a == $b`, 1],
    'a text that doubles': [doubled("join('', [@,@])"), 'ab'],
    'a wide padding': ["pad_left('a', `1000000000`)", {}],
    'a replacement that multiplies': ["replace(a, 'a', a)", { a: long }],
    'a replacement that repeats': ["replace(a, 'a', 'b', `1000000000`)", { a: 'a' }],
    'a scope for each element': ['map(&(let $a = @ in $a), list)', { list: Array(10_000).fill(0) }],
    'a merge of a large object with itself': [
      `merge(${Array(300).fill('@').join()})`,
      Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [at, at])),
    ],
  }
  for (const [what, [text, input]] of Object.entries(hostile)) {
    it(`is stopped after a limited number of steps: ${what}`, () => {
      const before = process.cpuUsage()
      assert.throws(() => evaluate(text, input), { code: codeOf, message: /takes more than 100000 steps/ })
      const { user, system } = process.cpuUsage(before)
      assert.ok(user + system < 3_000_000, `it took ${(user + system) / 1000} ms`)
    })
  }

  it('starts each input with its full number of steps', () => {
    const expression = Expression.parse('length(a[*].b)')
    const input = { a: Array(30_000).fill({ b: 1 }) }
    for (let time = 0; time < 10; time++) assert.equal(expression.evaluate(input), 30_000)
  })
})
