import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ClaimScopes, valuesOfClaim } from '../../../../connectors/gateway/oidc/claim-scopes.ts'

describe('The values of a claim', () => {
  it('are the words of a text, or the texts of a list', () => {
    assert.deepEqual(valuesOfClaim({ scope: ' read  ask:door ' }, 'scope'), ['read', 'ask:door'])
    assert.deepEqual(valuesOfClaim({ roles: ['read', 7, null, 'a b'] }, 'roles'), ['read', 'a b'])
    for (const claims of [{}, { scope: 7 }, { scope: null }, { scope: { read: true } }]) assert.deepEqual(valuesOfClaim(claims, 'scope'), [])
  })

  it('may be below a path, but a claim with the whole path as its name takes precedence', () => {
    const claims = { realm_access: { roles: ['read'] }, 'https://shop.example/roles': ['manage'] }
    assert.deepEqual(valuesOfClaim(claims, 'realm_access.roles'), ['read'])
    assert.deepEqual(valuesOfClaim(claims, 'https://shop.example/roles'), ['manage'])
    for (const path of ['realm_access.constructor.name', '__proto__', 'realm_access.roles.length.x'])
      assert.deepEqual(valuesOfClaim(claims, path), [], path)
  })
})

describe('The scopes of a claim', () => {
  it('are the values that are names of scopes, if there is no map', () => {
    const { scopes, maxPriority } = ClaimScopes.parse(null).of(['read', 'openid', 'ask:door', 'ask:', 'READ'])
    assert.deepEqual([scopes.names, maxPriority], [['read', 'ask:door'], 9])
  })

  it('come only from the map, if there is a map', () => {
    const map = ClaimScopes.parse('shop=ask:teddy, priority:3 ; https://api.example/?a=b=read\n operators = manage')
    assert.deepEqual(map.of(['shop']).scopes.names, ['ask:teddy'])
    assert.deepEqual(map.of(['shop', 'https://api.example/?a=b']).scopes.names, ['ask:teddy', 'read'])
    assert.deepEqual(map.of(['manage', 'read', 'constructor']).scopes.names, [])
  })

  it('limit the priority as their entries say, and the highest entry counts', () => {
    const map = ClaimScopes.parse('low=ask:a,priority:2;middle=ask:a,priority:5;free=ask:b')
    assert.deepEqual(
      [['low'], ['low', 'middle'], ['low', 'free']].map((values) => map.of(values).maxPriority),
      [2, 5, 9],
    )
  })

  it('are refused if their map is malformed', () => {
    for (const text of ['shop', '=read', 'shop=', 'shop=write', 'shop=read;shop=manage', 'shop=read,priority:10'])
      assert.throws(() => ClaimScopes.parse(text), RangeError, text)
  })
})
