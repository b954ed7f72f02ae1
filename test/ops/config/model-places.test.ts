import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { AllowedHosts } from '../../../connectors/http/allowed-hosts.ts'
import { RemoteModels } from '../../../connectors/objects/remote-models.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { ModelPlaces } from '../../../ops/config/model-places.ts'
import { ResolveMap } from '../../../ops/config/resolve-map.ts'

describe('The address of a model', () => {
  const root = mkdtempSync(join(tmpdir(), 'waggle-places-'))
  const directory = join(root, 'swarm')
  const written = (path: string, content = 'honey') => {
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, content)
    return path
  }
  const remote = new RemoteModels({
    directory: join(root, 'models'),
    maxBytes: 1e9,
    hosts: AllowedHosts.parse('models.example'),
    env: {},
    clock: systemClock,
  })
  const places = new ModelPlaces({ resolve: new ResolveMap({ 's3://mapped/': './mapped/' }, root), directory, remote, mayFetch: false })
  const pathOf = (uri: string, sha256?: string) => places.path(uri, 'file or folder', { log: () => {}, ...(sha256 === undefined ? {} : { sha256 }) })

  before(() => {
    written(join(directory, 'a b.onnx'))
    written(join(root, 'mapped', 'a.onnx'))
    const packaged = join(root, 'node_modules', '@bees', 'models')
    written(join(packaged, 'package.json'), '{"name": "@bees/models", "exports": {".": "./index.js"}}')
    written(join(packaged, 'data', 'a.onnx'))
    written(join(root, 'outside.onnx'))
    symlinkSync(join(root, 'outside.onnx'), join(packaged, 'link.onnx'))
  })
  after(() => rmSync(root, { recursive: true }))

  it('is a path, relative to the swarm file, or a file: address', async () => {
    const file = join(directory, 'a b.onnx')
    for (const uri of ['./a b.onnx', file, 'file:./a b.onnx', 'file:a b.onnx', pathToFileURL(file).href, `FILE://${file.replace(' ', '%20')}`])
      assert.equal(await pathOf(uri), file, uri)
    await assert.rejects(pathOf('file://elsewhere/a.onnx'), { code: 'WAGGLE_MODEL_SOURCE' })
    await assert.rejects(pathOf('file:./nothing.onnx'), { code: 'WAGGLE_FILE_NOT_FOUND' })
  })

  it('may be in a package, even if the package does not export the file', async () => {
    const data = join(root, 'node_modules', '@bees', 'models', 'data')
    assert.equal(await pathOf('npm:@bees/models/data/a.onnx'), join(data, 'a.onnx'))
    assert.equal(await pathOf('npm:@bees/models/data'), data)
    const near = new ModelPlaces({ resolve: new ResolveMap({}, root), directory: relative(process.cwd(), directory), remote, mayFetch: false })
    assert.equal(
      await near.path('npm:@bees/models/data', 'file or folder', { log: () => {} }),
      data,
      'the command line may name the swarm by a relative path',
    )
    const wrong: readonly (readonly [string, string])[] = [
      ['npm:@bees/models/nothing.onnx', 'WAGGLE_MODEL_NOT_FOUND'],
      ['npm:no-such-bees/a.onnx', 'WAGGLE_MODEL_NOT_FOUND'],
      ['npm:@bees/models/link.onnx', 'WAGGLE_MODEL_NOT_FOUND'],
      ['npm:@bees/models/../../../outside.onnx', 'WAGGLE_MODEL_SOURCE'],
      ['npm:@bees/models', 'WAGGLE_MODEL_SOURCE'],
      ['npm:../outside.onnx', 'WAGGLE_MODEL_SOURCE'],
      ['npm:/etc/passwd', 'WAGGLE_MODEL_SOURCE'],
      ['npm:', 'WAGGLE_MODEL_SOURCE'],
    ]
    for (const [uri, code] of wrong) await assert.rejects(pathOf(uri), { code }, uri)
  })

  it('is read from the folder to which resolve: maps its prefix, and is not fetched', async () => {
    assert.equal(await pathOf('s3://mapped/a.onnx'), join(root, 'mapped', 'a.onnx'))
  })

  it('must lead to a file with the SHA-256 of the spec, even on this machine', async () => {
    const sha256 = createHash('sha256').update('honey').digest('hex')
    assert.equal(await pathOf('s3://mapped/a.onnx', sha256), join(root, 'mapped', 'a.onnx'))
    await assert.rejects(pathOf('./a b.onnx', '0'.repeat(64)), { code: 'WAGGLE_MODEL_DIFFERS', message: /and the spec names 0000/ })
    await assert.rejects(pathOf('npm:@bees/models/data', sha256), { code: 'WAGGLE_MODEL_DIFFERS', message: /is a folder/ })
  })

  it('is checked only by its form if nothing may be fetched', async () => {
    for (const uri of [
      's3://bucket/a.onnx',
      's3://bucket/folder/',
      'https://models.example/a.onnx',
      'HTTPS://models.example:8443/a.onnx?key=secret',
    ]) {
      await assert.rejects(pathOf(uri), (thrown: unknown) => {
        assert.match(String(thrown), /is not on this machine/, uri)
        assert.doesNotMatch(String(thrown), /secret/)
        return true
      })
    }
    for (const uri of ['https://other.example/a.onnx', 'https://models.example.evil/a.onnx', 'https://127.0.0.1/a.onnx', 'https://localhost/a.onnx'])
      await assert.rejects(pathOf(uri), { code: 'WAGGLE_NOT_RESOLVED', message: /is not in the list of hosts/ }, uri)
    const wrong = [
      ...[
        's3://',
        's3://bucket',
        's3://bucket/',
        's3:///a.onnx',
        's3://Bucket/a.onnx',
        's3://b/a.onnx',
        's3://bu..cket/a',
        `s3://bucket/${'k'.repeat(1025)}`,
      ],
      ...['https://me:word@models.example/a.onnx', 'https://[', 'https:'],
      ...['http://models.example/a.onnx', 'http://169.254.169.254/a.onnx'],
    ]
    for (const uri of wrong) await assert.rejects(pathOf(uri), { code: 'WAGGLE_MODEL_SOURCE' }, uri)
    await assert.rejects(pathOf('gs://bucket/a.onnx'), { code: 'WAGGLE_NOT_RESOLVED' })
  })

  it('is never fetched for a file other than a model or its labels', async () => {
    await assert.rejects(places.path('s3://bucket/module.ts'), { code: 'WAGGLE_NOT_RESOLVED' })
    await assert.rejects(places.path('https://models.example/module.ts'), { code: 'WAGGLE_NOT_RESOLVED' })
  })

  it('leads to no file outside of a server’s directory, except through the resolve: map and packages', async () => {
    const resolve = new ResolveMap({ 's3://mapped/': './mapped/', '../shelf/': './mapped/' }, root)
    const served = new ModelPlaces({ resolve, directory, within: directory, remote, mayFetch: false })
    const whole = { log: () => {} }
    assert.equal(await served.path('s3://mapped/a.onnx'), join(root, 'mapped', 'a.onnx'))
    assert.equal(await served.path('../shelf/a.onnx'), join(root, 'mapped', 'a.onnx'))
    assert.equal(await served.path('npm:@bees/models/data/a.onnx', 'file', whole), join(root, 'node_modules', '@bees', 'models', 'data', 'a.onnx'))
    const outside = [
      '../outside.onnx',
      'npm:/../../outside.onnx',
      'npm:x/../../outside.onnx',
      's3://mapped/../outside.onnx',
      '../shelf/../outside.onnx',
    ]
    for (const uri of outside) await assert.rejects(served.path(uri), { code: 'WAGGLE_OUTSIDE_DIRECTORY' }, uri)
    for (const uri of ['s3://mapped/../outside.onnx', '../outside.onnx'])
      await assert.rejects(served.path(uri, 'file', whole), { code: 'WAGGLE_OUTSIDE_DIRECTORY' }, uri)
  })
})
