import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Scopes } from '../../../../connectors/gateway/access/scopes.ts'

it('A scope allows what it names, ask:* allows every gateway, and manage also allows reading', () => {
  const granted = (names: readonly string[]) =>
    (['ask:teddy', 'ask:other', 'read', 'manage'] as const).filter((needed) => Scopes.parse(names).allow(needed))
  assert.deepEqual(granted(['ask:teddy']), ['ask:teddy'])
  assert.deepEqual(granted(['ask:*']), ['ask:teddy', 'ask:other'])
  assert.deepEqual(granted(['read']), ['read'])
  assert.deepEqual(granted(['manage']), ['read', 'manage'])
  assert.deepEqual(granted([]), [])
})

it('A name that is not a scope is refused', () => {
  for (const name of ['', 'READ', 'ask', 'ask:', 'ask:a b', 'ask:a"', 'admin', 'constructor'])
    assert.throws(() => Scopes.parse([name]), RangeError, name)
})
