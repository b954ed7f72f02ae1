import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { settings } from '../../../ops/config/settings.ts'
import { unknownVariables } from '../../../ops/config/unknown-variables.ts'

describe('An environment variable that Waggle does not read', () => {
  it('is reported with the most similar variable that Waggle reads', () => {
    assert.deepEqual(unknownVariables({ WAGGLE_HTPP_PORT: '9000', WAGGLE_DATADIR: '/data' }), [
      'WAGGLE_DATADIR is not a setting; did you mean WAGGLE_DATA_DIR?',
      'WAGGLE_HTPP_PORT is not a setting; did you mean WAGGLE_HTTP_PORT?',
    ])
  })

  it('is reported with the list of settings if none is similar', () => {
    assert.deepEqual(unknownVariables({ WAGGLE_FAVOURITE_ANIMAL: 'bear' }), [
      'WAGGLE_FAVOURITE_ANIMAL is not a setting; `waggle run --help` lists every setting.',
    ])
  })

  it('is reported as a misspelt secret if its first word resembles SECRET', () => {
    assert.deepEqual(unknownVariables({ WAGGLE_SECERT_TOKEN: 'x' }), ['WAGGLE_SECERT_TOKEN is not a setting; did you mean WAGGLE_SECRET_TOKEN?'])
  })

  it('is not reported if it is a secret or belongs to another program', () => {
    const read = Object.fromEntries(settings.map(({ variable }) => [variable, 'x']))
    assert.deepEqual(unknownVariables({ ...read, WAGGLE_SECRET_token: 'x', PATH: '/bin', KAFKA_HOME: '/opt/kafka' }), [])
  })
})
