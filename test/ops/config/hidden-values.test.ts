import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadConfig } from '../../../ops/config/config.ts'
import { hiddenValues } from '../../../ops/config/hidden-values.ts'
import { Redaction } from '../../../topology/swarm/secrets/redaction.ts'

const hiddenOf = (env: { readonly [name: string]: string }) => hiddenValues(loadConfig({ directories: [], env }))

test('The password of a secret that is a URL is hidden by itself, also in its decoded form', () => {
  const hidden = hiddenOf({ WAGGLE_SECRET_DB: 'postgres://waggle:hunter%402@db.example/shop' })
  const redaction = new Redaction(hidden)
  for (const said of ['the server refuses hunter@2', 'postgres://waggle:hunter%402@db.example/shop is away'])
    assert.doesNotMatch(redaction.text(said), /hunter/)
})

test('The passwords of addresses and of SASL in the settings are hidden', () => {
  const hidden = hiddenOf({
    CLICKHOUSE_URL: 'http://waggle:honey%21comb@ch.example:8123/',
    SCHEMA_REGISTRY_URL: 'http://registry.example/?token=beeswax-9',
    KAFKA_SASL_PASSWORD: 'pollen-7',
  })
  const values = [...hidden.values()]
  for (const value of ['honey!comb', 'beeswax-9', 'pollen-7']) assert.ok(values.includes(value), value)
})
