import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { kafkaOptions, openLog } from '../../../ops/beekeeper/open-log.ts'
import { loadConfig } from '../../../ops/config/config.ts'

describe('The log that the settings choose', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-open-log-'))
  after(() => rmSync(directory, { recursive: true }))

  const settingsOf = (env: { readonly [variable: string]: string }) =>
    loadConfig({ directories: [], env: { WAGGLE_DATA_DIR: directory, ...env } }).settings
  const kafka = (env: { readonly [variable: string]: string } = {}) =>
    kafkaOptions(settingsOf({ WAGGLE_LOG: 'kafka', KAFKA_BROKERS: 'a:1, b:2', ...env }))

  it('is the embedded log, or the log of a cluster', async () => {
    const log = await openLog(settingsOf({}))
    assert.deepEqual(log.traits, { atomicCommit: true, repeatsRecords: false, handsOn: true })
    await log.close()
  })

  it('is opened with the value of each setting', async () => {
    const plain = kafka()
    assert.deepEqual([plain.brokers, plain.clientId, plain.processing], [['a:1', 'b:2'], 'waggle', 'at_least_once'])
    assert.deepEqual([plain.ssl, plain.sasl, plain.replicationFactor], [undefined, undefined, undefined])
    assert.equal(kafka({ WAGGLE_PROCESSING: 'exactly_once' }).processing, 'exactly_once')
    assert.equal(kafka({ KAFKA_CLIENT_ID: 'bees' }).clientId, 'bees')
    assert.equal(kafka({ WAGGLE_REPLICATION_FACTOR: '3' }).replicationFactor, 3)
    assert.deepEqual([plain.sessionTimeoutMs, plain.heartbeatIntervalMs, plain.instance], [45_000, 3000, undefined])
    assert.deepEqual([plain.lingerMs, kafka({ WAGGLE_LINGER_MS: '20' }).lingerMs], [1, 20])
    const quick = kafka({ WAGGLE_SESSION_TIMEOUT_MS: '6000', WAGGLE_INSTANCE: 'one' })
    assert.deepEqual([quick.sessionTimeoutMs, quick.heartbeatIntervalMs, quick.instance], [6000, 2000, 'one'])
    assert.ok((kafka({ WAGGLE_MAX_BODY_BYTES: '1000000' }).maxRecordBytes ?? 0) > 1_000_000)
  })

  it('uses TLS if TLS is on, or if a certificate is set', () => {
    const pem = join(directory, 'some.pem')
    writeFileSync(pem, 'PEM')
    assert.deepEqual(kafka({ KAFKA_SSL: 'on' }).ssl, {})
    assert.deepEqual(kafka({ KAFKA_SSL_CA: pem }).ssl, { ca: Buffer.from('PEM') })
    assert.deepEqual(kafka({ KAFKA_SSL_CERT: pem, KAFKA_SSL_KEY: pem }).ssl, { cert: Buffer.from('PEM'), key: Buffer.from('PEM') })
  })

  it('signs in with a password, with a token, or with the output of a command', async () => {
    const named = { KAFKA_SASL_USERNAME: 'u', KAFKA_SASL_PASSWORD: 'p' }
    for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512']) {
      assert.deepEqual(kafka({ KAFKA_SASL_MECHANISM: mechanism, ...named }).sasl, { mechanism, username: 'u', password: 'p' })
    }
    const tokenBy = async (env: { readonly [variable: string]: string }) => {
      const { sasl } = kafka({ KAFKA_SASL_MECHANISM: 'oauthbearer', ...env })
      return sasl?.mechanism === 'oauthbearer' ? sasl.token() : null
    }
    assert.equal(await tokenBy({ KAFKA_SASL_TOKEN: 'abc' }), 'abc')
    assert.equal(await tokenBy({ KAFKA_SASL_TOKEN_COMMAND: 'echo def' }), 'def')
    await assert.rejects(tokenBy({ KAFKA_SASL_TOKEN_COMMAND: 'exit 7' }), { code: 'WAGGLE_NOT_PERMITTED' })
  })

  it('fails with the address if no server or another kind of server listens there', async () => {
    const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    for (const KAFKA_BROKERS of [`127.0.0.1:${port}`, '127.0.0.1:1']) {
      await assert.rejects(openLog(settingsOf({ WAGGLE_LOG: 'kafka', KAFKA_BROKERS })), (error: Error & { code?: string; next?: string }) => {
        assert.equal(error.code, 'WAGGLE_LOG_UNREACHABLE')
        assert.ok(error.message.includes(KAFKA_BROKERS), error.message)
        assert.match(error.next ?? '', /KAFKA_BROKERS/)
        return true
      })
    }
    server.close()
  })
})
