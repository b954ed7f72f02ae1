import assert from 'node:assert/strict'
import { it } from 'node:test'
import { isLoopback } from '../../../connectors/http/loopback.ts'

it('A host that only this machine can reach is loopback, and a name or address that only resembles such a host is not', () => {
  for (const host of ['localhost', 'LOCALHOST', '127.0.0.1', '127.255.255.254', '::1', '[::1]']) assert.ok(isLoopback(host), host)
  for (const host of [
    '',
    'localhost.example',
    'a.localhost',
    '127.0.0.1.example',
    '127.0.0',
    '128.0.0.1',
    '0.0.0.0',
    '::',
    '[::2]',
    '::1]',
    '127.0.0.1\n',
  ])
    assert.ok(!isLoopback(host), JSON.stringify(host))
})
