import assert from 'node:assert/strict'
import { it } from 'node:test'
import { clearSecrets, digestOf, parseTokens } from '../../../../connectors/gateway/access/access-token.ts'
import { AccessTokens } from '../../../../connectors/gateway/access/access-tokens.ts'

it('A list of tokens has names, secrets and scopes, on one line or on several lines, with comments', () => {
  const one = parseTokens('web=0123456789abcdef:ask:teddy,ask:other;ops=fedcba9876543210==:read, manage')
  assert.deepEqual(
    one.map(({ name, scopes }) => [name, ...scopes.names]),
    [
      ['web', 'ask:teddy', 'ask:other'],
      ['ops', 'read', 'manage'],
    ],
  )
  const lines = parseTokens('# for the shop\r\nweb=0123456789abcdef:ask:teddy,ask:other\n\nops=fedcba9876543210==:read, manage\n')
  assert.deepEqual(lines, one)
  assert.deepEqual(parseTokens(' ; \n'), [])
})

it('A list of tokens may contain the hash of a secret instead of the secret', () => {
  const hash = Buffer.from(digestOf('0123456789abcdef')).toString('hex')
  const tokens = new AccessTokens()
  tokens.replace('settings', parseTokens(`web=sha256-${hash}:read`))
  assert.equal(tokens.find('0123456789abcdef')?.name, 'token:web')
  assert.equal(tokens.find(`sha256-${hash}`), null)
})

it('A mistake in a list of tokens is reported with the token’s name, and without a secret', () => {
  const secret = '0123456789abcdef'
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['web', /Token 1 is not of the form/],
    [`${secret}`, /Token 1 is not of the form/],
    [`a=${secret}:read;web=${secret}`, /Token 2 is not of the form/],
    [`we b=${secret}:read`, /Token 1 is not of the form/],
    ['web=short:read', /The secret of token web has fewer than 16 characters/],
    [`web=${secret}"quoted":read`, /The secret of token web/],
    [`web=sha256-${secret}:read`, /The hash of token web is not sha256- and 64 hexadecimal digits/],
    [`web=${secret}:`, /Token 1 is not of the form/],
    [`web=${secret}:write`, /Token web has "write", which is not a scope/],
    [`web=${secret}:ask:`, /Token web has "ask:", which is not a scope/],
    [`web=${secret}:read;web=${secret}x:read`, /There are two tokens web/],
  ]
  for (const [text, expected] of wrong) {
    assert.throws(
      () => parseTokens(text),
      (error: unknown) => error instanceof RangeError && expected.test(error.message) && !error.message.includes(secret),
      text,
    )
  }
})

it('The secrets that a list of tokens contains in clear text are found, so that no output shows them', () => {
  const found = clearSecrets(`web=0123456789abcdef:read\nhashed=sha256-${'0'.repeat(64)}:read;broken;ops=fedcba9876543210:manage`)
  assert.deepEqual(
    [...found],
    [
      ['web', '0123456789abcdef'],
      ['ops', 'fedcba9876543210'],
    ],
  )
})
