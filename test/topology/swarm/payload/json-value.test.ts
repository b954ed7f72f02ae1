import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { edgeBounds, edgeJson, insideBounds, insideJson, jsonCopy, withoutMark } from '../../../../topology/swarm/payload/json-value.ts'

const bytes = (text: string) => Buffer.from(text)
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
const badJson = { code: 'WAGGLE_BAD_JSON' }
const notJson = { code: 'WAGGLE_NOT_JSON' }

describe('JSON from a caller', () => {
  it('is parsed as JSON.parse does', () => {
    fc.assert(
      fc.property(
        fc.json().filter((text) => !/\d{16}/.test(text)),
        (text) => {
          assert.deepEqual(edgeJson(bytes(text)), JSON.parse(text))
        },
      ),
    )
  })

  it('is refused with NaN or Infinity in it, as Python writes them, and the error says that JSON has neither', () => {
    for (const text of ['NaN', '[1, NaN]', '{"age":NaN}', '[-Infinity,2]', ' Infinity '])
      assert.throws(() => edgeJson(bytes(text)), { ...badJson, message: /; JSON has no NaN and no Infinity$/ })
    for (const text of ['[1,', '{"NaN": nan}']) assert.throws(() => edgeJson(bytes(text)), { ...badJson, message: /(?<!Infinity)$/ })
    assert.deepEqual(edgeJson(bytes('["NaN", "a, NaN]"]')), ['NaN', 'a, NaN]'])
  })

  it('has 0 in place of -0', () => {
    for (const text of ['-0', '-0.0', '-0e5', '-1e-999']) {
      assert.deepEqual(edgeJson(bytes(text)), 0)
      assert.deepEqual(edgeJson(bytes(`{"a":[1,${text}]}`)), { a: [1, 0] })
      assert.deepEqual(insideJson(bytes(`[${text}]`)), [0])
    }
  })

  it('is refused if it is nested deeper than the limit, and accepted at the limit', () => {
    assert.deepEqual(edgeJson(bytes(nested(edgeBounds.maxDepth))), JSON.parse(nested(edgeBounds.maxDepth)))
    for (const depth of [edgeBounds.maxDepth + 1, 5_000, 1_000_000]) assert.throws(() => edgeJson(bytes(nested(depth))), badJson)
    assert.throws(() => edgeJson(bytes(`${'{"a":'.repeat(5_000)}0${'}'.repeat(5_000)}`)), badJson)
  })

  it('is refused if it contains more values than the limit', () => {
    for (const item of ['0', '[]', '{}', '""']) assert.throws(() => edgeJson(bytes(`[${`${item},`.repeat(edgeBounds.maxValues)}${item}]`)), badJson)
  })

  it('is refused before it is parsed if its objects have more members than the limit, in one object or in many', () => {
    const names = (count: number) => `{${Array.from({ length: count }, (_, at) => `"k${at}":0`).join()}}`
    assert.equal(Object.keys(edgeJson(bytes(names(edgeBounds.maxMembers))) as object).length, edgeBounds.maxMembers)
    assert.throws(() => edgeJson(bytes(names(edgeBounds.maxMembers + 1))), badJson)
    assert.throws(() => edgeJson(bytes(`[${'{"a":0},'.repeat(edgeBounds.maxMembers)}{"a":0}]`)), badJson)
    // Malformed text past the limit is refused because of the limit, since it was not parsed.
    assert.throws(() => edgeJson(bytes(`[${'{"a":0},'.repeat(edgeBounds.maxMembers + 1)}`)), /more than 100000 members/)
    assert.throws(() => edgeJson(bytes(`[${'0,'.repeat(edgeBounds.maxValues + 1)}`)), /more than 1000000 values/)
  })

  it('is refused if a number exceeds the range of a double', () => {
    for (const text of ['1e999', '-1e999', '[1e309]', '{"a":[{"b":1e400}]}']) assert.throws(() => edgeJson(bytes(text)), badJson)
  })

  it('is refused if a double cannot represent an integer exactly', () => {
    for (const text of [
      '12345678901234567890',
      '-9007199254740992',
      '[1,9007199254740993]',
      '{"1e5":18446744073709551615}',
      '[1.5e3,100000000000000000000]',
    ])
      assert.throws(() => edgeJson(bytes(text)), badJson, text)
  })

  it('keeps large numbers with decimals, and digits in strings', () => {
    for (const text of [
      '1e300',
      '[1.5e22,2.5E+22]',
      '9007199254740991',
      '-9007199254740991',
      '[1e20,"12345678901234567890"]',
      '["\\\\",1e20,"\\"99999999999999999999"]',
    ])
      assert.deepEqual(edgeJson(bytes(text)), JSON.parse(text))
  })

  it('may begin with a byte order mark, which is skipped', () => {
    const marked = Buffer.from('\ufeff{"a":1}')
    assert.deepEqual(edgeJson(marked), { a: 1 })
    assert.deepEqual(insideJson(marked), { a: 1 })
    assert.equal(Buffer.from(withoutMark(marked)).toString(), '{"a":1}')
  })

  it('is refused if it is not UTF-8, and may contain a U+FFFD that the caller has sent', () => {
    assert.throws(() => edgeJson(Buffer.from([0x22, 0xff, 0x22])), badJson)
    assert.equal(edgeJson(bytes('"\ufffd"')), '\ufffd')
  })
})

describe('A function’s result as JSON', () => {
  it('equals JSON.parse of JSON.stringify, for all values that JSON can hold', () => {
    fc.assert(
      fc.property(fc.anything({ withDate: true, withNullPrototype: true, withSparseArray: true, withBoxedValues: true }), (value) => {
        let copy: unknown
        try {
          copy = jsonCopy(value)
        } catch {
          return
        }
        assert.deepEqual(copy, JSON.parse(JSON.stringify(value)))
        assert.deepEqual(insideJson(bytes(JSON.stringify(copy))), copy)
      }),
    )
  })

  it('may have __proto__ and constructor as member names', () => {
    const text = '{"__proto__":{"a":1},"constructor":2,"toString":"x"}'
    assert.equal(JSON.stringify(jsonCopy(JSON.parse(text))), text)
  })

  it('shares no object with the function’s value', () => {
    const value = { list: [{ a: 1 }] }
    const copy = jsonCopy(value)
    value.list.push({ a: 2 })
    assert.deepEqual(copy, { list: [{ a: 1 }] })
  })

  it('is refused if JSON would lose a part of the value', () => {
    const cyclic: unknown[] = []
    cyclic.push(cyclic)
    const twice: unknown[] = []
    for (let at = 0, list = twice; at < 100; at++) {
      const next: unknown[] = []
      list.push(next, next)
      list = next
    }
    const long = 'x'.repeat(2 ** 20)
    const hostile = [
      Number.NaN,
      [Number.POSITIVE_INFINITY],
      { a: -Infinity },
      1n,
      [1n],
      undefined,
      () => 1,
      Symbol('a'),
      new Map([[1, 2]]),
      { scores: new Float32Array(2) },
      Buffer.from('x'),
      new Date(Number.NaN).getTime(),
      cyclic,
      twice,
      JSON.parse(nested(insideBounds.maxDepth + 1)),
      JSON.parse(nested(5_000)),
      new Array(4_000_000_000),
      Array.from({ length: 65 }, () => long),
    ]
    for (const value of hostile) assert.throws(() => jsonCopy(value), notJson)
  })

  it('gives the error of a getter, a proxy or a toJSON that throws', () => {
    const own = new Error('mine')
    const fail = () => {
      throw own
    }
    for (const value of [Object.defineProperty({}, 'a', { get: fail, enumerable: true }), { toJSON: fail }, [new Proxy({}, { ownKeys: fail })]])
      assert.throws(() => jsonCopy(value), own)
  })
})
