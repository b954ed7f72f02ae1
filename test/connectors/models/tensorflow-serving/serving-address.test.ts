import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { servingAddress } from '../../../../connectors/models/tensorflow-serving/serving-address.ts'

describe('The address of a model on a TensorFlow Serving', () => {
  it('has protocol, host, port, model and version', () => {
    const usual = { prefix: '', version: null, label: null }
    const cases: readonly (readonly [url: string, expected: object])[] = [
      ['http://serving:8501/v1/models/teddy', { ...usual, protocol: 'http', hostname: 'serving', port: 8501, model: 'teddy' }],
      ['http://serving/v1/models/teddy:predict', { ...usual, protocol: 'http', hostname: 'serving', port: 80, model: 'teddy' }],
      ['https://a.example/v1/models/teddy/', { ...usual, protocol: 'https', hostname: 'a.example', port: 443, model: 'teddy' }],
      ['HTTPS://a.example/ml/v1/models/a%20b', { ...usual, protocol: 'https', hostname: 'a.example', port: 443, prefix: '/ml', model: 'a b' }],
      ['grpc://[::1]:8500/v1/models/teddy', { ...usual, protocol: 'grpc', hostname: '::1', port: 8500, model: 'teddy' }],
      ['grpc://serving/v1/models/teddy/versions/7', { ...usual, protocol: 'grpc', hostname: 'serving', port: 8500, model: 'teddy', version: 7 }],
      [
        'grpcs://serving/v1/models/teddy/labels/stable:predict',
        { ...usual, protocol: 'grpcs', hostname: 'serving', port: 8500, model: 'teddy', label: 'stable' },
      ],
    ]
    for (const [url, expected] of cases) {
      const { shown, ...address } = servingAddress(url)
      assert.deepEqual(address, expected, url)
      assert.match(shown, /\/v1\/models\//)
    }
    assert.equal(servingAddress('http://serving/v1/models/teddy', 4).version, 4)
    assert.equal(servingAddress('http://serving/v1/models/teddy/versions/4', 4).version, 4)
  })

  it('is refused with the reason and a correct example if it is malformed', () => {
    const cases: readonly (readonly [url: string, version: number | undefined, said: RegExp])[] = [
      ['', undefined, /is not an address of http, https, grpc or grpcs/],
      ['serving:8500', undefined, /is not an address of http/],
      ['file:///etc/passwd', undefined, /is not an address of http/],
      ['ftp://serving/v1/models/teddy', undefined, /is not an address of http/],
      ['http://serving:8501', undefined, /does not name a model/],
      ['http://serving:8501/v1/models/', undefined, /does not name a model/],
      ['http://serving:8501/v2/models/teddy', undefined, /does not name a model/],
      ['http://serving:8501/v1/models/teddy:classify', undefined, /does not name a model/],
      ['http://serving:8501/v1/models/teddy/versions/', undefined, /does not name a model/],
      ['http://serving:8501/v1/models/teddy/versions/new', undefined, /the version new, which is not a number/],
      ['http://serving:8501/v1/models/teddy/versions/99999999999999999999', undefined, /which is not a number/],
      ['http://serving:8501/v1/models/teddy/versions/3', 4, /names version 3, and the spec names version 4/],
      ['http://serving:8501/v1/models/teddy/labels/stable', 4, /names the label stable, and the spec names version 4/],
      ['http://serving:8501/v1/models/%zz', undefined, /a % that is no escape/],
      ['http://serving:8501/v1/models/teddy?a=1', undefined, /has a query or a fragment/],
      ['http://serving:8501/v1/models/teddy#a', undefined, /has a query or a fragment/],
      ['grpc:///v1/models/teddy', undefined, /has no valid host/],
      ['grpc://a%2fb/v1/models/teddy', undefined, /has no valid host/],
      ['grpc://serving/prefix/v1/models/teddy', undefined, /a path in front of \/v1\/models, which gRPC has not/],
      ['http://name:secret@serving/v1/models/teddy', undefined, /^The address serving has a user or a password/],
    ]
    for (const [url, version, message] of cases)
      assert.throws(() => servingAddress(url, version), { code: 'WAGGLE_MODEL_ADDRESS', message, next: /Write url as http:\/\/HOST:8501/ }, url)
  })

  it('is quoted by an error without its password and its query', () => {
    for (const url of ['grpc://bee:secret@serving:99999/v1/models/m', 'ftp://bee:secret@serving/m', 'http://serving/v1/models/m?key=secret'])
      assert.throws(
        () => servingAddress(url),
        (thrown: unknown) => !String(thrown).includes('secret'),
        url,
      )
  })
})
