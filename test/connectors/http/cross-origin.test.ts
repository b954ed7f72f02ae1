import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isOrigin } from '../../../connectors/http/cross-origin.ts'

describe('The origin of a page', () => {
  it('is a scheme, a host, and a port that is not the scheme’s default', () => {
    for (const origin of ['https://shop.example', 'http://localhost:3000', 'https://[::1]:8443', 'HTTPS://Shop.example'])
      assert.equal(isOrigin(origin), true, origin)
  })

  it('is not a pattern, not the address of a document, and not the origin of a page without an origin', () => {
    const wrong = [
      '*',
      'null',
      '',
      'shop.example',
      'https://shop.example/',
      'https://shop.example:443',
      'https://*.shop.example',
      'file://',
      'https://a@shop.example',
    ]
    for (const origin of wrong) assert.equal(isOrigin(origin), false, origin)
  })
})
