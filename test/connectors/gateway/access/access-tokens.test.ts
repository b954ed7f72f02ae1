import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseTokens } from '../../../../connectors/gateway/access/access-token.ts'
import { AccessTokens } from '../../../../connectors/gateway/access/access-tokens.ts'

describe('The tokens of a process', () => {
  const secret = 'web-0123456789abcdef'
  const tokensOf = (text: string) => {
    const tokens = new AccessTokens()
    tokens.replace('settings', parseTokens(text))
    return tokens
  }

  it('have the same caller for each request of a secret, and none for another secret', () => {
    const tokens = tokensOf(`web=${secret}:read`)
    const caller = tokens.find(secret)
    assert.deepEqual([caller?.name, caller?.scopes.names], ['token:web', ['read']])
    assert.equal(tokens.find(secret), caller)
    for (const wrong of [`${secret}0`, secret.slice(1), '', secret.toUpperCase()]) assert.equal(tokens.find(wrong), null)
  })

  it('refuse a revoked secret at once, also one that has just come', () => {
    const tokens = tokensOf(`web=${secret}:read`)
    assert.notEqual(tokens.find(secret), null)
    tokens.replace('settings', [])
    assert.equal(tokens.find(secret), null)
  })

  it('give a secret its new scopes at once, and accept a new secret that was refused before', () => {
    const tokens = tokensOf(`web=${secret}:manage`)
    assert.equal(tokens.find(secret)?.scopes.allow('manage'), true)
    assert.equal(tokens.find('other-0123456789abcdef'), null)
    tokens.replace('settings', parseTokens(`web=${secret}:ask:door;other=other-0123456789abcdef:read`))
    assert.equal(tokens.find(secret)?.scopes.allow('manage'), false)
    assert.equal(tokens.find('other-0123456789abcdef')?.name, 'token:other')
  })

  it('keep the tokens of one source while those of another change', () => {
    const tokens = tokensOf(`web=${secret}:read`)
    tokens.replace('created', parseTokens('made=made-0123456789abcdef:read'))
    assert.equal(tokens.find('made-0123456789abcdef')?.name, 'token:made')
    tokens.replace('created', [])
    assert.deepEqual([tokens.find('made-0123456789abcdef'), tokens.find(secret)?.name], [null, 'token:web'])
  })
})
