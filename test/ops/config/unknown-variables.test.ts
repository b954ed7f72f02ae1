import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { settings } from '../../../ops/config/settings.ts'
import { unknownVariables } from '../../../ops/config/unknown-variables.ts'

describe('A variable of the environment that Waggle does not read', () => {
  it('is named with the nearest one that it reads', () => {
    assert.deepEqual(unknownVariables({ WAGGLE_HTPP_PORT: '9000', WAGGLE_DATADIR: '/data' }), [
      'WAGGLE_DATADIR is no setting; did you mean WAGGLE_DATA_DIR?',
      'WAGGLE_HTPP_PORT is no setting; did you mean WAGGLE_HTTP_PORT?',
    ])
  })

  it('is named with the list of settings where none is near', () => {
    assert.deepEqual(unknownVariables({ WAGGLE_FAVOURITE_ANIMAL: 'bear' }), [
      'WAGGLE_FAVOURITE_ANIMAL is no setting; `waggle run --help` lists every setting.',
    ])
  })

  it('is taken for a secret where its first word resembles SECRET', () => {
    assert.deepEqual(unknownVariables({ WAGGLE_SECERT_TOKEN: 'x' }), ['WAGGLE_SECERT_TOKEN is no setting; did you mean WAGGLE_SECRET_TOKEN?'])
  })

  it('is reported only where it is no secret and no variable of another program', () => {
    const read = Object.fromEntries(settings.map(({ variable }) => [variable, 'x']))
    assert.deepEqual(unknownVariables({ ...read, WAGGLE_SECRET_token: 'x', PATH: '/bin', KAFKA_HOME: '/opt/kafka' }), [])
  })
})
