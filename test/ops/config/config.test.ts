import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { type Config, loadConfig } from '../../../ops/config/config.ts'
import { settings } from '../../../ops/config/settings.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'

describe('Settings', () => {
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

  it('have a default that works, each', () => {
    const { settings: values } = load(null)
    for (const { key, default: fallback } of settings) assert.equal(values[key], fallback, key)
    assert.deepEqual([values.http_port, values.host, values.data_dir, values.partitions], [8080, '127.0.0.1', '.waggle', 4])
  })

  it('come from waggle.yaml, and from the environment before that', () => {
    assert.equal(load('http_port: 9000').settings.http_port, 9000)
    assert.equal(load('http_port: 9000', { WAGGLE_HTTP_PORT: '9100' }).settings.http_port, 9100)
    assert.equal(load('# nothing yet\n').settings.http_port, 8080)
  })

  it('that are wrong are all told at once, with their places', () => {
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

  it('keep secrets by name', () => {
    assert.equal(load(null, { WAGGLE_SECRET_KEY: 'abc' }).secrets.get('KEY'), 'abc')
  })

  const map =
    'resolve:\n  "s3://bucket/": ./models/\n  "s3://bucket/other/": ./nowhere/\n  "image:latest": [node, ./run.ts, --fast]\n  "image:": [python3]\n'

  it('resolve what a swarm names by the longest prefix, relative to their own file', async () => {
    const { resolve } = load(map)
    assert.match(await resolve.path('s3://bucket/a.onnx', '/swarm'), /\/models\/a\.onnx$/)
    await assert.rejects(resolve.path('s3://bucket/other/a.onnx', '/swarm'), /There is no file .*nowhere.*for s3:\/\/bucket\/other\/a\.onnx/)
    const [program, file, flag] = resolve.command('image:latest') ?? []
    assert.deepEqual([program, flag], [process.execPath, '--fast'])
    assert.match(file ?? '', /^\/.*run\.ts$/)
    assert.deepEqual(resolve.command('image:old'), ['python3'])
    assert.equal(resolve.command('unknown'), null)
  })

  it('say what to write where something is not on this machine', async () => {
    await assert.rejects(load(null).resolve.path('s3://elsewhere/a.onnx', '/swarm'), (error: unknown) => {
      assert.ok(error instanceof WaggleError)
      assert.equal(error.code, 'WAGGLE_NOT_RESOLVED')
      assert.match(error.next, /resolve: \{"s3:\/\/elsewhere\/":/)
      return true
    })
    assert.ok(mistakes('resolve:\n  "a": 1\n').some((line) => /a must be a path or a command/.test(line)))
  })
})
