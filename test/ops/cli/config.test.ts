import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { settings } from '../../../ops/config/settings.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')

describe('waggle config', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-config-'))
  after(() => rmSync(directory, { recursive: true }))
  writeFileSync(join(directory, 'waggle.yaml'), 'http_port: 9000\npartitions: 7\nclickhouse_url: "https://me:hunter22@clickhouse.example/"\n')
  const secrets = ['0123456789abcdef', 'broker-password', 'hunter22']
  const env = { WAGGLE_HTTP_PORT: '9100', WAGGLE_TOKENS: `web=${secrets[0]}:read`, KAFKA_SASL_PASSWORD: secrets[1] }

  const waggle = (...argv: readonly string[]) =>
    spawnSync(process.execPath, [main, 'config', ...argv], { cwd: directory, encoding: 'utf8', env: { ...process.env, ...env } })

  it('prints every setting with its value and place as JSON, but no secret', () => {
    const { status, stdout, stderr } = waggle('--json')
    assert.equal(status, 0, stderr)
    const { settings: rows } = JSON.parse(stdout) as { readonly settings: readonly { readonly key: string; readonly value: unknown }[] }
    assert.deepEqual(
      rows.map(({ key }) => key),
      settings.map(({ key }) => key),
    )
    const row = (key: string) => rows.find((one) => one.key === key)
    assert.deepEqual(row('http_port'), {
      key: 'http_port',
      variable: 'WAGGLE_HTTP_PORT',
      value: 9100,
      from: 'environment',
      place: 'WAGGLE_HTTP_PORT',
    })
    assert.deepEqual(row('partitions'), {
      key: 'partitions',
      variable: 'WAGGLE_PARTITIONS',
      value: 7,
      from: 'file',
      place: `${join(directory, 'waggle.yaml')}:2:13`,
    })
    assert.deepEqual(row('host'), { key: 'host', variable: 'WAGGLE_HOST', value: '127.0.0.1', from: 'default', place: null })
    assert.equal(row('tokens')?.value, '***')
    assert.equal(row('kafka_sasl_password')?.value, '***')
    assert.match(String(row('clickhouse_url')?.value), /^https:\/\/me:.*clickhouse_url.*@clickhouse\.example\/$/)
    for (const secret of secrets) assert.equal(stdout.includes(secret), false, secret)
  })

  it('prints a line for each setting, but no secret', () => {
    const { stdout } = waggle()
    assert.match(stdout, /^http_port +9100 +WAGGLE_HTTP_PORT$/m)
    assert.match(stdout, /^partitions +7 +\S+waggle\.yaml:2:13$/m)
    assert.match(stdout, /^host +127\.0\.0\.1 +default$/m)
    for (const secret of secrets) assert.equal(stdout.includes(secret), false, secret)
  })
})
