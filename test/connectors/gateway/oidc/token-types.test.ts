import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TokenTypes } from '../../../../connectors/gateway/oidc/token-types.ts'

describe('The types of tokens', () => {
  it('are the same with and without application/, in any case', () => {
    const types = TokenTypes.parse(' at+jwt , application/JWT')
    assert.deepEqual(
      ['at+jwt', 'application/at+jwt', 'At+Jwt', 'jwt'].map((typ) => types.allow(typ)),
      [true, true, true, true],
    )
    assert.deepEqual(
      ['application/application/jwt', 'text/jwt', 'logout+jwt', 7, null, ['JWT'], undefined].map((typ) => types.allow(typ)),
      [false, false, false, false, false, false, false],
    )
  })

  it('have a word for a token without a type, which no token may name itself', () => {
    const types = TokenTypes.parse('none')
    assert.deepEqual(
      [undefined, 'none', 'application/none'].map((typ) => types.allow(typ)),
      [true, false, false],
    )
  })

  it('are refused where they are no media types', () => {
    for (const text of ['', 'JWT,', 'a b', 'application/', 'x'.repeat(128)]) assert.throws(() => TokenTypes.parse(text), RangeError, text)
  })
})
