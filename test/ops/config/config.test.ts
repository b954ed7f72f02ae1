import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { type Config, loadConfig } from '../../../ops/config/config.ts'
import { planSettingsOf, settings } from '../../../ops/config/settings.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'

describe('The settings of a process', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-config-'))
  after(() => rmSync(directory, { recursive: true }))
  let files = 0

  function load(yaml: string | null, env: { readonly [variable: string]: string } = {}): Config {
    const own = join(directory, String(files++))
    mkdirSync(join(own, 'models'), { recursive: true })
    writeFileSync(join(own, 'models', 'a.onnx'), '')
    if (yaml !== null) writeFileSync(join(own, 'waggle.yaml'), yaml)
    return loadConfig({ directories: [own], env })
  }

  function mistakes(yaml: string | null, env: { readonly [variable: string]: string } = {}): readonly string[] {
    try {
      load(yaml, env)
    } catch (error) {
      assert.ok(error instanceof WaggleError)
      assert.equal(error.code, 'WAGGLE_INVALID_CONFIG')
      const all = error.cause instanceof AggregateError ? (error.cause.errors as WaggleError[]) : [error]
      return all.map(({ place, message, next }) => `${place}: ${message} ${next}`)
    }
    return []
  }

  it('all have a working default', () => {
    const { settings: values } = load(null)
    for (const { key, default: fallback } of settings) assert.equal(values[key], fallback, key)
    assert.deepEqual([values.http_port, values.host, values.data_dir, values.partitions], [8080, '127.0.0.1', '.waggle', 4])
  })

  it('include additional host names of this server, and an invalid host name is refused', () => {
    assert.equal(load('hosts: waggle, proxy.example:8443').settings.hosts, 'waggle, proxy.example:8443')
    assert.match(mistakes(null, { WAGGLE_HOSTS: 'waggle,http://a/' }).join(), /^WAGGLE_HOSTS: "http:\/\/a\/" is not a name of a server/)
  })

  it('come from the environment first, then from waggle.yaml', () => {
    assert.equal(load('http_port: 9000').settings.http_port, 9000)
    assert.equal(load('http_port: 9000', { WAGGLE_HTTP_PORT: '9100' }).settings.http_port, 9100)
    assert.equal(load('# nothing yet\n').settings.http_port, 8080)
  })

  it('are all checked at once, and each mistake has its place', () => {
    const told = mistakes('http_prt: 1\npartitions: many\n', { WAGGLE_GPU: 'maybe', WAGGLE_HTTP_PORT: '70000' })
    assert.ok(
      told.some((line) => /waggle\.yaml:1:1: unknown key http_prt.*http_port/.test(line)),
      told.join('\n'),
    )
    assert.ok(
      told.some((line) => /waggle\.yaml:2:13: partitions must be an integer/.test(line)),
      told.join('\n'),
    )
    assert.ok(
      told.some((line) => /^WAGGLE_GPU: .*prefer, require/.test(line)),
      told.join('\n'),
    )
    assert.ok(
      told.some((line) => /^WAGGLE_HTTP_PORT: /.test(line)),
      told.join('\n'),
    )
  })

  it('must fit together for a cluster, and a missing setting is reported at the setting that needs it', () => {
    const brokers = { WAGGLE_LOG: 'kafka', KAFKA_BROKERS: 'a:9092' }
    const wrong: readonly (readonly [{ readonly [variable: string]: string }, RegExp])[] = [
      [{ WAGGLE_LOG: 'kafka' }, /^KAFKA_BROKERS: .*Set KAFKA_BROKERS=host:port/],
      [{ WAGGLE_LOG: 'kafka', KAFKA_BROKERS: 'a:9092,b' }, /^KAFKA_BROKERS: "b" is not an address/],
      [{ WAGGLE_LOG: 'kafka', KAFKA_BROKERS: 'a:70000' }, /^KAFKA_BROKERS: "a:70000" is not an address/],
      [{ ...brokers, KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'u' }, /^KAFKA_SASL_PASSWORD: plain needs a user and a password/],
      [{ ...brokers, KAFKA_SASL_PASSWORD: 'p' }, /^KAFKA_SASL_MECHANISM: kafka_sasl_password is set, and no mechanism/],
      [{ ...brokers, KAFKA_SASL_MECHANISM: 'oauthbearer' }, /^KAFKA_SASL_TOKEN: oauthbearer needs a token/],
      [
        { ...brokers, KAFKA_SASL_MECHANISM: 'oauthbearer', KAFKA_SASL_TOKEN: 't', KAFKA_SASL_TOKEN_COMMAND: 'true' },
        /^KAFKA_SASL_TOKEN: a token and a command/,
      ],
      [{ ...brokers, KAFKA_SASL_MECHANISM: 'kerberos' }, /^KAFKA_SASL_MECHANISM: .*scram-sha-256/],
      [{ ...brokers, KAFKA_SSL_CA: '/nowhere/ca.pem' }, /^KAFKA_SSL_CA: \/nowhere\/ca.pem cannot be read/],
      [{ ...brokers, KAFKA_SSL_KEY: import.meta.filename }, /^KAFKA_SSL_CERT: kafka_ssl_cert is missing/],
      [{ ...brokers, KAFKA_CLIENT: 'kafkajs', WAGGLE_PROCESSING: 'exactly_once' }, /^WAGGLE_PROCESSING: kafkajs cannot do exactly_once/],
      [{ ...brokers, KAFKA_CLIENT: 'kafkajs', WAGGLE_INSTANCE: 'one' }, /^WAGGLE_INSTANCE: kafkajs has no members/],
      [{ ...brokers, KAFKA_CLIENT: 'librdkafka' }, /^KAFKA_CLIENT: .*platformatic, kafkajs/],
      [{ WAGGLE_REPLY_TOPICS: 'a, te*m' }, /^WAGGLE_REPLY_TOPICS: " te\*m" is neither a topic nor/],
    ]
    for (const [env, expected] of wrong) {
      const told = mistakes(null, env)
      assert.ok(
        told.some((line) => expected.test(line)),
        `${JSON.stringify(env)}: ${told.join('\n')}`,
      )
    }
    assert.ok(mistakes('log: kafka\nkafka_brokers: b\n').some((line) => /waggle\.yaml:2:16: "b" is not an address/.test(line)))
    assert.deepEqual(mistakes(null, brokers), [])
    assert.deepEqual(mistakes(null, { ...brokers, KAFKA_CLIENT: 'kafkajs' }), [])
    assert.deepEqual(mistakes(null, { KAFKA_SASL_PASSWORD: 'of no use without a cluster' }), [])
  })

  it('have different defaults on a cluster with several processes', () => {
    const kafka = { WAGGLE_LOG: 'kafka', KAFKA_BROKERS: 'a:9092' }
    assert.equal(load(null, kafka).settings.gpu, 'require')
    assert.equal(load(null, { ...kafka, WAGGLE_GPU: 'prefer' }).settings.gpu, 'prefer')
    assert.equal(load(null).settings.gpu, 'prefer')
  })

  it('set the retention of a swarm’s topics, and on a cluster a size limit only if a setting asks for one', () => {
    const topics = (env: { readonly [variable: string]: string }) => {
      const { retentionMs, retentionBytes } = planSettingsOf(load(null, env).settings)
      return [retentionMs, retentionBytes]
    }
    const kafka = { WAGGLE_LOG: 'kafka', KAFKA_BROKERS: 'localhost:9092' }
    assert.deepEqual(topics({}), [86_400_000, 1024 ** 3])
    assert.deepEqual(topics({ WAGGLE_RETENTION_SECONDS: '60', WAGGLE_RETENTION_BYTES: '2000000' }), [60_000, 2_000_000])
    assert.deepEqual(topics(kafka), [86_400_000, null])
    assert.deepEqual(topics({ ...kafka, WAGGLE_RETENTION_BYTES: '2000000' }), [86_400_000, 2_000_000])
  })

  it('include secrets by name', () => {
    assert.equal(load(null, { WAGGLE_SECRET_KEY: 'abc' }).secrets.find('KEY')?.reveal(), 'abc')
  })

  const map =
    'resolve:\n  "s3://bucket/": ./models/\n  "s3://bucket/other/": ./nowhere/\n  "image:latest": [node, ./run.ts, --fast]\n  "image:": [python3]\n'

  it('map the paths and images in a swarm file by the longest matching prefix, relative to the settings file', async () => {
    const { resolve } = load(map)
    const elsewhere = join(directory, 'elsewhere')
    mkdirSync(elsewhere)
    writeFileSync(join(elsewhere, 'b.onnx'), '')
    assert.equal(await load(`resolve:\n  "s3://": ${elsewhere}/\n`).resolve.path('s3://b.onnx', '/swarm'), join(elsewhere, 'b.onnx'))
    assert.match(await resolve.path('s3://bucket/a.onnx', '/swarm'), /\/models\/a\.onnx$/)
    await assert.rejects(resolve.path('s3://bucket/other/a.onnx', '/swarm'), /There is no file .*nowhere.*for s3:\/\/bucket\/other\/a\.onnx/)
    const [program, file, flag] = resolve.command('image:latest') ?? []
    assert.deepEqual([program, flag], [process.execPath, '--fast'])
    assert.match(file ?? '', /^\/.*run\.ts$/)
    assert.deepEqual(resolve.command('image:old'), ['python3'])
    assert.equal(resolve.command('unknown'), null)
  })

  it('suggest resolve: as the next step if a path or an image is not on this machine', async () => {
    await assert.rejects(load(null).resolve.path('s3://elsewhere/a.onnx', '/swarm'), (error: unknown) => {
      assert.ok(error instanceof WaggleError)
      assert.equal(error.code, 'WAGGLE_NOT_RESOLVED')
      assert.match(error.next, /resolve: \{"s3:\/\/elsewhere\/":/)
      return true
    })
    assert.ok(mistakes('resolve:\n  "a": 1\n').some((line) => /a must be a path or a command/.test(line)))
  })
})
