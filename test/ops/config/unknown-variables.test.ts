import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { settings } from '../../../ops/config/settings.ts'
import { refuseUnknownVariables } from '../../../ops/config/unknown-variables.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'

describe('An environment variable that Waggle does not read', () => {
  function mistakes(env: { readonly [variable: string]: string }): readonly string[] {
    try {
      refuseUnknownVariables(env)
    } catch (error) {
      assert.ok(error instanceof WaggleError)
      assert.equal(error.code, 'WAGGLE_INVALID_CONFIG')
      const all = error.cause instanceof AggregateError ? (error.cause.errors as WaggleError[]) : [error]
      return all.map(({ place, message, next }) => `${place}: ${message}. ${next}`)
    }
    return []
  }

  it('leads to an error that names the most similar known variable', () => {
    assert.deepEqual(mistakes({ WAGGLE_HTPP_PORT: '9000', WAGGLE_DATADIR: '/data', WAGGLE_TOKNES: 'secret' }), [
      'WAGGLE_DATADIR: the variable is not a setting. Did you mean WAGGLE_DATA_DIR?',
      'WAGGLE_HTPP_PORT: the variable is not a setting. Did you mean WAGGLE_HTTP_PORT?',
      'WAGGLE_TOKNES: the variable is not a setting. Did you mean WAGGLE_TOKENS?',
    ])
  })

  it('leads to an error that names the list of settings if no known variable is similar', () => {
    assert.deepEqual(mistakes({ WAGGLE_FAVOURITE_ANIMAL: 'bear' }), [
      'WAGGLE_FAVOURITE_ANIMAL: the variable is not a setting. `waggle run --help` lists every setting.',
    ])
  })

  it('counts as a misspelt secret if its first word resembles SECRET', () => {
    assert.deepEqual(mistakes({ WAGGLE_SECERT_TOKEN: 'x' }), [
      'WAGGLE_SECERT_TOKEN: the variable is not a setting. Did you mean WAGGLE_SECRET_TOKEN?',
    ])
  })

  it('is allowed if it is a secret, belongs to a client or another program, or comes from Kubernetes', () => {
    const read = Object.fromEntries(settings.map(({ variable }) => [variable, 'x']))
    assert.deepEqual(mistakes({ ...read, WAGGLE_SECRET_token: 'x', WAGGLE_URL: 'x', WAGGLE_TOKEN: 'x', PATH: '/bin', KAFKA_HOME: '/opt/kafka' }), [])
    const links = {
      WAGGLE_SERVICE_HOST: '10.0.0.1',
      WAGGLE_SERVICE_PORT_HTTP: '8080',
      WAGGLE_PORT: 'tcp://10.0.0.1:8080',
      WAGGLE_PORT_8080_TCP_ADDR: '10.0.0.1',
    }
    assert.deepEqual(mistakes(links), [])
    assert.equal(mistakes({ WAGGLE_PORT: '8080' }).length, 1)
  })
})
