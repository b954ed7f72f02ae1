import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { unsafeNames } from '../../../ops/check/chosen-names.ts'

describe('The check of names that users choose', () => {
  const complaints = (source: string) => unsafeNames('bees/a.ts', source).map(({ line, message }) => `${line}: ${message}`)

  it('refuses an object that is filled like a dictionary', () => {
    assert.match(complaints('\nconst scores: { [label: string]: number } = {}').join(), /^2: a dictionary/)
    assert.equal(complaints('const all: { readonly [bee: string]: { readonly weight: number } } = {}').length, 1)
  })

  it('refuses `in` with a user’s name, and allows literals and loops', () => {
    assert.match(complaints('if (label in scores) give()').join(), /^1: "label in scores"/)
    assert.deepEqual(complaints(`if ('scores' in value) give()\nfor (const name in value) give(name)`), [])
    assert.deepEqual(complaints('type Own = { readonly [Key in keyof Other]: 1 }'), [])
  })

  it('refuses an object that is read by a user’s name', () => {
    const declared = 'function f(weights: { readonly [bee: string]: number }, bee: string) {\n'
    assert.match(complaints(`${declared}  return weights[bee] ?? 1\n}`).join(), /^2: weights\[bee\]/)
    assert.deepEqual(complaints(`${declared}  return Object.hasOwn(weights, bee) ? weights[bee] : 1\n}`), [])
    assert.deepEqual(complaints(`${declared}  return ownMember(weights, bee)\n}`), [])
  })

  it('allows maps, lists and words in text', () => {
    assert.deepEqual(complaints('const scores = new Map<string, number>()\nscores.get(label)\nlist[at]'), [])
    assert.deepEqual(complaints(['const said = "label in scores"', '// label in scores', 'const more = `a name in use`'].join('\n')), [])
  })
})
